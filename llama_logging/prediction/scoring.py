"""How good predictions were: nothing here knows how they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence

FLOOR = 1e-4
"""Probabilities are clipped to this and its complement, so that one surprise costs at most 9.2 nats."""
_Z = 1.96
"""Of a normal distribution 95 % lie within so many standard deviations."""


def log_loss(probability: float, followed: bool) -> float:
    """What a prediction costs, in nats.

    >>> round(log_loss(0.5, True), 3), round(log_loss(0.0, True), 2)
    (0.693, 9.21)
    """
    chance = probability if followed else 1.0 - probability
    return -math.log(min(1.0 - FLOOR, max(FLOOR, chance)))


def average_precision(scored: Sequence[tuple[float, bool]]) -> float:
    """The area under precision over recall, by steps; equal scores are one operating point.

    >>> average_precision([(0.9, True), (0.5, False), (0.5, True), (0.1, False)])
    0.8333333333333333
    """
    positives = sum(followed for _, followed in scored)
    if not positives:
        return 0.0
    area, hits, before = 0.0, 0, 0
    ranked = sorted(scored, key=lambda pair: -pair[0])
    for seen, (score, followed) in enumerate(ranked, 1):
        hits += followed
        if seen == len(ranked) or ranked[seen][0] != score:
            area += (hits - before) / positives * hits / seen
            before = hits
    return area


def calibration_error(scored: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Mean distance of what was said from what came, over *bins* of equal size.

    >>> calibration_error([(0.5, True), (0.5, False)], bins=1)
    0.0
    """
    ranked = sorted(scored)
    total = 0.0
    for number in range(bins):
        part = ranked[number * len(ranked) // bins : (number + 1) * len(ranked) // bins]
        total += abs(sum(score - followed for score, followed in part))
    return total / len(ranked) if ranked else 0.0


def wilson(hits: float, count: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927).

    >>> [round(bound, 3) for bound in wilson(8, 10)], wilson(0, 0)
    ([0.49, 0.943], (0.0, 1.0))
    """
    if count <= 0:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z / count
    middle = share + square / 2
    spread = _Z * math.sqrt(share * (1 - share) / count + square / count / 4)
    low, high = (middle - spread) / (1 + square), (middle + spread) / (1 + square)
    # Of nothing and of all it ends at the share itself, which rounding may miss.
    return min(share, max(0.0, low)), max(share, min(1.0, high))
