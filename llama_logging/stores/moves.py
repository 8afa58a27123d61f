"""Errors that are given to other groups, and put back. The contract: registry.triage.Triage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from llama_logging import wire
from llama_logging.context import to_microseconds
from llama_logging.registry.groups import GroupState
from llama_logging.registry.triage import Move
from llama_logging.stores import counting
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.arriving import Error, Shape
from llama_logging.stores.counting import COUNTED
from llama_logging.stores.statements import LONGEST, MINUTE, ORIGIN, Execute, marks, only
from llama_logging.stores.states import BEGUN
from llama_logging.stores.tally import tally
from llama_logging.stores.temporary import clear

_DECIDED = "state, state_at, resolved_in, resolved_after, muted_until, muted_count, muted_period"
_WENT = """
    SELECT became, was, count(*) OVER (PARTITION BY was) = 1
        AND NOT EXISTS (SELECT 1 FROM errors WHERE errors.group_id = was)
    FROM (
        SELECT DISTINCT errors.group_id AS became, moves.group_id AS was
        FROM moves JOIN errors ON errors.error_id = moves.error_id WHERE moves.moved_at = ?
    ) AS went
"""
_MEMBER = "SELECT max(shown.root) FROM groups AS shown WHERE shown.root = groups.id"
_UNDECIDED = f"groups.state_at = 0 AND groups.root IS NULL AND ({_MEMBER}) IS NULL"
_OWN = """
    SELECT 1 FROM errors WHERE group_id = ?
        AND NOT EXISTS (SELECT 1 FROM moves WHERE moves.moved_at = ? AND moves.error_id = errors.error_id)
    LIMIT 1
"""
_CAME = """
    FROM changes JOIN groups AS source ON source.fingerprint = changes.detail
    WHERE changes.group_id = groups.id AND changes.at = ? AND changes.kind = 'moved'
"""
_TAKE_BACK = (
    # What was decided since has another moment.
    f"""
    UPDATE groups SET state = 'open', state_at = 0, resolved_in = '', resolved_after = 0, muted_until = NULL,
        muted_count = NULL, muted_period = NULL
    WHERE state_at <> 0 AND EXISTS (SELECT 1 {_CAME} AND source.state_at = groups.state_at)
    """,
    f"UPDATE groups SET root = NULL WHERE EXISTS (SELECT 1 {_CAME} AND groups.root IN (source.root, source.id))",
    "DELETE FROM changes WHERE at = ? AND kind = 'moved'",
)
# Errors in `moving` leave their groups, and enter others as new ones do.
LEAVE = (
    # A subselect and not FROM: SQLite would go through all errors there are.
    """
    UPDATE moving SET (position, was, was_regrouped) =
        (SELECT position, group_id, regrouped FROM errors WHERE errors.error_id = moving.error_id)
    """,
    """
    DELETE FROM moving WHERE was IS NULL
        OR fingerprint = (SELECT groups.fingerprint FROM groups WHERE groups.id = moving.was)
    """,
    *(
        statement
        for table, step, minutes in COUNTED
        for statement in (
            f"""
            UPDATE {table} SET count = {table}.count - gone.count
            FROM (SELECT moving.was, errors.timestamp / {minutes * MINUTE} AS {step}, {ORIGIN} AS origin,
                         count(*) AS count
                  FROM moving JOIN errors ON errors.position = moving.position GROUP BY 1, 2, 3) AS gone
            WHERE {table}.group_id = gone.was AND {table}.{step} = gone.{step} AND {table}.origin = gone.origin
            """,
            f"DELETE FROM {table} WHERE count <= 0 AND group_id IN (SELECT was FROM moving)",
        )
    ),
    """
    UPDATE groups SET count = groups.count - gone.count
    FROM (SELECT was, count(*) AS count FROM moving GROUP BY 1) AS gone WHERE groups.id = gone.was
    """,
    f"""
    UPDATE group_origins SET count = group_origins.count - gone.count
    FROM (SELECT moving.was, {ORIGIN} AS origin, count(*) AS count
          FROM moving JOIN errors ON errors.position = moving.position GROUP BY 1, 2) AS gone
    WHERE group_origins.group_id = gone.was AND group_origins.origin = gone.origin
    """,
    "DELETE FROM group_origins WHERE count <= 0 AND group_id IN (SELECT was FROM moving)",
)
MOVED = f"""
    SELECT errors.error_id, errors.timestamp, moving.fingerprint, coalesce(stacks.name, ''),
           coalesce(processes.name, ''), errors.severity, errors.error_type, groups.logger_name,
           substr(errors.message, 1, {LONGEST})
    FROM moving JOIN errors ON errors.position = moving.position JOIN groups ON groups.id = moving.was
    LEFT JOIN stacks ON stacks.id = errors.stack LEFT JOIN processes ON processes.id = errors.process
    ORDER BY errors.position
