"""Errors that come by the clock: at a minute of the hour, at a minute of the day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CELL = 30.0
"""Seconds: what a scheduler and a job's own time to fail blur a moment by."""

PERIODS = (3600.0, 86400.0)

_ENOUGH = 2


class Clock:
    """How many errors to expect by the clock alone.

    For each cell of each period it counts in how many rounds there was an error, and over how many rounds; a
    cell counts for something once that is clearly more often than errors come anyway.
    """

    __slots__ = ("began", "counts", "errors", "seen")

    def __init__(self) -> None:
        self.began = -math.inf
        self.errors = 0.0
        self.counts: tuple[dict[int, float], ...] = tuple({} for _ in PERIODS)
        self.seen: list[dict[int, int]] = [{} for _ in PERIODS]

    def fail(self, at: float) -> None:
        """There was an error."""
        if self.began == -math.inf:
            self.began = at
        new = False
        for period, counts, seen in zip(PERIODS, self.counts, self.seen, strict=True):
            turn, cell = int(at // period), int(at % period // CELL)
            if seen.get(cell) != turn:
                seen[cell] = turn
                counts[cell] = counts.get(cell, 0.0) + 1.0
                new = True
        self.errors += new

    def expected(self, at: float, horizon: float) -> float:
        """Errors to come in (at, at + horizon]."""
        if self.began == -math.inf:
            return 0.0
        elapsed = max(1.0, at - self.began)
        usual = self.errors * CELL / elapsed
        most = 0.0
        for period, counts in zip(PERIODS, self.counts, strict=True):
            if not counts:
                continue
            rounds = elapsed / period + 1.0
            # A cell has about as many by chance; more than three deviations beyond is no chance.
            least = max(_ENOUGH, usual * rounds + 3.0 * math.sqrt(usual * rounds))
            total, first = 0.0, (at % period) / CELL
            span = horizon / CELL
            for cell in range(int(first), int(first + span) + 1):
                found = counts.get(cell % int(period / CELL))
                if found is not None and found >= least:
                    part = min(cell + 1.0, first + span) - max(float(cell), first)
                    total += part * max(0.0, found / (rounds + 0.5) - usual)
            # Not the sum: what comes each hour comes at its hours of the day as well.
            most = max(most, total)
        return most

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "began": self.began if self.errors else None,
            "errors": self.errors,
            "counts": [{str(cell): count for cell, count in counts.items()} for counts in self.counts],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from *state*."""
        if state["began"] is not None:
            self.began = state["began"]
        self.errors = state["errors"]
        self.counts = tuple({int(cell): count for cell, count in counts.items()} for counts in state["counts"])
