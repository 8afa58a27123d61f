"""Which groups come far more often than hour and weekday lead to expect, by the counts of the registry.

The likelihood that errors have come at several times their rate since some minute, against that they came
at it, summed over all minutes that may be (Shiryaev; Roberts, Technometrics 8, 1966): it finds slow rises that no
count within a window does, and however often a group comes, chance alone brings no more than so many alarms in a
month. Many errors log one failure many times; so what is counted is how many minutes' worth of a group there were, by
the number that it has in a minute that has any. Whoever reads the same registry comes to the same answer, whenever
they began to: what is expected is learned anew at midnight, UTC, and all is counted from the noon before.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from datetime import datetime, timedelta

from llama_logging.registry.outbox import Outbox
from llama_logging.runtime import forks

HISTORY = timedelta(days=28)
"""What is expected is learned from so long a time."""
REPLAYED = timedelta(hours=12)
"""So much of it is gone through minute by minute: what began before is over, or nobody's news."""
WHOLE = timedelta(seconds=15)
"""A minute is looked at when it has been over for so long: journals come in late."""
SET_BACK = timedelta(minutes=1)
"""By more than that a clock that was ahead was set back, and all is learned anew; less is waited for."""
KNOWN_FOR = 1440
"""Minutes for which a group must have been known: of a new one nothing is expected."""
TIMES = 8.0
"""So much above its rate is what the sum is best at."""
BOUND = 11_500.0
"""Minutes from which on it is unusual: the sum grows by one in a minute as usual, and false alarms are further apart
than that. Measured for Poisson arrivals, learned for two weeks: `python -m benchmarks.prediction --only unusual`."""
OVER = 60.0
"""Minutes at which it is as usual again."""

_HOURS = 168
_PRIOR_WEEKS = 4.0
_LEAST = 1.0 / (7 * 1440)
_GROUPS = 2_000
# Below one an hour the sum grows more slowly: of what comes once a week, two on one day would be news each time.
_SLOW = 1.0 / 60.0
# What was a storm must be over some time; and a power of more has no float.
_MOST = BOUND**2
_LARGEST = 100.0


class Unusual:
    """Follows the counts of one registry."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}
        self._next: datetime | None = None
        self._day: datetime | None = None
        self._found: dict[str, str] = {}
        self._turn = forks.lock()

    def look(self, store: Outbox, now: datetime) -> dict[str, str]:
        """The groups that come unusually often, or are not yet as usual again, and how often they came."""
        until = (now - WHOLE).replace(second=0, microsecond=0)
        with self._turn:
            if self._next is not None and self._next - until > SET_BACK:
                self._next = None
            if self._next is None or until > self._next:
                self._go_on(store, until)
            return self._found

    def _go_on(self, store: Outbox, until: datetime) -> None:
        since, day = self._next, until.replace(hour=0, minute=0)
        if since is None or day != self._day:
            since, self._day = day - REPLAYED, day
            self._paces = {}
            for group, hour, minutes, errors, first in store.weekly(day - HISTORY, since):
                self._pace(group, _number(first)).learn(hour, minutes, errors, _number(first))
            for pace in self._paces.values():
                pace.begin(_number(since))
        for minute, group, count in store.minutes(since, until):
            self._pace(group, _number(minute)).count(_number(minute), count)
        self._next = until
        last = _number(until) - 1
        self._found = {group: pace.told(last) for group, pace in self._paces.items() if pace.is_unusual(last)}

    def _pace(self, group: str, minute: int) -> Pace:
        known = self._paces.get(group)
        if known is None:
            if len(self._paces) >= _GROUPS:
                del self._paces[min(self._paces, key=lambda name: self._paces[name].at)]
            known = self._paces[group] = Pace(minute)
        return known


class Pace:
    """How often a group comes, by hour of the week; minutes are numbered from the epoch.

    Args:
        first: The minute it was first seen in.
    """

    def __init__(self, first: int) -> None:
        self._first = self.at = first
        self._errors = self._minutes = 0
        self._by_hour = array("d", bytes(8 * _HOURS))
        self._squares = 0.0
        self._recent: deque[tuple[int, int]] = deque()
        self._sum = 0.0
        self._alarmed = False

    def learn(self, hour: int, minutes: int, errors: int, first: int) -> None:
        """In an hour of the week, so many minutes had so many errors, the first of them in the minute *first*."""
        self._first = min(self._first, first)
        self._add(hour, minutes, errors)

    def begin(self, minute: int) -> None:
        """All that was learned was before *minute*, and as usual."""
        self.at = minute
        self._sum, _ = self._calm(minute)

    def count(self, minute: int, count: int) -> None:
        """There were so many in *minute*; later than the one before."""
        self._pass_time(minute)
        self._recent.append((minute, count))
        if minute - self._first >= KNOWN_FOR:
            size = self._errors / self._minutes if self._minutes else 1.0
            self._sum = min(_MOST, self._sum * TIMES ** min(_LARGEST, count / max(1.0, size)))
            self._alarmed |= self._sum >= BOUND

    def is_unusual(self, minute: int) -> bool:
        """Whether it came too often, and has not been as usual since then."""
        self._pass_time(minute)
        return self._alarmed

    def told(self, minute: int) -> str:
        """How often it came lately, and how often it usually does."""
        lately = sum(count for at, count in self._recent if at > minute - 60)
        size = self._errors / self._minutes if self._minutes else 1.0
        return f"{lately} within an hour, usually {60 * self._expected(minute) * size:.2g} at this hour of the week"

    def _pass_time(self, minute: int) -> None:
        # By the hour, within which as much is expected of each minute: so it is the same however often anybody looks.
        while self.at < minute:
            end = min(minute, self.at - self.at % 60 + 60)
            calm, fade = self._calm(self.at)
            self._sum = calm + (self._sum - calm) * math.exp(-fade * (end - self.at))
            self._alarmed &= self._sum >= OVER
            self.at = end
            # Expected is what the hours before this one were like: a burst must not make itself usual.
            while self._recent and self._recent[0][0] // 60 < end // 60 - 1:
                at, count = self._recent.popleft()
                self._add(at // 60 % _HOURS, 1, count)

    def _calm(self, minute: int) -> tuple[float, float]:
        """What the sum tends to while none comes, and how fast."""
        expected = self._expected(minute)
        fade = (TIMES - 1) * expected
        return min(1.0, expected / _SLOW) / fade, fade

    def _add(self, hour: int, minutes: int, errors: int) -> None:
        before = self._by_hour[hour]
        self._by_hour[hour] += minutes
        self._squares += (before + minutes) ** 2 - before**2
        self._minutes += minutes
        self._errors += errors

    def _expected(self, minute: int) -> float:
        """Of the minutes of this hour of the week, what share has some.

        The hour counts for itself by what part of the variance between hours is more than chance
        (James, Stein 1961), beyond two deviations: four weeks of one an hour say little of each hour.
        """
        weeks = max(1.0, (minute - minute % 60 - self._first) / (7 * 1440))
        mean = self._minutes / _HOURS
        variance = self._squares / _HOURS - mean * mean
        chance = mean + 2.0 * mean * math.sqrt((2.0 + 1.0 / mean) / _HOURS) if mean else 0.0
        part = min(weeks / (weeks + _PRIOR_WEEKS), 1.0 - chance / variance) if variance > chance else 0.0
        cell = self._by_hour[minute // 60 % _HOURS]
        return max(_LEAST, (mean + part * (cell - mean)) / weeks / 60.0)


def _number(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
