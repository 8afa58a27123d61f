"""The simplest predictors: how often an error followed in such a moment; what a model must beat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(slots=True)
class Simple:
    """The simplest predictors of one kind of error; *tables* has those with cells, in the order of their names."""

    base: Rate = field(default_factory=Rate)
    persistence: Table = field(init=False)
    hazard: Table = field(init=False)
    ewma: Table = field(init=False)
    tables: tuple[Table, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = self.persistence, self.hazard, self.ewma = Table(self.base), Table(self.base), Table(self.base)

    def learn(self, cells: tuple[int, ...], followed: bool) -> None:
        """Count one more decision; *cells* of as many tables as there are cells."""
        self.base.learn(followed)
        for table, cell in zip(self.tables, cells, strict=False):
            table.learn(cell, followed)

    def halve(self) -> None:
        """Let all that was counted weigh half."""
        self.base.halve()
        for table in self.tables:
            table.halve()

    def state(self) -> list[Any]:
        """For `restore`."""
        return [[self.base.hits, self.base.count], *[named(table.cells) for table in self.tables]]

    def restore(self, state: list[Any]) -> None:
        """Go on from *state*."""
        self.base.hits, self.base.count = state[0]
        for table, cells in zip(self.tables, state[1:], strict=True):
            table.cells = numbered(cells)


def named(cells: Mapping[int, list[float]]) -> dict[str, list[float]]:
    """*cells* as JSON can have them."""
    return {str(key): cell for key, cell in cells.items()}


def numbered(cells: Mapping[str, list[float]]) -> dict[int, list[float]]:
    """What `named` was given."""
    return {int(key): list(cell) for key, cell in cells.items()}


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
