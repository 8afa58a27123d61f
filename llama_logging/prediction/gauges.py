"""Numbers that records carry: which of them are gauges, where they stand, and when they reach their limit."""

from __future__ import annotations

import math
from typing import Any

STEADY = 0.6
"""A number whose neighbours correlate more than this is a gauge; an identifier or a duration does not."""

_FAST, _SLOW = 0.5, 0.02
_TREND = 0.02
_SHRINK = 2e-6
_ENOUGH = 10
_INSTANT = 1e-6
"""Seconds. What changes within it has no speed that would say anything."""


class Gauge:
    """One number of one template, followed from record to record."""

    __slots__ = (
        "at",
        "count",
        "covariance",
        "high",
        "low",
        "mean",
        "number",
        "slope",
        "smooth",
        "spread",
        "template",
        "trend",
        "turned",
        "value",
        "variance",
    )

    def __init__(self, number: int, template: str, at: float, value: float) -> None:
        self.number = number
        self.template = template
        self.at = at
        self.count = 1
        self.value = self.turned = self.smooth = self.mean = self.low = self.high = value
        self.variance = self.covariance = self.slope = self.trend = self.spread = 0.0

    def add(self, at: float, value: float) -> None:
        """Take the next value in."""
        rate = max(_SLOW, 1.0 / (self.count + 1))
        last, off = self.smooth - self.mean, value - self.mean
        self.variance += rate * (off * off - self.variance)
        self.covariance += rate * (off * last - self.covariance)
        self.mean += rate * off
        before, passed = self.smooth, at - self.at
        span = self.high - self.low
        if span > 0.0 and abs(value - self.smooth) > 0.5 * span:
            # It was reset: what it did before says nothing about where it goes.
            self.turned, self.smooth, self.slope = self.value, value, 0.0
        else:
            self.smooth += _FAST * (value - self.smooth)
            if passed >= _INSTANT:
                self.slope += 0.05 * ((self.smooth - before) / passed - self.slope)
                step = value - self.value
                rate = max(_TREND, 1.0 / self.count)
                self.spread += rate * ((step - self.trend * passed) ** 2 / passed - self.spread)
                self.trend += rate * (step / passed - self.trend)
        self.value = value
        self.high = max(value, self.high - _SHRINK * span)
        self.low = min(value, self.low + _SHRINK * span)
        self.at = at
        self.count += 1

    def state(self) -> list[Any]:
        """For `restored`."""
        return [getattr(self, name) for name in self.__slots__]

    @classmethod
    def restored(cls, state: list[Any]) -> Gauge:
        """The gauge that *state* was taken of."""
        gauge = cls.__new__(cls)
        for name, value in zip(cls.__slots__, state, strict=True):
            setattr(gauge, name, value)
        return gauge

    @property
    def is_steady(self) -> bool:
        """Whether this is a gauge at all."""
        return self.count >= _ENOUGH and self.covariance > STEADY * self.variance > 0.0

    @property
    def knows_bound(self) -> bool:
        """Whether it was last reset from near the bound that it moves towards: on its first way it is always at it."""
        bound = self.high if self.trend > 0.0 else self.low
        return abs(bound - self.turned) < 0.25 * (self.high - self.low)

    def bin(self, now: float) -> int:
        """How near it is to the bound that it moves towards: quarter octaves of the span; the upper from 32 on."""
        span = self.high - self.low
        if not 0.0 < span < math.inf:
            return 0
        value = self.smooth + self.slope * min(600.0, max(0.0, now - self.at))
        left = self.high - value if self.slope > 0.0 else value - self.low
        near = int(-4.0 * math.log2(min(1.0, max(0.0, left / span) + 1.0 / 128.0)))
        return near + (32 if self.slope > 0.0 else 0)

    def chance(self, now: float, horizon: float) -> float:
        """Of reaching the bound that it moves towards within *horizon*.

        As if it were a Brownian motion with drift (first passage: Cox, Miller 1965, 5.7).
        """
        span = self.high - self.low
        if not 0.0 < span < math.inf:
            return 0.0
        ahead = horizon + min(600.0, max(0.0, now - self.at))
        left = self.high - self.value if self.trend > 0.0 else self.value - self.low
        drift = abs(self.trend) * ahead
        spread = max(0.001 * span, math.sqrt(self.spread * ahead))
        first = _normal((drift - left) / spread)
        back = _normal((-left - drift) / spread)
        if back > 0.0:
            first += math.exp(min(0.0, math.log(back) + 2.0 * drift * left / (spread * spread)))
        return min(1.0, first)


def _normal(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
