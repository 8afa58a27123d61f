"""The simplest predictors: how often an error followed in such a moment; what a model must beat."""

from __future__ import annotations

import math

PRIOR = 2.0
"""So many decisions a cell's base rate is worth."""


class Rate:
    """How often something followed, with a guess for the beginning."""

    __slots__ = ("count", "hits")

    def __init__(self, hits: float = 0.0, count: float = 0.0) -> None:
        self.hits = hits
        self.count = count

    def __call__(self) -> float:
        """The rate, 0 to 1, both excluded."""
        return (self.hits + 0.5) / (self.count + 10.0)

    def learn(self, followed: bool) -> None:
        """Count one more decision."""
        self.count += 1.0
        self.hits += followed

    def halve(self) -> None:
        """Let all that was counted weigh half."""
        self.hits *= 0.5
        self.count *= 0.5


class Table:
    """A rate for each cell, drawn to the base rate where the cell is young."""

    __slots__ = ("base", "cells")

    def __init__(self, base: Rate) -> None:
        self.base = base
        self.cells: dict[int, list[float]] = {}

    def __call__(self, cell: int) -> float:
        """The rate in *cell*, 0 to 1, both excluded."""
        found = self.cells.get(cell)
        if found is None:
            return self.base()
        return (found[0] + PRIOR * self.base()) / (found[1] + PRIOR)

    def learn(self, cell: int, followed: bool) -> None:
        """Count one more decision in *cell*."""
        found = self.cells.get(cell)
        if found is None:
            found = self.cells[cell] = [0.0, 0.0]
        found[0] += followed
        found[1] += 1.0

    def halve(self) -> None:
        """Let all that was counted weigh half."""
        for cell in self.cells.values():
            cell[0] *= 0.5
            cell[1] *= 0.5


def octave(value: float) -> int:
    """The bin of a value that is not negative: 0 below 1, then one for each doubling, at most 40.

    >>> [octave(value) for value in (0.0, 0.9, 1.0, 3.9, 60.0, 1e300)]
    [0, 0, 1, 2, 6, 40]
    """
    return int(value).bit_length() if value < 1e12 else 40


def half_octave(value: float) -> int:
    """Bins twice as fine as `octave`.

    >>> [half_octave(value) for value in (0.0, 1.0, 3.0, 60.0, 1e300)]
    [0, 2, 4, 11, 80]
    """
    return int(2.0 * math.log2(1.0 + value)) if value < 1e12 else 80
