"""Which groups come far more often than hour and weekday lead to expect, by the counts of the registry.

A CUSUM of the likelihood that errors come at several times their rate against that they come at it
(Lucas, Technometrics 27, 1985): it finds slow rises that no count within a window does. Many errors log
one failure many times; so what is counted is how many minutes' worth of a group there were, by the number that
it has in a minute that has any. Whoever reads the same registry comes to the same answer.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections import deque
from datetime import datetime, timedelta

from llama_logging.outbox import Outbox

HISTORY = timedelta(days=28)
"""What is expected is learned from so long a time."""
RELEARN = timedelta(days=1)
REPLAYED = timedelta(hours=12)
"""So much of it is gone through minute by minute: what began before is over, or nobody's news."""
WHOLE = timedelta(seconds=15)
"""A minute is looked at when it has been over for so long: journals come in late."""
KNOWN_FOR = 1440
"""Minutes for which a group must have been known: of a new one nothing is expected."""
TIMES = 7.0
"""So much above its rate is what the CUSUM is best at."""
BOUND = 7.4
"""Nats from which on it is unusual. Measured for Poisson arrivals at one an hour, learned for two weeks: 1.9 false
alarms in 30 days; ten times the rate is found after 28 minutes, sixty times after five, three times after three hours
(medians of 20; `python -m benchmarks.prediction --only unusual`)."""

_HOURS = 168
_PRIOR_WEEKS = 4.0
_LEAST = 1.0 / (7 * 1440)
_GROUPS = 2_000
_GAIN = math.log(TIMES)


class Unusual:
    """Follows the counts of one registry."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}
        self._next: datetime | None = None
        self._relearn_at: datetime | None = None
        self._found: dict[str, str] = {}
        self._turn = threading.Lock()

    def look(self, store: Outbox, now: datetime) -> dict[str, str]:
        """The groups that come unusually often, or are not yet as usual again, and how often they came."""
        until = (now - WHOLE).replace(second=0, microsecond=0)
        with self._turn:
            if self._next is None or until > self._next:
                self._go_on(store, until)
            return self._found

    def _go_on(self, store: Outbox, until: datetime) -> None:
        since = self._next
        if since is None or self._relearn_at is None or until >= self._relearn_at:
            since, self._relearn_at = until - REPLAYED, until + RELEARN
            self._paces = {}
            for group, hour, minutes, errors, first in store.weekly(until - HISTORY, since):
                self._pace(group, _number(first)).learn(hour, minutes, errors, _number(first))
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
        self._recent: deque[tuple[int, int]] = deque()
        self._score = 0.0
        self._alarmed = False

    def learn(self, hour: int, minutes: int, errors: int, first: int) -> None:
        """In an hour of the week, so many minutes had so many errors, the first of them in the minute *first*."""
        self._first = min(self._first, first)
        self._minutes += minutes
        self._errors += errors
        self._by_hour[hour] += minutes

    def count(self, minute: int, count: int) -> None:
        """There were so many in *minute*; later than the one before."""
        self._pass_time(minute)
        self._recent.append((minute, count))
        if minute - self._first >= KNOWN_FOR:
            size = self._errors / self._minutes if self._minutes else 1.0
            # At most twice the bound: what was a storm must be over some time.
            self._score = min(2 * BOUND, self._score + _GAIN * count / max(1.0, size))
            self._alarmed |= self._score >= BOUND

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
        passed, self.at = max(0, minute - self.at), max(self.at, minute)
        self._score = max(0.0, self._score - (TIMES - 1) * self._expected(minute) * passed)
        self._alarmed &= self._score > 0.0
        # Expected is what the hours before this one were like: a burst must not make itself usual.
        while self._recent and self._recent[0][0] // 60 < minute // 60 - 1:
            at, count = self._recent.popleft()
            self._errors += count
            self._minutes += 1
            self._by_hour[at // 60 % _HOURS] += 1.0

    def _expected(self, minute: int) -> float:
        """Of the minutes of this hour of the week, what share has some."""
        weeks = max(1.0, (minute - self._first) / (7 * 1440))
        usual = self._minutes / (weeks * _HOURS)
        cell = self._by_hour[minute // 60 % _HOURS]
        return max(_LEAST, (cell + _PRIOR_WEEKS * usual) / (weeks + _PRIOR_WEEKS) / 60.0)


def _number(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
