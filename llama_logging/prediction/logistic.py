"""Logistic regression over features that are there or not, learned one decision at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

LIMIT = 12.0
"""Of a logit, either way: e^12 is 160,000."""
_RATE = 0.05
"""How far a weight moves."""
_INERTIA = 3.0
"""What the sum of squares begins with. Measured: beginning with nothing, as is usual, lets twenty new weights leap at
once at the first of sixty windows that end in one and the same error; log loss on real logs was a quarter worse."""


def sigmoid(logit: float) -> float:
    """The probability of *logit*.

    >>> sigmoid(0.0), sigmoid(1e9) < 1.0
    (0.5, True)
    """
    return 1.0 / (1.0 + math.exp(-min(LIMIT, max(-LIMIT, logit))))


def logit(probability: float) -> float:
    """The inverse of `sigmoid`.

    >>> logit(0.5), logit(0.0), logit(1.0)
    (0.0, -12.0, 12.0)
    """
    if probability <= 6.2e-6:
        return -LIMIT
    if probability >= 1.0 - 6.2e-6:
        return LIMIT
    return math.log(probability / (1.0 - probability))


class Logistic:
    """A weight for each key, each with a learning rate of its own (AdaGrad: Duchi, Hazan, Singer 2011).

    Args:
        keys: At most so many weights; beyond that the smallest are dropped.
    """

    __slots__ = ("keys", "weights")

    def __init__(self, keys: int = 20000) -> None:
        self.keys = keys
        self.weights: dict[int, list[float]] = {}

    def __call__(self, keys: Sequence[int]) -> float:
        """The logit."""
        weights = self.weights
        total = 0.0
        for key in keys:
            found = weights.get(key)
            if found is not None:
                total += found[0]
        return total

    def learn(self, keys: Sequence[int], followed: bool) -> None:
        """Move the weights of *keys* towards what came."""
        gradient = sigmoid(self(keys)) - followed
        square = gradient * gradient
        step = _RATE * gradient
        weights = self.weights
        for key in keys:
            found = weights.get(key)
            if found is None:
                found = weights[key] = [0.0, _INERTIA]
            found[1] += square
            found[0] -= step / math.sqrt(found[1])
        if len(weights) > self.keys:
            self._prune()

    def halve(self) -> None:
        """Let all that was learned weigh half against what comes."""
        for found in self.weights.values():
            found[1] = max(_INERTIA, found[1] * 0.5)

    def _prune(self) -> None:
        strongest = sorted(self.weights, key=lambda key: abs(self.weights[key][0]), reverse=True)
        self.weights = {key: self.weights[key] for key in strongest[: self.keys * 3 // 4]}