"""
"""These, as `arriving` has errors that come in."""
ENTER = (
    """
    UPDATE errors SET group_id = groups.id, regrouped = moving.regrouped
    FROM moving JOIN groups ON groups.fingerprint = moving.fingerprint
    WHERE errors.position = moving.position
    """,
    # What was evicted took its moment along: the first one then stays as it was told.
    """
    UPDATE groups SET
        first_seen = CASE WHEN groups.count = rest.count THEN rest.first_seen ELSE groups.first_seen END,
        severity = CASE WHEN groups.count = rest.count THEN rest.worst ELSE groups.severity END,
        last_seen = rest.timestamp, last_error_id = rest.error_id, error_type = rest.error_type,
        error_message = rest.message, stack = rest.stack
    FROM (
        SELECT errors.*, count(*) OVER own AS count, min(timestamp) OVER own AS first_seen,
               max(severity) OVER own AS worst,
               row_number() OVER (PARTITION BY group_id ORDER BY timestamp DESC, position DESC) AS turn
        FROM errors WHERE group_id IN (SELECT was FROM moving) WINDOW own AS (PARTITION BY group_id)
    ) AS rest WHERE rest.turn = 1 AND groups.id = rest.group_id
    """,
    f"""
    UPDATE group_origins SET
        first_seen = CASE WHEN group_origins.count = rest.count THEN rest.first_seen ELSE group_origins.first_seen END,
        severity = CASE WHEN group_origins.count = rest.count THEN rest.worst ELSE group_origins.severity END,
        last_seen = rest.last_seen
    FROM (
        SELECT group_id, {ORIGIN} AS origin, count(*) AS count, min(timestamp) AS first_seen,
               max(timestamp) AS last_seen, max(severity) AS worst
        FROM errors WHERE group_id IN (SELECT was FROM moving) GROUP BY 1, 2
    ) AS rest WHERE group_origins.group_id = rest.group_id AND group_origins.origin = rest.origin
    """,
)


class SQLMoves(SQLAccess):
    """Part of SQLStore."""

    def move(self, moves: Sequence[Move], at: datetime) -> None:
        with self._transaction() as execute:
            for move in moves:
                regrouped = wire.dumps(move.grouping)
                execute(
                    "INSERT INTO moving (error_id, fingerprint, regrouped) VALUES (?, ?, ?)",
                    (move.error_id, move.fingerprint, regrouped),
                )
            self._rearrange(execute)
            execute(
                "INSERT INTO moves (moved_at, error_id, group_id, regrouped) "
                "SELECT ?, error_id, was, was_regrouped FROM moving WHERE true ON CONFLICT DO NOTHING",
                (to_microseconds(at),),
            )
            execute("DELETE FROM moving")

    def undo_move(self) -> int:
        with self._transaction() as execute:
            latest = only(execute("SELECT max(moved_at) FROM moves"))
            if latest is None:
                return 0
            execute(
                "INSERT INTO moving (error_id, fingerprint, regrouped) SELECT moves.error_id, groups.fingerprint, "
                "moves.regrouped FROM moves JOIN groups ON groups.id = moves.group_id WHERE moved_at = ?",
                (latest,),
            )
            self._rearrange(execute)
            execute("DELETE FROM moving")
            for statement in _TAKE_BACK:
                execute(statement, (latest,))
            return int(execute("DELETE FROM moves WHERE moved_at = ?", (latest,)).rowcount)

    def hand_over(self, at: datetime) -> None:
        moment = to_microseconds(at)
        with self._transaction() as execute:
            came: dict[int, dict[int, bool]] = {}
            for became, was, whole in execute(_WENT, (moment,)).fetchall():
                came.setdefault(became, {})[was] = bool(whole)
            for became, sources in came.items():
                for was in [was for was, whole in sources.items() if whole]:
                    execute(
                        "INSERT INTO changes (group_id, at, kind, by, detail) "
                        "SELECT ?, ?, 'moved', '', fingerprint FROM groups WHERE id = ?",
                        (became, moment, was),
                    )
                if all(sources.values()):
                    _hand_over(execute, list(sources), became, moment)

    def _rearrange(self, execute: Execute) -> None:
        """Errors of the past: a group that they make is new with its next error, and only if no other became it."""
        self._carry_out(execute)
        execute("DELETE FROM turned")
        self._index().moved(execute, [position for (position,) in execute("SELECT position FROM moving").fetchall()])

    def _carry_out(self, execute: Execute) -> None:
        """Give the errors in `moving` their new groups; the table is left with what was moved."""
        for statement in LEAVE:
            execute(statement)
        moved: list[Error] = [
            (error_id, moment, Shape(*shape), message, 0, 0, "")
            for error_id, moment, *shape, message in execute(MOVED).fetchall()
        ]
        tally(moved).tell(self._fill, execute)
        execute(counting.FOUND)
        self._place(execute)
        for statement in (*counting.COUNTS, BEGUN, *ENTER):
            execute(statement)
        clear(execute)


def _hand_over(execute: Execute, sources: Sequence[int], became: int, moment: int) -> None:
    """Have *became* in the state of all its *sources*, or shown where they are, if they agree."""
    them = f"id IN ({marks(sources)})"
    rows = execute(f"SELECT state, coalesce(root, ({_MEMBER})) FROM groups WHERE {them}", tuple(sources)).fetchall()
    states, places = {state for state, _ in rows}, {place for _, place in rows}
    if len(places) > 1 or (places == {None} and len(states) > 1):
        return
    ((state, place), *_) = rows
    if place is not None:
        execute(f"UPDATE groups SET root = ? WHERE id = ? AND id <> ? AND {_UNDECIDED}", (place, became, place))
    elif state != GroupState.OPEN.value and not (
        state == GroupState.RESOLVED.value and execute(_OWN, (became, moment)).fetchone()
    ):
        execute(
            f"UPDATE groups SET ({_DECIDED}) = "
            f"(SELECT {_DECIDED} FROM groups AS source WHERE source.{them} ORDER BY state_at DESC LIMIT 1) "
            f"WHERE id = ? AND {_UNDECIDED}",
            (*sources, became),
        )
