"""Frames become rows, exactly once, and what is wrong with them is counted. The contract: registry.intake.Intake."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from llama_logging.context import to_microseconds
from llama_logging.registry.intake import Batch
from llama_logging.stores import statements
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.moves import carry_out
from llama_logging.stores.statements import Execute, only

# Of a whole line: in a text of the frame's own the quotes would be escaped.
_NUMBER = re.compile(r',"n":(\d{1,18})(?:,"lost_before":\d+)?(?:,"crc":"[0-9a-f]{8}")?\}$', re.MULTILINE)


class SQLIntake(SQLAccess):
    """Part of SQLStore."""

    def ingest(self, batch: Batch) -> int:
        with self._ingestion() as execute:
            known = self._claim(execute, batch.journal)
            if known > batch.start:
                return known
            damaged, process = batch.damaged + self._refused(execute, batch.frames), _writer(batch.frames)
            with self._together():
                execute(
                    'INSERT INTO journals (journal, "offset", damaged, process) VALUES (?, ?, ?, ?) '
                    'ON CONFLICT (journal) DO UPDATE SET "offset" = excluded."offset", '
                    "damaged = journals.damaged + excluded.damaged, "
                    "process = CASE WHEN excluded.process = '' THEN journals.process ELSE excluded.process END",
                    (batch.journal, batch.end, damaged, process),
                )
                numbers, gone = _numbers(batch.frames), _gone(batch.frames)
                if numbers or gone:
                    latest = max(numbers, default=0)
                    execute(
                        "UPDATE processes SET frames = frames + ?, last_number = "
                        "CASE WHEN last_number < ? THEN ? ELSE last_number END "
                        "WHERE name = (SELECT process FROM journals WHERE journal = ?)",
                        (len(numbers) + gone, latest, latest, batch.journal),
                    )
                if damaged:
                    execute(
                        "UPDATE registry SET value = CAST(CAST(value AS BIGINT) + ? AS TEXT) WHERE name = 'damaged'",
                        (damaged,),
                    )
                self._alone(execute)
                _turn(execute, self._now(execute))
        return batch.end

    def checkpoint(self, journal: str) -> int:
        with self._reading() as execute:
            return self._offset(execute, journal)

    def sync(self) -> None:
        # A commit waits for the disk; a store whose commits do not says otherwise.
        return

    def forget(self, journal: str) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def _claim(self, execute: Execute, journal: str) -> int:
        """How much of *journal* is known; nobody else takes it further before this transaction ends."""
        return self._offset(execute, journal)

    def _offset(self, execute: Execute, journal: str) -> int:
        row = execute('SELECT "offset" FROM journals WHERE journal = ?', (journal,)).fetchone()
        return int(row[0]) if row else 0

    def _refused(self, execute: Execute, frames: Sequence[str]) -> int:
        """Add *frames*; how many of them cannot be.

        One that no version of ours wrote, or a later one did, must not hold up all the others.
        """
        if not frames or self._attempt(execute, frames):
            return 0
        half = len(frames) // 2
        return self._refused(execute, frames[:half]) + self._refused(execute, frames[half:]) if half else 1

    def _add(self, execute: Execute, frames: Sequence[str]) -> None:
        self._stage(execute, frames)
        self._settle(execute)

    def _settle(self, execute: Execute) -> None:
        """Make rows of what is in `batch`."""
        if only(execute(statements.HAS_TWICE)):
            execute(statements.ONCE)
        for statement in statements.STACKS:
            execute(statement)
        if span := _concerned(execute, statements.SPAN, statements.HAS_KNOWN):
            execute(statements.SPOKEN)
            for statement in statements.KNOWN:
                execute(statement, span)
        for statement in (statements.TELL, statements.RELEASES, statements.GROUPS, statements.ERRORS):
            execute(statement)
        now = (to_microseconds(datetime.now(UTC)),)
        for statement in statements.USES:
            execute(statement, now)
        counts = (*statements.COUNTS, statements.ORIGINS, *statements.TOTALS)
        for statement in (*counts, *statements.STATES, *statements.OTHERS):
            execute(statement)
        if span := _concerned(execute, statements.AGAIN_SPAN, statements.HAS_WORSE):
            for statement in statements.RAISE:
                execute(statement, span)
        execute("DELETE FROM batch")
        execute("DELETE FROM told")
        if only(execute("SELECT EXISTS (SELECT 1 FROM moving)")):
            carry_out(execute)
            execute("DELETE FROM moving")


def _concerned(execute: Execute, span: str, question: str) -> Sequence[int] | None:
    """The ends of *span*, if there is anything in it and *question* says that it matters."""
    ends: Sequence[int] = execute(span).fetchone()
    return ends if ends[0] is not None and only(execute(question, ends)) else None


def _turn(execute: Execute, now: int) -> None:
    """Give groups the states that what came makes of them."""
    execute(statements.UNMUTE_AT, (now,))
    for statement in statements.TURN:
        execute(statement)


def _writer(frames: Sequence[str]) -> str:
    """The process that wrote *frames*, if they begin with the first of a journal."""
    if frames and frames[0].startswith('{"k":"open"'):
        with contextlib.suppress(ValueError, RecursionError):
            name = str(json.loads(frames[0]).get("process", ""))
            return name if name.isprintable() else ""
    return ""


def _numbers(frames: Sequence[str]) -> list[int]:
    """The sequence numbers of *frames*."""
    return list(map(int, _NUMBER.findall("\n".join(frames))))


def _gone(frames: Sequence[str]) -> int:
    """How many numbered frames were given up on purpose, where there was no room: those are no loss."""
    count = 0
    for frame in frames:
        if frame.startswith('{"k":"compacted"'):
            with contextlib.suppress(ValueError, RecursionError):
                gone = json.loads(frame).get("gone")
                count += gone if type(gone) is int and 0 <= gone <= statements.MOST else 0
    return count
