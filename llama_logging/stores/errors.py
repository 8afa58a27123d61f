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
from llama_logging.stores.statements import DAY, MINUTE, UNITS, Execute, marks, only, start_of

_ERRORS = """
    SELECT errors.position, errors.error_id, errors.timestamp, errors.severity, groups.fingerprint,
           errors.error_type, errors.message, errors.regrouped, errors.content, stacks.content, processes.content
    FROM errors JOIN groups ON groups.id = errors.group_id
    LEFT JOIN stacks ON stacks.id = errors.stack
    LEFT JOIN processes ON processes.id = errors.process
"""

_GROUPS_AT_ONCE = 20
"""Groups in one question for the newest errors of an origin."""

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

    def count_by_type(self, since: datetime | None, at_least: ErrorSeverity, limit: int) -> dict[str, int]:
        return dict(self.counts(since, at_least, limit).by_type)

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
            seen = f"group_origins WHERE true{within.counted}" if within.narrow else "groups"
            latest = only(execute(f"SELECT max(last_seen) FROM {seen}")) or 0
            members = members_of(execute, fingerprint) if fingerprint is not None else None
            # Of the last days first: mostly that is all, and PostgreSQL looks into the tables of no others.
            for start in sorted({begin, *(max(begin, latest - days * DAY) for days in (1, 8))}, reverse=True):
                if within.narrow:
                    places = _newest_there(execute, within, members, start, at_least, limit)
                elif members is not None:
                    ways = [(f"group_id IN ({marks(members)}) AND severity >= ?", [*members, int(at_least)])]
                    places = _newest(execute, ways, start, limit)
                else:
                    # Each severity by its own way through the index: a rare one would else be looked for everywhere.
                    ways = [("severity = ?", [int(severity)]) for severity in ErrorSeverity if severity >= at_least]
                    places = _newest(execute, ways, start, limit)
                if len(places) == limit:
                    break
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
        # Everything that begins with the prefix lies between it and it with the last digit raised.
        low = id_prefix.lower()
        high = low[:-1] + chr(ord(low[-1]) + 1) if low and low[-1] < "\U0010ffff" else "g"
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


def _newest(execute: Execute, ways: Sequence[tuple[str, list[Any]]], start: int, limit: int) -> list[Sequence[int]]:
    """Position and timestamp of the newest errors since *start*, each of *ways* by an index of its own."""
    parts = [
        f"SELECT * FROM (SELECT position, timestamp FROM errors WHERE {way} AND timestamp >= ? "
        "ORDER BY timestamp DESC, position DESC LIMIT ?) AS way"
        for way, _ in ways
    ]
    found: list[Sequence[int]] = execute(
        f"SELECT position, timestamp FROM ({' UNION ALL '.join(parts)}) AS ways "
        "ORDER BY timestamp DESC, position DESC LIMIT ?",
        [*(value for _, own in ways for value in (*own, start, limit)), limit],
    ).fetchall()
    return found


def _newest_there(
    execute: Execute, within: Within, members: Sequence[int] | None, start: int, at_least: ErrorSeverity, limit: int
) -> list[Sequence[int]]:
    """As `_newest`, of one origin: by the groups that were seen there, the latest first, as far as it takes."""
    found: list[Sequence[int]] = []
    skipped = 0
    among = f" AND group_id IN ({marks(members)})" if members is not None else ""
    while True:
        groups = execute(
            "SELECT group_id, min(first_seen), max(last_seen) FROM group_origins WHERE last_seen >= ? AND severity >= ?"
            f"{within.counted}{among} GROUP BY group_id ORDER BY 3 DESC, 1 LIMIT ? OFFSET ?",
            (start, int(at_least), *(members or ()), _GROUPS_AT_ONCE, skipped),
        ).fetchall()
        ways = [
            (f"group_id = ? AND severity >= ? AND timestamp <= ?{within.error}", [group, int(at_least), last_seen])
            for group, _, last_seen in groups
        ]
        starts = max(start, min((row[1] for row in groups), default=start))
        found += _newest(execute, ways, starts, limit) if ways else ()
        found = sorted(found, key=lambda row: (row[1], row[0]), reverse=True)[:limit]
        # Those that were seen before the last of these have nothing newer.
        if len(groups) < _GROUPS_AT_ONCE or (len(found) == limit and found[-1][1] > groups[-1][2]):
            return found
        skipped += _GROUPS_AT_ONCE


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
    frame = {
        **json.loads(content), "id": error_id, "ts": timestamp, "sev": severity, "fp": fingerprint, "type": error_type,
        "msg": message,
    }  # fmt: skip
    if regrouped is not None:
        frame["group"] = json.loads(regrouped)
        if frame["group"] is None:
            del frame["group"]
    return wire.decode_error(frame, json.loads(stack) if stack else {}, json.loads(process) if process else None)
