"""Errors as the sum of what may cause each: an additive hazard, learned by online EM."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

Passage = tuple[int, int, float]
"""What a gauge does at its bound: keys of this gauge and of any, and the chance to reach the bound in the window."""
Source = tuple[int, int, int, Passage | None]
"""What may cause an error, as keys from the fine to the coarse: template and age, template, level and age.

Of a gauge: how near its bound it is, how likely it reaches it (as both coarser keys), and the passage.
"""

BACK = 40.0
"""So many exposures the coarser key is worth to the finer: more than there are decisions in a horizon, for
the windows of one horizon overlap and tell of one and the same error. Measured: with 2, average precision on
simulated services is a tenth lower."""

LONG = 200.0
"""So many exposures the bound of a gauge is worth to each chance to reach it, and that to each nearness: a gauge fills
some times a day, passes through each for minutes, and has one error of all. Measured on simulated services: with BACK,
average precision is a hundredth lower."""

_START = 0.003
_BOUND = 0.1
"""The chance that a bound of which nothing is known brings an error."""
_LEAST, _MOST = 1e-4, 0.98
_PROOF = 200.0
_GROUPS = 32


class Additive:
    """P = 1 - exp(-sum of theta over what is active): a "noisy or" without a rate to tune.

    theta = -log(1 - p), and p = (windows it brought an error in + BACK x p of the coarser key) / (exposures + BACK).
    Of a gauge, p begins from p of its bound times the chance to reach it, and the bound is exposed by that chance: so
    all its errors tell of the bound, and not each of the one place where it was a moment before.
    A window that an error came in counts for each of its sources by p / P, the chance that it brought one: what
    stands alone has at once as much as was seen. (By its part of the sum of theta it would get there, but slowly.)
    It notes for each source which groups its errors were of.

    Args:
        forget: What a count keeps at each new exposure.
        keys: At most so many are remembered.
    """

    __slots__ = ("cells", "firsts", "forget", "groups", "keys")

    def __init__(self, forget: float = 0.9995, keys: int = 20000) -> None:
        self.forget = forget
        self.keys = keys
        self.cells: dict[int, list[float]] = {}
        self.firsts: dict[int, float] = {}
        self.groups: dict[int, dict[int, float]] = {}

    def theta(self, source: Source) -> float:
        """The expected number of errors in a window that *source* causes."""
        fine, middle, coarse, passage = source
        if passage is None:
            back, value = BACK, self._rate(coarse, BACK, _START)
        else:
            own, any_gauge, chance = passage
            brings = self._rate(own, BACK, self._rate(any_gauge, BACK, _BOUND))
            back, value = LONG, min(_MOST, max(_LEAST, brings * chance))
        return -math.log1p(-self._rate(fine, back, self._rate(middle, back, value)))

    def learn(self, sources: Sequence[Source], followed: bool) -> None:
        """Count a window in which *sources* were active."""
        shares = self.shares(sources) if followed else [0.0] * len(sources)
        for (fine, middle, coarse, passage), share in zip(sources, shares, strict=True):
            self._count(fine, share, 1.0)
            self._count(middle, share, 1.0)
            if coarse != middle:
                self._count(coarse, share, 1.0)
            if passage is not None:
                own, any_gauge, chance = passage
                self._count(own, share, chance)
                self._count(any_gauge, share, chance)
            if share:
                self._count_first(fine >> 8, share)
        if len(self.cells) > self.keys:
            self._prune()

    def attribute(self, sources: Sequence[Source], shares: Sequence[float], group: int) -> None:
        """Note that in a window in which *sources* were active, the first error of *group* came; *shares* of them."""
        for source, share in zip(sources, shares, strict=True):
            groups = self.groups.setdefault(source[0] >> 8, {})
            groups[group] = groups.get(group, 0.0) + share
            if len(groups) > 2 * _GROUPS:
                strongest = sorted(groups, key=lambda group: groups[group], reverse=True)
                self.groups[source[0] >> 8] = {group: groups[group] for group in strongest[:_GROUPS]}

    def expected(self, sources: Sequence[Source], thetas: Sequence[float]) -> dict[int, float]:
        """For each group that any of *sources* led to, how many errors of it are expected in a window."""
        expected: dict[int, float] = defaultdict(float)
        for source, theta in zip(sources, thetas, strict=True):
            groups = self.groups.get(source[0] >> 8)
            if groups:
                scale = theta / (self.firsts.get(source[0] >> 8, 0.0) + 0.1)
                for group, weight in groups.items():
                    expected[group] += weight * scale
        return expected

    def halve(self) -> None:
        """Let all that was counted weigh half."""
        for cell in self.cells.values():
            cell[0] *= 0.5
            cell[1] *= 0.5

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "cells": {str(key): cell for key, cell in self.cells.items()},
            "firsts": {str(key): count for key, count in self.firsts.items()},
            "groups": {str(key): [list(pair) for pair in groups.items()] for key, groups in self.groups.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from *state*."""
        self.cells = {int(key): list(cell) for key, cell in state["cells"].items()}
        self.firsts = {int(key): count for key, count in state["firsts"].items()}
        self.groups = {int(key): dict(pairs) for key, pairs in state["groups"].items()}

    def shares(self, sources: Sequence[Source]) -> list[float]:
        """How likely each source brought an error to such a window, given that there was one."""
        thetas = [self.theta(source) for source in sources]
        anything = math.expm1(-sum(thetas))
        return [math.expm1(-theta) / anything for theta in thetas]

    def _rate(self, key: int, back: float, value: float) -> float:
        """Of the exposures of *key*, those that brought an error, where *back* more brought *value* of them."""
        found = self.cells.get(key)
        return value if found is None else (found[0] + back * value) / (found[1] + back)

    def _count(self, key: int, share: float, exposure: float) -> None:
        found = self.cells.get(key)
        if found is None:
            self.cells[key] = [share, exposure]
        else:
            keep = 1.0 - (1.0 - self.forget) * exposure
            found[0] = found[0] * keep + share
            found[1] = found[1] * keep + exposure

    def _count_first(self, key: int, share: float) -> None:
        count = self.firsts.get(key, 0.0) + share
        if count > _PROOF:
            count *= 0.5
            groups = self.groups.get(key, {})
            self.groups[key] = {group: weight * 0.5 for group, weight in groups.items() if weight > 0.01}
        self.firsts[key] = count

    def _prune(self) -> None:
        strongest = sorted(self.cells, key=lambda key: self.cells[key][1], reverse=True)
        self.cells = {key: self.cells[key] for key in strongest[: self.keys * 3 // 4]}
        known = {key >> 8 for key in self.cells}
        self.firsts = {key: count for key, count in self.firsts.items() if key in known}
        self.groups = {key: groups for key, groups in self.groups.items() if key in known}
