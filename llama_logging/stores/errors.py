"""Questions about errors: how many, which, and all that is known of one. The contract: registry.errors.Errors."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llama_logging import wire
from llama_logging.context import ErrorContext, ErrorSeverity, Sighting
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry.errors import Counts
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.groups import members_of
from llama_logging.stores.origins import Within
from llama_logging.stores.statements import DAY, MINUTE, UNITS, Execute, listed, marks, only, start_of

_ERRORS = """
    SELECT errors.position, errors.error_id, errors.timestamp, errors.severity, groups.fingerprint,
           errors.error_type, errors.message, errors.regrouped, errors.content, stacks.content, processes.content
    FROM errors JOIN groups ON groups.id = errors.group_id
    LEFT JOIN stacks ON stacks.id = errors.stack
    LEFT JOIN processes ON processes.id = errors.process
"""

_WAYS = 400
"""So many are put together in one question; SQLite takes 500."""
_MINUTES = 200
"""So many minutes of groups are looked into before the errors themselves are gone through."""

_EARLIEST = -(2**62)
"""Before every error."""


class SQLErrors(SQLAccess):
    """Part of SQLStore."""

    def counts(self, since: datetime | None, at_least: ErrorSeverity, types: int) -> Counts:
        by_severity: dict[ErrorSeverity, int] = {}
        by_type: dict[str, int] = {}
        with self._reading() as execute:
            sql, parameters = _counted(since, at_least, Within(execute, self.origin))
            for severity, error_type, count in execute(sql, (*parameters, types)):
                if severity:
                    by_severity[ErrorSeverity(severity)] = int(count)
                else:
                    by_type[error_type] = int(count)
        return Counts(by_severity=by_severity, by_type=by_type)

    def count_by_severity(self, since: datetime | None, at_least: ErrorSeverity) -> dict[ErrorSeverity, int]:
        return dict(self.counts(since, at_least, 0).by_severity)

    def errors(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        fingerprint: str | None = None,
        limit: int = 10,
    ) -> list[ErrorContext]:
        with self._reading() as execute:
            within, begin = Within(execute, self.origin), start_of(since)
            members = members_of(execute, fingerprint) if fingerprint is not None else None
            if within.narrow and limit:
                places = _newest_there(execute, within, members, begin, at_least, limit)
            else:
                places = _newest_anywhere(execute, members, begin, at_least, limit)
            return [context for _, context in _decoded(execute, *_placed(places))]

    def errors_after(self, position: int, limit: int = 100) -> tuple[int, list[ErrorContext]]:
        with self._reading() as execute:
            if position < 0:
                return only(execute("SELECT coalesce(max(position), 0) FROM errors")), []
            places = [
                row[0]
                for row in execute(
                    "SELECT position FROM errors WHERE position > ? ORDER BY position LIMIT ?", (position, limit)
                )
            ]
            rows = _decoded(execute, places)
        errors = [context for _, context in rows if self.origin.includes(context.process)]
        return (rows[-1][0] if rows else position), errors

    def find(self, id_prefix: str) -> ErrorContext:
        # Everything that begins with the prefix lies between it and it with the last digit raised. What is no letter
        # of an id may have no next one, as U+D7FF has none.
        low = id_prefix.lower()
        high = low[:-1] + chr(ord(low[-1]) + 1) if low.isascii() and low else "g"
        with self._reading() as execute:
            found = execute(
                "SELECT position, timestamp, group_id FROM errors WHERE error_id >= ? AND error_id < ? "
                "ORDER BY error_id DESC LIMIT 1000",
                (low, high),
            ).fetchall()
            # Ids begin with the time: those of one minute are alike, and mostly of one group.
            if len(found) != 1 and len({row[2] for row in found}) != 1:
                problem = "errors of several groups have an id that begins with" if found else "no error has the id"
                raise ErrorNotFound(f"{problem} {id_prefix!r} in {self.url}")
            return _decoded(execute, *_placed(found[:1]))[0][1]

    def errors_beside(self, error_id: str, *, later: bool = False, limit: int = 1) -> list[ErrorContext]:
        with self._reading() as execute:
            row = execute(
                "SELECT errors.timestamp, errors.position, groups.fingerprint FROM errors "
                "JOIN groups ON groups.id = errors.group_id WHERE errors.error_id = ?",
                (error_id,),
            ).fetchone()
            if row is None:
                return []
            timestamp, position, fingerprint = row
            sign, order = (">", "ASC") if later else ("<", "DESC")
            where = f"(timestamp {sign} ? OR (timestamp = ? AND position {sign} ?)) AND timestamp {sign}= ?"
            return self._in_order(
                execute, fingerprint, order, where, [timestamp, timestamp, position, timestamp], limit
            )

    def first_error(self, fingerprint: str) -> ErrorContext | None:
        with self._reading() as execute:
            return next(iter(self._in_order(execute, fingerprint, "ASC", "timestamp >= ?", [_EARLIEST], 1)), None)

    def _in_order(
        self, execute: Execute, fingerprint: str, order: str, where: str, parameters: list[Any], limit: int
    ) -> list[ErrorContext]:
        """Errors of a group by their moments; each member of it by its own way through the index."""
        members = members_of(execute, fingerprint)
        if not members:
            return []
        by = f"ORDER BY timestamp {order}, position {order} LIMIT ?"
        way = f"SELECT * FROM (SELECT position, timestamp FROM errors WHERE group_id = ? AND {where} {by}) AS way"
        places = execute(
            f"SELECT position, timestamp FROM ({' UNION ALL '.join([way] * len(members))}) AS ways {by}",
            [*(value for member in members for value in (member, *parameters, limit)), limit],
        ).fetchall()
        return [context for _, context in _decoded(execute, *_placed(places))]

    def errors_of_trace(self, trace_id: str, limit: int = 1000) -> list[ErrorContext]:
        if not self.exists:
            return []
        self._index().catch_up()
        with self._reading() as execute:
            places = self._index().errors(execute, trace_id)[:limit]
            found = [context for _, context in _decoded(execute, places)]
        found = [context for context in found if context.trace_id.lower() == trace_id.lower()]
        return sorted(found, key=lambda context: (context.timestamp, context.error_id))

    def sightings(self, error_id: str) -> list[Sighting]:
        with self._reading() as execute:
            rows = execute("SELECT content FROM sightings WHERE error_id = ? ORDER BY timestamp", (error_id,))
            return [wire.decode_sighting(json.loads(row[0])) for row in rows]


def _counted(since: datetime | None, at_least: ErrorSeverity, within: Within) -> tuple[str, list[Any]]:
    """Counts by severity, the worst first, then by type, the most frequent first; its last parameter is how many types.

    They come from the totals: whole days, then hours, then minutes; what is left, from the errors. Of a
    day or an hour that has begun either what follows is added or what is over taken away, whichever is less.
    """
    start = start_of(since)
    minute = -(-start // MINUTE)
    # Named one by one, each is looked up in the index by severity and moment.
    levels = [int(severity) for severity in ErrorSeverity if severity >= at_least]
    parts = [
        "SELECT severity, error_type, 1 AS count FROM errors "
        f"WHERE severity IN ({marks(levels)}) AND timestamp >= ? AND timestamp < ?{within.error}"
    ]
    parameters = [*levels, start, minute * MINUTE]
    for unit, wider in itertools.pairwise(UNITS):
        nearest = (minute + wider // 2) // wider * wider
        parts.append(
            f"SELECT severity, error_type, {'count' if minute <= nearest else '-count'} FROM {within.totals} "
            f"WHERE unit = ? AND bucket >= ? AND bucket < ? AND severity >= ?{within.counted}"
        )
        parameters += [unit, min(minute, nearest) // unit, max(minute, nearest) // unit, int(at_least)]
        minute = nearest
    parts.append(
        f"SELECT severity, error_type, count FROM {within.totals} "
        f"WHERE unit = ? AND bucket >= ? AND severity >= ?{within.counted}"
    )
    parameters += [UNITS[-1], minute // UNITS[-1], int(at_least)]
    return (
        f"""
        WITH counted AS (
            SELECT severity, error_type, sum(count) AS count FROM ({" UNION ALL ".join(parts)}) AS parts
            GROUP BY 1, 2 HAVING sum(count) > 0
        )
        SELECT severity, '', sum(count) FROM counted GROUP BY severity
        UNION ALL SELECT * FROM (
            SELECT 0, error_type, sum(count) FROM counted GROUP BY error_type ORDER BY 3 DESC, 2 LIMIT ?
        ) AS frequent
        ORDER BY 1 DESC, 3 DESC, 2
        """,
        parameters,
    )


def _first(execute: Execute, ways: Sequence[str], order: str, limit: int, skipped: int = 0) -> list[Sequence[int]]:
    """The first rows of all *ways* together, each by an index of its own, past *skipped*."""
    parts = [f"SELECT * FROM ({way} ORDER BY {order} LIMIT {limit + skipped}) AS way" for way in ways]
    together = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS ways ORDER BY {order} LIMIT {limit} OFFSET {skipped}"
    return execute(together).fetchall() if ways else []


def _newest(execute: Execute, ways: Sequence[str], limit: int) -> list[Sequence[int]]:
    """Position and timestamp of the newest errors of which one of *ways* holds."""
    questions = [f"SELECT position, timestamp FROM errors WHERE {way}" for way in ways]
    return _first(execute, questions, "timestamp DESC, position DESC", limit)


def _newest_anywhere(
    execute: Execute, members: Sequence[int] | None, start: int, at_least: ErrorSeverity, limit: int
) -> list[Sequence[int]]:
    """As `_newest` since *start*, of the groups *members*, or of all."""
    if members is not None:
        ways = [f"group_id IN ({listed(members)}) AND severity >= {int(at_least)}"]
    else:
        # Each severity by its own way through the index: a rare one would else be looked for everywhere.
        ways = [f"severity = {int(severity)}" for severity in ErrorSeverity if severity >= at_least]
    latest = only(execute("SELECT max(last_seen) FROM groups")) or 0
    found: list[Sequence[int]] = []
    # Of the last day first: mostly that is all, and PostgreSQL looks into the tables of no other day.
    for since in sorted({start, max(start, latest - DAY)}, reverse=True):
        found = _newest(execute, [f"{way} AND timestamp >= {since}" for way in ways], limit)
        if len(found) == limit:
            break
    return found


def _newest_there(
    execute: Execute, within: Within, members: Sequence[int] | None, start: int, at_least: ErrorSeverity, limit: int
) -> Sequence[Sequence[int]]:
    """As `_newest_anywhere`, of one origin: in the groups that were seen there last, as many as it takes."""
    which = f"last_seen >= {start} AND severity >= {int(at_least)}"
    if members is not None:
        which += f" AND group_id IN ({listed(members)})"
    ways = [
        f"SELECT group_id, last_seen FROM group_origins WHERE {there} AND {which}"
        for there in _each("origin", within.origins)
    ]
    many = limit + 1
    while True:
        seen = _first(execute, ways, "last_seen DESC", many)
        # Each has one there from when it was seen last, if its details are kept; the others have nothing newer.
        since = seen[-1][1] if len(seen) == many else start
        found = _newest_of(execute, within, sorted({row[0] for row in seen}), since, at_least, limit)
        if len(seen) < many or (len(found) == limit and found[-1][1] > since):
            return found
        many *= 8


def _newest_of(
    execute: Execute, within: Within, groups: Sequence[int], start: int, at_least: ErrorSeverity, limit: int
) -> Sequence[Sequence[int]]:
    """As `_newest_there`, of *groups*: in the minutes for which errors were counted.

    To look for a rare service among the errors themselves would be to read all that others have of a group.
    """
    each = _each("group_id", groups)
    ways = [
        f"SELECT group_id, minute FROM counts WHERE {group} AND minute >= {start // MINUTE}{within.counted}"
        for group in each
    ]
    found: list[tuple[int, int]] = []
    skipped, some = 0, min(limit + 1, _WAYS)
    while skipped < _MINUTES or len(groups) > _WAYS:
        minutes = _first(execute, ways, "minute DESC, group_id", some, skipped)
        newer = _newest(
            execute,
            [
                f"group_id = {group} AND severity >= {int(at_least)} AND timestamp >= {max(start, minute * MINUTE)} "
                f"AND timestamp < {(minute + 1) * MINUTE}{within.error}"
                for group, minute in {(row[0], row[1]) for row in minutes}
            ],
            limit,
        )
        rows = {*found, *((row[0], row[1]) for row in newer)}
        found = sorted(rows, key=lambda row: (row[1], row[0]), reverse=True)[:limit]
        # What comes after these was counted in the last one's minute, or before.
        if len(minutes) < some or (len(found) == limit and found[-1][1] >= (minutes[-1][1] + 1) * MINUTE):
            return found
        skipped += some
        some = min(4 * some, _WAYS)
    # Few of those that were counted are as bad, or are kept.
    bad = f"severity >= {int(at_least)} AND timestamp >= {start}{within.error}"
    return _newest(execute, [f"{group} AND {bad}" for group in each], limit)


def _each(column: str, numbers: Sequence[int]) -> list[str]:
    """That *column* is one of *numbers*, for each a way of its own, unless they are very many."""
    if len(numbers) > _WAYS:
        return [f"{column} IN ({listed(numbers)})"]
    return [f"{column} = {number}" for number in numbers]


def _placed(rows: Sequence[Sequence[int]]) -> tuple[list[int], tuple[int, int] | None]:
    """The positions in rows of position and timestamp, and the span of these."""
    moments = [row[1] for row in rows]
    return [row[0] for row in rows], (min(moments), max(moments)) if moments else None


def _decoded(
    execute: Execute, positions: Sequence[int], span: tuple[int, int] | None = None
) -> list[tuple[int, ErrorContext]]:
    """The errors at *positions*, in that order.

    Args:
        span: Where in time they lie: PostgreSQL need not look for them in any other day's table.
    """
    found: dict[int, ErrorContext] = {}
    if positions:
        within = " AND errors.timestamp >= ? AND errors.timestamp <= ?" if span is not None else ""
        for row in execute(
            f"{_ERRORS} WHERE errors.position IN ({marks(positions)}){within}", [*positions, *(span or ())]
        ):
            found[row[0]] = _error(row)
    return [(position, found[position]) for position in positions if position in found]


def _error(row: Sequence[Any]) -> ErrorContext:
    _, error_id, timestamp, severity, fingerprint, error_type, message, regrouped, content, stack, process = row
    columns = {"id": error_id, "ts": timestamp, "sev": severity, "fp": fingerprint, "type": error_type, "msg": message}
    frame = {**json.loads(content), **columns}
    if regrouped is not None:
        frame["group"] = json.loads(regrouped)
        if frame["group"] is None:
            del frame["group"]
    try:
        return wire.decode_error(frame, json.loads(stack) if stack else {}, json.loads(process) if process else None)
    except (ValueError, TypeError, LookupError, AttributeError):
        # Nobody has looked at more than the columns when it came in: one error must not hold up all others.
        return wire.decode_error(
            {**columns, "logger": "", "ctx": {"...": "its details are not what they should be"}}, {}, None
        )
