"""Several predictors made into one that is never much worse than the best of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

from llama_logging.prediction.logistic import logit, sigmoid
from llama_logging.prediction.scoring import log_loss

_TRUSTED = 8.0
"""Of a logit that goes into the stack, either way."""
_RATE, _INERTIA = 0.02, 20.0
"""How far a weight of the stack moves, and what its sum of squares begins with."""
_SHARE = 1e-4
"""What a mixture spreads evenly at each step."""


class Stack:
    """Logistic regression over the logits of others, that starts from weights known to do and moves slowly.

    Args:
        weights: Of the constant and of each predictor, at the beginning.
    """

    __slots__ = ("squares", "weights")

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = [float(weight) for weight in weights]
        self.squares = [_INERTIA] * len(self.weights)

    def inputs(self, probabilities: Sequence[float]) -> list[float]:
        """What is weighed."""
        return [1.0, *(max(-_TRUSTED, min(_TRUSTED, logit(probability))) for probability in probabilities)]

    def __call__(self, inputs: Sequence[float]) -> float:
        """The probability."""
        return sigmoid(sum(map(operator.mul, self.weights, inputs)))

    def learn(self, inputs: Sequence[float], followed: bool) -> None:
        """Move the weights towards what came."""
        gradient = self(inputs) - followed
        for index, value in enumerate(inputs):
            slope = gradient * value
            self.squares[index] += slope * slope
            self.weights[index] -= _RATE * slope / math.sqrt(self.squares[index])


class Mixture:
    """Weights that follow the experts' log loss, with a share for each to come back (Herbster, Warmuth 1998).

    Args:
        experts: How many.
        speed: How fast weights follow; low, for the windows overlap and tell the same many times.
    """

    __slots__ = ("speed", "weights")

    def __init__(self, experts: int, speed: float = 0.03) -> None:
        self.speed = speed
        self.weights = [1.0 / experts] * experts

    def __call__(self, probabilities: Sequence[float]) -> float:
        """The probability."""
        chance: float = sum(map(operator.mul, self.weights, probabilities))
        return chance

    def learn(self, probabilities: Sequence[float], followed: bool) -> None:
        """Move weight to those who were less surprised."""
        gains = [
            weight * math.exp(-self.speed * log_loss(probability, followed))
            for weight, probability in zip(self.weights, probabilities, strict=True)
        ]
        total, even = sum(gains), _SHARE / len(gains)
        self.weights = [(1.0 - _SHARE) * gain / total + even for gain in gains]
