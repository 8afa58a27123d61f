"""How frames come into the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of one journal that lie one after another.

    Attributes:
        journal: Name of the journal.
        start, end: Where in the file they lie, in bytes.
        frames: JSON texts, their checksums verified.
        damaged: How many frames in between were not whole.
    """

    journal: str
    start: int
    end: int
    frames: Sequence[str]
    damaged: int = 0


class Intake(Protocol):
    """Part of `registry.Store`."""

    def ingest(self, batch: Batch) -> int:
        """Add what *batch* holds and remember its end, in one transaction.

        If what the store knows of the journal does not end at *batch.start*, nothing is added: another process
        has, or the store is an older one than was asked before, which needs what lies in between, too.

        Returns:
            The end of what the store now has of that journal, in bytes.
        """
        ...

    def reached(self, journal: str) -> tuple[int, int | None]:
        """How much of *journal* the store has.

        Returns:
            Its end, in bytes, 0 if it never saw the journal; and the highest number of the frames that it has of the
            process whose journal it is, None if it does not know whose.
        """
        ...

    def rewind(self, journal: str, reached: tuple[int, int], start: int) -> None:
        """Have *journal*, which was cut short, be read on from *start*, if what is known of it is as *reached*."""
        ...

    def sync(self) -> None:
        """Have what was ingested survive a power cut, before the journal that it came from is removed."""
        ...

    def forget(self, journal: str) -> None:
        """Drop what is known of a journal that is gone."""
        ...
