"""How sure a share is that was counted, and the difference between two."""

from __future__ import annotations

import math

_Z = 1.959964
"""Of the normal distribution, for 95 %."""


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The 95 % interval of the share *hits* / *tries* (Wilson, 1927); from 0 to 1 if nothing was tried.

    >>> [round(end, 3) for end in wilson(15, 20)]
    [0.531, 0.888]
    """
    if not tries:
        return 0.0, 1.0
    share, square = hits / tries, _Z**2
    middle = (share + square / (2 * tries)) / (1 + square / tries)
    half = _Z * math.sqrt(share * (1 - share) / tries + square / (4 * tries**2)) / (1 + square / tries)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(hits: int, tries: int, other_hits: int, other_tries: int) -> tuple[float, float, float]:
    """Of two shares that were counted apart, how much larger the first is, and the 95 % interval of that.

    By the ends of the intervals of each (Newcombe, Statistics in Medicine 17, 1998, method 10). Neither may
    be of nothing.

    >>> [round(value, 3) for value in difference(56, 70, 48, 80)]
    [0.2, 0.052, 0.334]
    """
    one, other = hits / tries, other_hits / other_tries
    (low, high), (other_low, other_high) = wilson(hits, tries), wilson(other_hits, other_tries)
    gap = one - other
    return gap, gap - math.hypot(one - low, other_high - other), gap + math.hypot(high - one, other - other_low)
