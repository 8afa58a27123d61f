"""Logs of services that do not exist, from a seed: what causes their errors is known, and so is the best prediction.

A world has causes of five kinds: incidents that begin with precursors, gauges that climb until they are full,
jobs that fail at their hour, bursts, and errors out of nothing. Each cause knows, from what happened so
far and its own parameters but not from the future, how likely its next error is within a horizon; all of
them together are the best possible predictor.
"""

from __future__ import annotations

import bisect
import heapq
import logging
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from llama_logging.prediction.forecast import Observation

DAY = 86400.0
START = 1.75e9 // DAY * DAY
CHANGE = 0.6
"""Where in a run a world that changes does so."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A record, and which templates truly announced it (an error of an incident or a gauge alone has any)."""

    observation: Observation
    causes: frozenset[str] = frozenset()


class Cause(Protocol):
    """Something that logs."""

    def happenings(self, end: float) -> Iterator[Happening]:
        """All its records from `START` to *end*, in order."""

    def chance(self, at: float, horizon: float) -> float:
        """Of its next error coming in (at, at + horizon], from what happened until *at*."""


def _record(at: float, template: str, level: int = logging.INFO, *numbers: float) -> Happening:
    group = template if level >= logging.ERROR else ""
    return Happening(Observation(at=at, level=level, template=template, group=group, numbers=numbers))


