"""Errors as the sum of what may cause each: an additive hazard, learned by online EM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Source = tuple[int, int, int]
"""What may cause an error, as keys from the fine to the coarse: template and age, template, level and age."""

BACK = 40.0
"""So many exposures the coarser key is worth to the finer: more than there are decisions in a horizon, for
the windows of one horizon overlap and tell of one and the same error. Measured: with 2, average precision on
simulated services is a tenth lower."""

_START = 0.003
_PROOF = 200.0
_GROUPS = 32


class Additive:
    """P = 1 - exp(-sum of theta over what is active): a "noisy or" without a rate to tune.

    theta = -log(1 - p), and p = (windows it brought an error in + BACK x p of the coarser key) / (exposures + BACK).
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
        cells, value = self.cells, _START
        for key in (source[2], source[1], source[0]):
            found = cells.get(key)
            if found is not None:
                value = (found[0] + BACK * value) / (found[1] + BACK)
        return -math.log1p(-value)

    def learn(self, sources: Sequence[Source], followed: bool) -> None:
        """Count a window in which *sources* were active."""
        shares = self.shares(sources) if followed else [0.0] * len(sources)
        cells, forget = self.cells, self.forget
        for source, share in zip(sources, shares, strict=True):
            for key in source if source[1] != source[2] else source[:2]:
                found = cells.get(key)
                if found is None:
                    cells[key] = [share, 1.0]
                else:
                    found[0] = found[0] * forget + share
                    found[1] = found[1] * forget + 1.0
            if share:
                self._count_first(source[0] >> 8, share)
        if len(cells) > self.keys:
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
        expected: dict[int, float] = {}
        so_far = expected.get
        for source, theta in zip(sources, thetas, strict=True):
            groups = self.groups.get(source[0] >> 8)
            if groups:
                scale = theta / (self.firsts.get(source[0] >> 8, 0.0) + 0.1)
                for group, weight in groups.items():
                    expected[group] = so_far(group, 0.0) + weight * scale
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
