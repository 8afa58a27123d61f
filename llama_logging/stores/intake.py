"""Frames become rows, exactly once, and what is wrong with them is counted. The contract: registry.intake.Intake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from llama_logging.context import to_microseconds
from llama_logging.registry.intake import Batch
from llama_logging.stores import counting, states
from llama_logging.stores.arriving import Arrived, read
from llama_logging.stores.known import AGAIN_SPAN, make_worse, speak, unknown
from llama_logging.stores.moves import SQLMoves
from llama_logging.stores.statements import Execute
from llama_logging.stores.tally import tally
from llama_logging.stores.temporary import BATCH, clear

_ASKED = f"SELECT again.*, {states.IS_MUTED} FROM ({AGAIN_SPAN}) AS again"


class SQLIntake(SQLMoves):
    """Part of SQLStore."""

    def ingest(self, batch: Batch) -> int:
        with self._ingestion() as execute:
            known = self._claim(execute, batch.journal)
            if known != batch.start:
                return known
            arrived = read(batch.frames)
            damaged = batch.damaged + self._refused(execute, batch.frames, arrived)
            with self._together():
                execute(
                    'INSERT INTO journals (journal, "offset", damaged, process) VALUES (?, ?, ?, ?) '
                    'ON CONFLICT (journal) DO UPDATE SET "offset" = excluded."offset", '
                    "damaged = journals.damaged + excluded.damaged, "
                    "process = CASE WHEN excluded.process = '' THEN journals.process ELSE excluded.process END",
                    (batch.journal, batch.end, damaged, arrived.writer),
                )
                if arrived.numbers or arrived.gone:
                    latest = max(arrived.numbers, default=0)
                    execute(
                        "UPDATE processes SET frames = frames + ?, last_number = "
                        "CASE WHEN last_number < ? THEN ? ELSE last_number END "
                        "WHERE name = (SELECT process FROM journals WHERE journal = ?)",
                        (len(arrived.numbers) + arrived.gone, latest, latest, batch.journal),
                    )
                if damaged:
                    execute(
                        "UPDATE registry SET value = CAST(CAST(value AS BIGINT) + ? AS TEXT) WHERE name = 'damaged'",
                        (damaged,),
                    )
                self._alone(execute)
                states.turn(execute, self._now(execute))
        return batch.end

    def reached(self, journal: str) -> tuple[int, int | None]:
        with self._reading() as execute:
            row = execute(
                'SELECT journals."offset", processes.last_number FROM journals '
                "LEFT JOIN processes ON processes.name = journals.process WHERE journals.journal = ?",
                (journal,),
            ).fetchone()
            return (int(row[0]), row[1]) if row else (0, None)

    def rewind(self, journal: str, reached: tuple[int, int], start: int) -> None:
        with self._ingestion() as execute:
            execute(
                'UPDATE journals SET "offset" = ? WHERE journal = ? AND "offset" = ? '
                "AND process IN (SELECT name FROM processes WHERE last_number = ?)",
                (start, journal, *reached),
            )

    def sync(self) -> None:
        # A commit waits for the disk; a store whose commits do not says otherwise.
        return

    def forget(self, journal: str) -> None:
        with self._ingestion() as execute:
            execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def _claim(self, execute: Execute, journal: str) -> int:
        """How much of *journal* is known; nobody else takes it further before this transaction ends."""
        return self._offset(execute, journal)

    def _offset(self, execute: Execute, journal: str) -> int:
        row = execute('SELECT "offset" FROM journals WHERE journal = ?', (journal,)).fetchone()
        return int(row[0]) if row else 0

    def _refused(self, execute: Execute, frames: Sequence[str], arrived: Arrived) -> int:
        """Add what *arrived*, which is what *frames* hold; how many of them cannot be.

        One that no version of ours wrote, or a later one did, must not hold up all the others.
        """
        if self._attempt(execute, arrived):
            return arrived.refused
        if len(frames) == 1:
            return 1
        half = len(frames) // 2
        return sum(self._refused(execute, some, read(some)) for some in (frames[:half], frames[half:]))

    def _add(self, execute: Execute, arrived: Arrived) -> None:
        errors, spoken = unknown(execute, arrived.errors)
        counted = tally(errors, arrived.counts)
        with self._together():
            self._fill(execute, BATCH, arrived.rows)
            counted.tell(self._fill, execute)
            self._bring(execute, errors, counted.numbers)
            self._alone(execute)
            if arrived.rows:
                for statement in counting.STACKS:
                    execute(statement)
            execute(counting.FOUND)
            speak(execute, spoken)
            self._place(execute)
            self._keep(execute, errors, counted.numbers)
            self._settle(execute)
            if spoken:
                self._carry_out(execute)
                execute("DELETE FROM moving")

    def _settle(self, execute: Execute) -> None:
        """Count what is placed, and see what becomes of it and of the rest of the batch."""
        now = (to_microseconds(datetime.now(UTC)),)
        for statement in counting.USES:
            execute(statement, now)
        for statement in (counting.RELEASES, *counting.COUNTS, *counting.TOTALS, *states.STATES, *counting.OTHERS):
            execute(statement)
        *span, is_muted = execute(_ASKED).fetchone()
        if is_muted:
            execute(states.UNMUTE)
        if span[0] is not None:
            make_worse(execute, span)
        clear(execute)
