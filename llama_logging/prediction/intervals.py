"""The difference between two shares that were counted, and how sure it is."""

from __future__ import annotations

import math

from llama_logging.prediction.scoring import wilson


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
