"""Errors that are given to other groups, and put back. The contract: registry.triage.Triage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from llama_logging import wire
from llama_logging.context import to_microseconds
from llama_logging.registry.triage import Move
from llama_logging.stores import statements
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.statements import Execute, only


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
            return int(execute("DELETE FROM moves WHERE moved_at = ?", (latest,)).rowcount)

    def _rearrange(self, execute: Execute) -> None:
        """Errors of the past: a group that they make is new with its next error, and then only."""
        carry_out(execute)
        execute("DELETE FROM turned")
        self._index().moved(execute, [position for (position,) in execute("SELECT position FROM moving").fetchall()])


def carry_out(execute: Execute) -> None:
    """Give the errors in `moving` their new groups; the table is left with what was moved."""
    new = (statements.TELL, statements.GROUPS, *statements.COUNTS, statements.ORIGINS, statements.STATES[0])
    for statement in (*statements.LEAVE, *new, *statements.ENTER):
        execute(statement)
    execute("DELETE FROM batch")
    execute("DELETE FROM told")
