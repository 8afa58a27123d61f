"""Which errors' details are dropped when there is no room for all: the least telling first.

Counts are kept elsewhere and stay exact; those of a group as long as there is room for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from llama_logging.context import ErrorSeverity
from llama_logging.retention import Retention
from llama_logging.stores import ledger
from llama_logging.stores.outbox import LONGEST_TRY
from llama_logging.stores.statements import DAY, HOUR, MINUTE, Execute, marks, only, parts

MARGIN = 0.9
"""A registry that is too large is brought down to this part of what it may be, or it would be pruned all the time."""

# How long after the newest error they stay: a process may refer to a stack as long as it does not define it anew
# (journal.file.DEFINE_EVERY), and its own row says how many frames there were. A gap in these is the proof of a loss.
_UNUSED = (
    ("stack", "stacks", 2 * HOUR, "NOT EXISTS (SELECT 1 FROM groups WHERE groups.stack = stack_uses.id)"),
    (
        "process",
        "processes",
        30 * DAY,
        "NOT EXISTS (SELECT 1 FROM processes WHERE processes.id = process_uses.id AND (last_number > frames "
        "OR EXISTS (SELECT 1 FROM journals WHERE journals.process = processes.name)))",
    ),
)

BY_MINUTE = 35 * DAY
"""For so long it stays known in which minute errors came: what is usual (reporters.unusual) looks back four weeks."""
# Counted by the minute, and nobody's details are there to tell it from: where they are, counts are compared with them.
_OVER = f"""
    FROM counts WHERE minute >= ? AND minute < ? AND minute % 1440 <> 0 AND group_id IN (SELECT id FROM groups)
    AND NOT EXISTS (
        SELECT 1 FROM errors WHERE errors.group_id = counts.group_id
        AND errors.timestamp >= counts.minute * {MINUTE} AND errors.timestamp < (counts.minute + 1) * {MINUTE}
    )
"""

_SETTLED = LONGEST_TRY + HOUR
"""Microseconds after which nobody asks any more whether a recovery has failed."""

_OF_GROUPS = ("counts", "day_counts", "group_origins", "moves")
"""Tables of how many errors a group has, and of which it once had."""
_AT_ONCE = 2_000
"""Stacks and processes that are dropped in one transaction."""
_SURE = 50
"""The most frequent groups are likely to have some to spare; of the others it is asked first, all at once."""
_KEPT = """
    SELECT max(kept) FROM (
        SELECT coalesce(sum(count), 0) AS kept FROM stack_uses
        UNION ALL SELECT coalesce(sum(count), 0) FROM process_uses
    ) AS uses