class Background:
    """Requests, with an identifier and a duration each."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.period = dice.uniform(5.0, 15.0)
        self.templates = [f"app.{dice.choice('abcdef')}: step {number} of %d took %f" for number in range(40)]
        self.weights = [1.0 / (1 + number) for number in range(40)]

    def happenings(self, end: float) -> Iterator[Happening]:
        at = START
        while (at := at + self.dice.expovariate(1.0 / self.period)) < end:
            (template,) = self.dice.choices(self.templates, self.weights)
            level = logging.WARNING if self.dice.random() < 0.02 else logging.INFO
            yield _record(at, template, level, self.dice.randrange(10**6), self.dice.expovariate(1.0))

    def chance(self, at: float, horizon: float) -> float:
        return 0.0


class Incident:
    """A chain of one or two precursors, 20 to 240 seconds before the error that follows with probability *leads*."""

    def __init__(self, dice: random.Random, name: str, change: float) -> None:
        self.dice = dice
        self.name = name
        self.change = change
        self.period = DAY / dice.uniform(5.0, 12.0)
        self.leads = dice.uniform(0.6, 0.95)
        self.links = dice.choice((1, 2))
        least = dice.uniform(20.0, 60.0)
        self.between = (5.0, 40.0)
        self.last = (least, least + dice.uniform(40.0, 140.0))
        self.began: list[float] = []
        self.linked: list[float] = []
        self.failed: list[float] = []

    def happenings(self, end: float) -> Iterator[Happening]:
        waiting: list[tuple[float, int, Happening]] = []
        at, count = START + self.dice.expovariate(1.0 / self.period), 0
        while at < end or waiting:
            while waiting and (waiting[0][0] <= at or at >= end):
                yield heapq.heappop(waiting)[2]
            if at >= end:
                continue
            for happening in self._one(at):
                count += 1
                heapq.heappush(waiting, (happening.observation.at, count, happening))
            at += self.dice.expovariate(1.0 / self.period)

    def _one(self, at: float) -> Iterator[Happening]:
        name = self.name + ("2" if at >= self.change else "")
        links = [f"{name}.pool: precursor {number}" for number in range(self.links)]
        self.began.append(at)
        yield _record(at, links[0], logging.WARNING)
        if self.links == 2:
            at += self.dice.uniform(*self.between)
            yield _record(at, links[1], logging.WARNING)
        bisect.insort(self.linked, at)
        if self.dice.random() < self.leads:
            at += self.dice.uniform(*self.last)
            bisect.insort(self.failed, at)
            yield Happening(_record(at, f"{name}: failed", logging.ERROR).observation, frozenset(links))

    def chance(self, at: float, horizon: float) -> float:
        calm = 1.0
        far = self.between[1] + self.last[1]
        for began in self.began[bisect.bisect_left(self.began, at - far) : bisect.bisect_right(self.began, at)]:
            calm *= 1.0 - self._one_chance(began, at, horizon)
        return 1.0 - calm * math.exp(-self._fresh(horizon))

    def _one_chance(self, began: float, at: float, horizon: float) -> float:
        linked = self.linked[bisect.bisect_left(self.linked, began)]
        if linked > at:
            # The second link has not come: over all the times at which it still may.
            low, high = max(self.between[0], at - began), self.between[1]
            steps = [low + (high - low) * (step + 0.5) / 8 for step in range(8)]
            return sum(self.leads * self._share(at + horizon - began - step) for step in steps) / 8
        if self._has_failed(linked, at):
            return 0.0
        before, after = self._share(at - linked), self._share(at + horizon - linked)
        return self.leads * (after - before) / (1.0 - self.leads * before)

    def _has_failed(self, linked: float, at: float) -> bool:
        place = bisect.bisect_right(self.failed, linked)
        return place < len(self.failed) and self.failed[place] <= min(at, linked + self.last[1])

    def _share(self, age: float) -> float:
        """Of the errors that come no later than *age* after the last link."""
        low, high = self.last
        return min(1.0, max(0.0, (age - low) / (high - low)))

    def _fresh(self, horizon: float) -> float:
        """Errors expected of incidents that have not begun."""
        middle = (sum(self.between) / 2 if self.links == 2 else 0.0) + sum(self.last) / 2
        return self.leads * max(0.0, horizon - middle) / self.period


class Filling:
    """A gauge that climbs unsteadily, is told every half minute, and fails when it is full."""

    def __init__(self, dice: random.Random, name: str, change: float) -> None:
        self.dice = dice
        self.name = name
        self.change = change
        self.hours = dice.uniform(2.0, 6.0)
        self.noise = dice.uniform(0.05, 0.15)
        self.moments: list[float] = []
        self.levels: list[tuple[float, float]] = []

    def happenings(self, end: float) -> Iterator[Happening]:
        at, level, speed = START, self.dice.uniform(0.0, 60.0), self._speed()
        while at < end:
            at += 5.0
            level += speed * 5.0 + self.dice.gauss(0.0, self.noise * math.sqrt(5.0))
            name = self.name + ("2" if at >= self.change else "")
            if level >= 100.0:
                cause = frozenset({f"{name}: %d of 100 in use"})
                yield Happening(_record(at, f"{name}: exhausted", logging.ERROR).observation, cause)
                level, speed = self.dice.uniform(0.0, 30.0), self._speed()
            self.moments.append(at)
            self.levels.append((level, speed))
            if int(at) % 30 < 5:
                yield _record(at, f"{name}: %d of 100 in use", logging.INFO, round(level, 1))

    def _speed(self) -> float:
        return 100.0 / (3600.0 * self.hours * self.dice.uniform(0.7, 1.4))

    def chance(self, at: float, horizon: float) -> float:
        """First passage of a Brownian motion with drift."""
        place = bisect.bisect_right(self.moments, at) - 1
        if place < 0:
            return 0.0
        level, speed = self.levels[place]
        room, spread = max(0.01, 100.0 - level), self.noise * math.sqrt(horizon)
        first = _normal((speed * horizon - room) / spread)
        back = math.log(max(1e-300, _normal((-room - speed * horizon) / spread)))
        return min(1.0, first + math.exp(min(0.0, back + 2.0 * speed * room / self.noise**2)))


class Job:
    """Runs by the clock, and fails each time with the same probability, seconds later."""

    def __init__(self, dice: random.Random, name: str) -> None:
        self.dice = dice
        self.name = name
        self.period = dice.choice((3600.0, 3600.0, DAY))
        self.offset = dice.randrange(int(self.period) // 60) * 60.0
        self.fails = dice.uniform(0.3, 0.9) if self.period < DAY else 0.9
        self.late = 20.0
        self.done: set[float] = set()

    def happenings(self, end: float) -> Iterator[Happening]:
        run = START + self.offset
        while run < end:
            yield _record(run, f"{self.name}: starts", logging.INFO)
            if self.dice.random() < self.fails:
                at = run + self.dice.uniform(0.5, self.late)
                self.done.add(at)
                yield _record(at, f"{self.name}: failed", logging.ERROR)
            run += self.period

    def chance(self, at: float, horizon: float) -> float:
        run = START + self.offset + (at - START - self.offset) // self.period * self.period
        if at - run < self.late:
            if any(run <= done <= at for done in self.done if done > run - 1.0):
                return 0.0
            before = (at - run) / self.late
            return self.fails * (1.0 - before) / (1.0 - self.fails * before)
        return self.fails * min(1.0, max(0.0, (at + horizon - run - self.period) / self.late))


class Bursts:
    """Errors that bring more of their kind; the first comes out of nothing."""

    def __init__(self, dice: random.Random, name: str) -> None:
        self.dice = dice
        self.name = name
        self.period = DAY / dice.uniform(1.0, 3.0)
        self.more = dice.uniform(0.7, 0.9)
        self.gap = dice.uniform(20.0, 60.0)
        self.failed: list[float] = []

    def happenings(self, end: float) -> Iterator[Happening]:
        at = START
        while (at := at + self.dice.expovariate(1.0 / self.period)) < end:
            while True:
                self.failed.append(at)
                yield _record(at, f"{self.name}: upstream timed out", logging.ERROR)
                if self.dice.random() >= self.more:
                    break
                at += self.dice.expovariate(1.0 / self.gap)

    def chance(self, at: float, horizon: float) -> float:
        place = bisect.bisect_right(self.failed, at) - 1
        fresh = 1.0 - math.exp(-horizon / self.period)
        if place < 0:
            return fresh
        still = self.more * math.exp(-(at - self.failed[place]) / self.gap)
        goes_on = still / (still + 1.0 - self.more)
        return 1.0 - (1.0 - goes_on * (1.0 - math.exp(-horizon / self.gap))) * (1.0 - fresh)


class Noise:
    """Errors out of nothing."""

    def __init__(self, dice: random.Random, name: str, per_day: float = 3.0) -> None:
        self.dice = dice
        self.name = name
        self.period = DAY / per_day

    def happenings(self, end: float) -> Iterator[Happening]:
        at = START
        while (at := at + self.dice.expovariate(1.0 / self.period)) < end:
            yield _record(at, f"{self.name}: unexpected", logging.ERROR)

    def chance(self, at: float, horizon: float) -> float:
        return 1.0 - math.exp(-horizon / self.period)


class World:
    """A service.

    Args:
        seed: Everything follows from it.
        days: How long it runs.
        changes: Whether all that announces an error has another name in the last 40 % of the run.
        pure_noise: Whether errors come out of nothing alone.
    """

    def __init__(self, seed: int, days: float, *, changes: bool = False, pure_noise: bool = False) -> None:
        dice = random.Random(seed)
        self.end = START + days * DAY
        change = START + CHANGE * days * DAY if changes else math.inf
        fork: Callable[[], random.Random] = lambda: random.Random(dice.random())  # noqa: E731
        causes: list[Cause] = [Background(fork())]
        if pure_noise:
            causes += [Noise(fork(), f"noise.{number}", 8.0) for number in range(3)]
        else:
            causes += [Incident(fork(), f"service.{number}", change) for number in range(dice.randint(2, 4))]
            causes += [Filling(fork(), f"memory.{number}", change) for number in range(dice.randint(1, 2))]
            causes += [Job(fork(), "cron.nightly"), Bursts(fork(), "upstream"), Noise(fork(), "noise")]
        self.causes = causes
        self.happenings = sorted(
            (happening for cause in causes for happening in cause.happenings(self.end)),
            key=lambda happening: happening.observation.at,
        )

    def chance(self, at: float, horizon: float) -> float:
        """The best possible prediction of any error in (at, at + horizon]."""
        calm = 1.0
        for cause in self.causes:
            calm *= 1.0 - cause.chance(at, horizon)
        return 1.0 - calm


def _normal(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