"""
# (at most this telling, how many of the newest of each group stay)
_TURNS = ((0, 20), (1, 5), (1, 1))

Place = tuple[int, int]
"""Where an error is: its position and moment."""


def prune(execute: Execute, retention: Retention, now: int, size: int, limit: int) -> int:
    """Drop the details of at most *limit* errors; how many.

    Args:
        now: Microseconds since the epoch.
        size: Bytes of the registry.
    """
    gone: list[Place] = []
    if retention.period is not None:
        oldest = now - int(retention.period * 1_000_000)
        gone = _too_old(execute, oldest, limit)
        ledger.drop(execute, "at < ?", oldest)
    if len(gone) < limit:
        excess = max(0, min(_excess(execute, retention, size), limit) - len(gone))
        gone += islice(_least_telling(execute, set(gone), excess), excess)
    _drop(execute, gone)
    return len(gone)


def delete(execute: Execute, groups: Sequence[int], limit: int) -> bool:
    """Drop the details of at most *limit* errors of *groups*; the groups too, once none is left.

    The row of a group and its history stay under a name that no error has: the index of words and the
    rules of reports go on from their numbers, which must not become another's.
    """
    those = marks(groups)
    asked = f"SELECT position, timestamp FROM errors WHERE group_id IN ({those}) LIMIT ?"
    found = execute(asked, (*groups, limit)).fetchall()
    _drop(execute, found)
    if len(found) == limit:
        return False
    for (name,) in execute(f"SELECT fingerprint FROM groups WHERE id IN ({those})", groups).fetchall():
        ledger.drop(execute, "fingerprint = ?", name)
        for table in ("prediction_quality", "attempts"):
            execute(f"DELETE FROM {table} WHERE fingerprint = ?", (name,))
    for table in _OF_GROUPS:
        execute(f"DELETE FROM {table} WHERE group_id IN ({those})", groups)
    execute(
        "UPDATE groups SET fingerprint = 'deleted ' || id, count = 0, error_message = '', logger_name = '', "
        f"stack = NULL, root = NULL, state = 'open', last_error_id = '' WHERE id IN ({those})",
        groups,
    )
    return True


def bare(execute: Execute, limit: int) -> list[int]:
    """At most *limit* groups of which nothing but the count is left, among those that were seen longest ago.

    Whoever chooses what is logged makes as many groups as he likes. None is the newest: its number must not become
    another's.
    """
    rows = execute(
        """
        SELECT id FROM (
            SELECT id FROM groups WHERE count > 0 AND root IS NULL AND state_at = 0 ORDER BY last_seen, id LIMIT ?
        ) AS oldest
        WHERE id < (SELECT max(id) FROM groups) AND NOT EXISTS (SELECT 1 FROM errors WHERE errors.group_id = oldest.id)
        AND NOT EXISTS (SELECT 1 FROM groups WHERE groups.root = oldest.id)
        LIMIT ?
        """,
        (2 * limit, limit),
    )
    return [group for (group,) in rows]


def forget(execute: Execute, groups: Sequence[int]) -> None:
    """Drop *groups*, with what was counted of them, and what was moved out of them: there is no way back."""
    for part in parts(groups):
        those = marks(part)
        for table in _OF_GROUPS:
            execute(f"DELETE FROM {table} WHERE group_id IN ({those})", part)
        # The rules of reports go on from the last number, which must not become another's.
        execute(f"DELETE FROM changes WHERE group_id IN ({those}) AND id < (SELECT max(id) FROM changes)", part)
        execute(f"DELETE FROM groups WHERE id IN ({those})", part)


def kept(execute: Execute) -> int:
    """Of how many errors the details are kept, but for some of which neither the stack nor the process is known.

    To count the errors themselves takes 150 ms of a million, and all who write would wait for it.
    """
    return int(only(execute(_KEPT)))


def _drop(execute: Execute, places: Sequence[Place]) -> None:
    for part in parts(places):
        positions, moments = zip(*part, strict=True)
        # The moments are for PostgreSQL, which would look into each day for each of them.
        where = f"WHERE position IN ({marks(part)}) AND timestamp BETWEEN ? AND ?"
        those = (*positions, min(moments), max(moments))
        leave(execute, f"errors {where}", those)
        execute(f"DELETE FROM sightings WHERE error_id IN (SELECT error_id FROM errors {where})", those)
        execute(f"DELETE FROM attempts WHERE error_id IN (SELECT error_id FROM errors {where})", those)
        execute(f"DELETE FROM errors {where}", those)


def leave(execute: Execute, those: str, parameters: Sequence[int] = ()) -> None:
    """Count that the errors which *those* names, a table and perhaps a condition, are about to go."""
    for one, *_ in _UNUSED:
        execute(
            f"UPDATE {one}_uses SET count = {one}_uses.count - gone.count FROM "
            f"(SELECT {one}, count(*) AS count FROM {those} GROUP BY {one}) AS gone WHERE {one}_uses.id = gone.{one}",
            parameters,
        )


def drop_unused(execute: Execute, now: int) -> None:
    """Drop stacks, processes and attempts that no error has any more: they may take more room than the errors.

    Attempts of one hour only, some hours ago: a recovery may take longer than there is room for its error.
    """
    execute(
        "DELETE FROM attempts WHERE started_at >= ? AND started_at < ? "
        # Of a day: PostgreSQL has a table for each, and would look into all of them.
        "AND NOT EXISTS (SELECT 1 FROM errors WHERE errors.error_id = attempts.error_id AND errors.timestamp >= ?) "
        "AND NOT EXISTS (SELECT 1 FROM predictions WHERE predictions.prediction_id = attempts.error_id)",
        (now - _SETTLED - HOUR, now - _SETTLED, now - DAY),
    )
    for one, many, age, condition in _UNUSED:
        found = execute(
            f"SELECT id FROM {one}_uses WHERE count = 0 AND last_seen < ? AND {condition} LIMIT ?",
            (now - age, _AT_ONCE),
        ).fetchall()
        for part in parts([number for (number,) in found]):
            for table in (many, f"{one}_uses"):
                execute(f"DELETE FROM {table} WHERE id IN ({marks(part)})", part)


def first_minute(execute: Execute, now: int) -> int | None:
    """The first for which it was counted how many errors came, if that is long ago."""
    found: int | None = only(execute("SELECT min(bucket) FROM totals WHERE unit = 1"))
    return found if found is not None and found < (now - BY_MINUTE) // HOUR * 60 else None


def count_by_day(execute: Execute, minute: int) -> None:
    """Have what was counted by the minute, in the hour of *minute*, counted by the day, and totals by the hour.

    Else it would take more room each day, until there is none for the details of errors.
    """
    span = minute, (minute // 60 + 1) * 60
    execute(
        "INSERT INTO counts (group_id, minute, origin, count) "
        f"SELECT group_id, minute / 1440 * 1440, origin, sum(count) {_OVER} GROUP BY 1, 2, 3 "
        "ON CONFLICT (group_id, minute, origin) DO UPDATE SET count = counts.count + excluded.count",
        span,
    )
    execute(f"DELETE {_OVER}", span)
    execute("DELETE FROM totals WHERE unit = 1 AND bucket >= ? AND bucket < ?", span)
    there = "origin IN (SELECT id FROM origins) AND unit = 1"
    execute(f"DELETE FROM origin_totals WHERE {there} AND bucket >= ? AND bucket < ?", span)


def _too_old(execute: Execute, before: int, limit: int) -> list[Place]:
    found: list[Place] = []
    for severity in ErrorSeverity:  # each by its own way through the index
        found += execute(
            "SELECT position, timestamp FROM errors WHERE severity = ? AND timestamp < ? ORDER BY timestamp LIMIT ?",
            (int(severity), before, limit - len(found)),
        ).fetchall()
    return found


def _excess(execute: Execute, retention: Retention, size: int) -> int:
    """How many errors there are too many."""
    most = size if retention.size_bytes is None else retention.size_bytes
    if retention.errors is None and size <= most:
        return 0
    stored = kept(execute)
    rest = stored if retention.errors is None else retention.errors
    if size > most:
        rest = min(rest, int(MARGIN * stored * most / size))
    return stored - rest


def _least_telling(execute: Execute, known: set[Place], count: int) -> Iterator[Place]:
    """The first *count* or more that are not *known* yet."""
    for places in _turns(execute, count + len(known)):
        for place in places:
            if place not in known:
                known.add(place)
                yield place


def _turns(execute: Execute, most: int) -> Iterator[Sequence[Place]]:
    for details, newest in _TURNS:
        for group in _groups(execute, details, newest):
            yield execute(
                """
                SELECT position, timestamp FROM errors
                WHERE group_id = ? AND details <= ? AND timestamp < (
                    SELECT min(timestamp) FROM (
                        SELECT timestamp FROM errors WHERE group_id = ? ORDER BY timestamp DESC LIMIT ?
                    ) AS newest
                ) AND position > (SELECT min(position) FROM errors WHERE group_id = ?)
                AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.error_id = errors.error_id)
                ORDER BY timestamp LIMIT ?
                """,
                (group, details, group, newest, group, most),
            ).fetchall()
    yield execute("SELECT position, timestamp FROM errors ORDER BY position LIMIT ?", (most,)).fetchall()


def _groups(execute: Execute, details: int, newest: int) -> Iterator[int]:
    """Those that may have errors to spare, the most frequent first: of a thousand repeats one less is missed least."""
    groups = execute("SELECT id FROM groups WHERE count > 1 ORDER BY count DESC, id").fetchall()
    yield from (group for (group,) in groups[:_SURE])
    if len(groups) > _SURE:
        # Each asked by itself, ten thousand that have none to spare hold up all who write for a minute.
        able = execute(
            "SELECT group_id FROM errors GROUP BY group_id HAVING count(*) > ? AND min(details) <= ?",
            (newest + 1, details),
        )
        spare = {group for (group,) in able.fetchall()}
        yield from (group for (group,) in groups[_SURE:] if group in spare)
