"""What a stream of records looks like at one moment: which templates came when, how fast, how high."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from llama_logging.prediction.additive import Source
from llama_logging.prediction.clock import Clock
from llama_logging.prediction.forecast import Observation
from llama_logging.prediction.gauges import Gauge
from llama_logging.prediction.leads import Leads, grade
from llama_logging.prediction.logistic import logit
from llama_logging.prediction.tables import half_octave, octave

# The kinds of key. A key is what << 16 | kind << 8 | bin: an integer hashes fast, and JSON holds it as text.
(ALWAYS, ERROR_AGE, COUNT, GAP, IDLE, SINCE, RHYTHM, AGE, GRADE, LIMIT, GAUGE, CLOCK, BEST, BOUND) = range(14)

SOURCES = 24
"""At most so many templates are looked at in one decision, the latest."""

GAUGES = 12
"""At most so many gauges are, the latest."""

RARE = 0.5
"""Of a template that is expected less often within a horizon, the age tells something."""

LAPSE = 1800.0
"""A silence counts as active time up to this, in seconds."""

_NEVER = 1e9
_LOGGERS = 1000
_RECENT = 200
_STRANGERS = 40
_USUAL = 5000
_KEPT = ("active", "gap", "interval", "hour", "hours", "numbered", "records", "errors", "strangeness")


class Seen:
    """What is known of a template."""

    __slots__ = ("count", "is_error", "is_open", "last", "leads", "logger", "name", "number")

    def __init__(self, number: int, name: str, logger: int) -> None:
        self.number = number
        self.name = name
        self.logger = logger
        self.leads: Leads | None = None
        self.is_open = False
        self.is_error = False
        self.count = 0
        self.last = -math.inf


class Rates:
    """Decayed counts of all records, warnings and errors, at a tenth of a horizon, at it, and at ten; and at three."""

    __slots__ = ("at", "fresh", "of_errors", "sums", "times")

    def __init__(self, horizon: float) -> None:
        self.times = (horizon / 10, horizon, horizon * 10)
        self.sums = [[0.0, 0.0, 0.0] for _ in self.times]
        self.fresh = [0, 0, 0]
        self.of_errors = 0.0
        self.at = -math.inf

    def bins(self, now: float) -> Iterator[int]:
        """The bin of each of the nine, numbered through."""
        passed = max(0.0, now - self.at)
        fresh, self.fresh, self.at = self.fresh, [0, 0, 0], now
        self.of_errors = self.of_errors * math.exp(-passed / (3.0 * self.times[1])) + fresh[2]
        for row, (time, sums) in enumerate(zip(self.times, self.sums, strict=True)):
            keep = math.exp(-passed / time)
            for kind in range(3):
                sums[kind] = sums[kind] * keep + fresh[kind]
                yield (row * 3 + kind) << 5 | min(31, half_octave(sums[kind] * 2.0))


class Stream:
    """The state of a stream: what the features of any horizon are made from.

    Args:
        horizons: In seconds.
        error_level: A record of this level or above is an error.
        templates: At most so many are known; the least recent makes room.
    """

    def __init__(self, horizons: tuple[float, ...], error_level: int, templates: int) -> None:
        self.error_level = error_level
        self.templates = templates
        self.known: OrderedDict[str, Seen] = OrderedDict()
        self.recent: OrderedDict[int, Seen] = OrderedDict()
        self.gauges: OrderedDict[int, Gauge] = OrderedDict()
        self.steady: OrderedDict[int, Gauge] = OrderedDict()
        self.loggers: dict[str, int] = {}
        self.clock = Clock()
        self.rates = {horizon: Rates(horizon) for horizon in horizons}
        self.last = self.last_error = -math.inf
        self.active = 0.0
        self.gap = 0.0
        self.interval = 0.0
        self.hour = self.hours = 0
        self.numbered = self.records = self.errors = 0
        self.strangers: deque[bool] = deque(maxlen=_RECENT)
        self.strange = 0
        self.strangeness = 0.0
        self._short = min(horizons)
        self._censored = -math.inf

    def add(self, observation: Observation) -> None:
        """Take *observation* in; its time must not lie before that of the one before."""
        at, level = observation.at, observation.level
        is_error = level >= self.error_level
        seen = self._seen(observation)
        if self.records:
            self.gap = at - self.last
            self.active += min(self.gap, LAPSE)
        self.records += 1
        before, self.last, seen.last = seen.last, at, at
        seen.count += 1
        hour = int(at // 3600.0)
        if hour != self.hour:
            self.hour = hour
            self.hours += 1
        if is_error:
            self._fail(seen, at)
        if is_error or seen.count * self._short < RARE * max(self.active, self._short):
            self._occur(seen, at - before, is_error)
        kind = 2 if is_error else 1 if level >= logging.WARNING else 0
        for rates in self.rates.values():
            rates.fresh[kind] += 1
        for place, value in enumerate(observation.numbers[:4]):
            self._measure(seen, place, at, value)

    def _occur(self, seen: Seen, since: float, is_error: bool) -> None:
        if seen.leads is None:
            seen.leads = Leads()
        elif seen.is_open:
            # The next occurrence of an error is an error.
            seen.leads.add(since, is_error)
        seen.is_open = seen.last > self._censored
        self.recent[seen.number] = seen
        self.recent.move_to_end(seen.number)
        if len(self.recent) > 4 * SOURCES:
            self.recent.popitem(last=False)

    def _fail(self, seen: Seen, at: float) -> None:
        for other in self.recent.values():
            if other.is_open and other.leads is not None and other.last < at:
                other.leads.add(at - other.last, True)
                other.is_open = False
        seen.is_error = True
        since = at - self.last_error
        if 1.0 < since < _NEVER:
            self.interval = since
        self.last_error = at
        self.errors += 1
        self.clock.fail(at)

    def _seen(self, observation: Observation) -> Seen:
        seen = self.known.get(observation.template)
        if len(self.strangers) == _RECENT:
            self.strange -= self.strangers[0]
        self.strangers.append(seen is None)
        self.strangeness += ((seen is None) - self.strangeness) / min(self.records + 1, _USUAL)
        if seen is not None:
            self.known.move_to_end(observation.template)
            return seen
        self.strange += 1
        if len(self.known) >= self.templates:
            _, old = self.known.popitem(last=False)
            self.recent.pop(old.number, None)
        self.numbered += 1
        number = self._logger(observation.template.partition(": ")[0])
        seen = self.known[observation.template] = Seen(self.numbered, observation.template, number)
        return seen

    def _logger(self, name: str) -> int:
        if len(self.loggers) < _LOGGERS:
            return self.loggers.setdefault(name, len(self.loggers) + 1)
        return self.loggers.get(name, 0)

    def _measure(self, seen: Seen, place: int, at: float, value: float) -> None:
        if not -1e15 < value < 1e15:  # nor NaN
            return
        number = seen.number << 2 | place
        gauge = self.gauges.get(number)
        if gauge is None:
            self.gauges[number] = Gauge(number, seen.name, at, float(value))
            if len(self.gauges) > max(GAUGES, self.templates // 2):
                old, _ = self.gauges.popitem(last=False)
                self.steady.pop(old, None)
            return
        gauge.add(at, float(value))
        self.gauges.move_to_end(number)
        self.steady.pop(number, None)
        if gauge.is_steady:
            self.steady[number] = gauge

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "known": [
                [
                    seen.number,
                    seen.name,
                    seen.logger,
                    seen.is_error,
                    seen.is_open,
                    seen.count,
                    _finite(seen.last),
                    seen.leads.state() if seen.leads is not None else None,
                ]
                for seen in self.known.values()
            ],
            "recent": [seen.name for seen in self.recent.values()],
            "gauges": [gauge.state() for gauge in self.gauges.values()],
            "loggers": self.loggers,
            "clock": self.clock.state(),
            "rates": [[rates.sums, rates.fresh, rates.of_errors, _finite(rates.at)] for rates in self.rates.values()],
            "moments": [_finite(self.last), _finite(self.last_error)],
            **{name: getattr(self, name) for name in _KEPT},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from *state*."""
        for number, name, logger, is_error, is_open, count, last, leads in state["known"]:
            seen = self.known[name] = Seen(number, name, logger)
            seen.is_error, seen.is_open, seen.count, seen.last = is_error, is_open, count, _infinite(last)
            seen.leads = Leads.restored(leads) if leads is not None else None
        for name in state["recent"]:
            seen = self.known[name]
            self.recent[seen.number] = seen
        for gauge in map(Gauge.restored, state["gauges"]):
            self.gauges[gauge.number] = gauge
            if gauge.is_steady:
                self.steady[gauge.number] = gauge
        self.loggers = dict(state["loggers"])
        self.clock.restore(state["clock"])
        for rates, (sums, fresh, of_errors, at) in zip(self.rates.values(), state["rates"], strict=True):
            rates.sums, rates.fresh = [list(row) for row in sums], list(fresh)
            rates.of_errors, rates.at = of_errors, _infinite(at)
        self.last, self.last_error = map(_infinite, state["moments"])
        for name in _KEPT:
            setattr(self, name, state.get(name, 0.0))

    def censor(self, until: float) -> None:
        """Nobody will know how what is open, or comes before *until*, would have ended."""
        self._censored = max(self._censored, until)
        for seen in self.recent.values():
            seen.is_open = False

    def set_back(self, now: float) -> None:
        """No moment lies ahead of *now*, whatever the clock has said before."""
        self.last, self.last_error = min(self.last, now), min(self.last_error, now)
        self.clock.began = min(self.clock.began, now)

    def forget_sources(self) -> None:
        """After a long absence: what came when tells nothing any more, only how often."""
        self.recent.clear()
        self.gauges.clear()
        self.steady.clear()
        self.last_error = -math.inf
        self.gap = self.interval = 0.0
        for rates in self.rates.values():
            rates.sums, rates.fresh, rates.of_errors = [[0.0, 0.0, 0.0] for _ in rates.times], [0, 0, 0], 0.0

    @property
    def is_strange(self) -> bool:
        """Whether of the last 200 records a fifth more than usual are of templates that were not known.

        Than usual: where names are put into the text before it is logged, some never are.
        """
        return self.strange - self.strangeness * _RECENT > _STRANGERS and self.records > 5 * _RECENT

    def since_error(self, now: float) -> float:
        """Seconds, at most a billion."""
        return min(_NEVER, max(0.0, now - self.last_error))

    def features(self, now: float, horizon: float) -> tuple[list[int], list[Source]]:
        """The keys that are on at *now*: for the regression, and for the additive hazard."""
        since = self.since_error(now)
        rhythm = int(4.0 * min(8.0, since / self.interval)) if self.interval else 63
        keys = [
            ALWAYS << 8,
            SINCE << 8 | half_octave(since),
            RHYTHM << 8 | rhythm,
            GAP << 8 | half_octave(max(0.0, self.gap)),
            IDLE << 8 | half_octave(max(0.0, now - self.last)),
        ]
        keys.extend(COUNT << 8 | bin << 16 for bin in self.rates[horizon].bins(now))
        sources: list[Source] = [(ALWAYS << 8, ALWAYS << 8, ALWAYS << 8, None)]
        self._ages(now, horizon, keys, sources)
        self._levels(now, horizon, keys, sources)
        self._times(now, horizon, keys, sources)
        return keys, sources

    def _ages(self, now: float, horizon: float, keys: list[int], sources: list[Source]) -> None:
        limit = 8.0 * horizon
        usual = min(0.5, self.errors * horizon / max(self.active, 10.0 * horizon))
        best = 0.0
        frequent = RARE * max(self.active, horizon) / horizon
        loggers: set[int] = set()
        for taken, seen in enumerate(reversed(self.recent.values())):
            age = max(0.0, now - seen.last)
            if age > limit or taken >= SOURCES:
                break
            if not seen.is_error and seen.count > frequent:
                continue
            keys.append(seen.number << 16 | ERROR_AGE << 8 | octave(age))
            if seen.leads is None or seen.logger in loggers:
                continue
            # Of a chain within one logger the latest link says all.
            loggers.add(seen.logger)
            chance, alive = seen.leads.chance(age, horizon, usual)
            best = max(best, chance)
            graded = grade(chance)
            if graded:
                # An error since it came may have been what it announced.
                failed = self.last_error > seen.last
                shared = GRADE << 8 | failed << 6 | graded << 2 | (alive > 2) + (alive > 6)
                sources.append((seen.number << 16 | AGE << 8 | failed << 4 | graded, shared, shared, None))
        keys.append(BEST << 8 | grade(best))

    def _levels(self, now: float, horizon: float, keys: list[int], sources: list[Source]) -> None:
        for taken, gauge in enumerate(reversed(self.steady.values())):
            if taken >= GAUGES or now - gauge.at > 8.0 * horizon:
                break
            # An error since it was read may have been its own, and it stands elsewhere now.
            state = gauge.knows_bound << 1 | (self.last_error > gauge.at)
            key = gauge.number << 16 | LIMIT << 8 | state << 6 | gauge.bin(now)
            keys.append(key)
            chance = gauge.chance(now, horizon)
            reached = max(0, int(2.0 * (6.0 + logit(chance))))
            placed = gauge.number << 16 | GAUGE << 8 | state << 6 | reached
            bound = BOUND << 8 | state << 1 | (gauge.trend > 0.0)
            sources.append((key, placed, placed, (gauge.number << 16 | bound, bound, chance)))

    def _times(self, now: float, horizon: float, keys: list[int], sources: list[Source]) -> None:
        expected = self.clock.expected(now, horizon)
        if expected > 0.0:
            key = CLOCK << 8 | min(7, int(8.0 * expected))
            keys.append(key)
            sources.append((key, CLOCK << 8 | 15, CLOCK << 8 | 15, None))

    def named(self, source: Source, now: float) -> tuple[str, float] | None:
        """The template behind *source* and its age in seconds; None if it is none of a template."""
        kind, number = source[0] >> 8 & 255, source[0] >> 16
        if kind == LIMIT:
            gauge = self.gauges.get(number)
            return (gauge.template, now - gauge.at) if gauge else None
        seen = self.recent.get(number) if kind == AGE else None
        return (seen.name, now - seen.last) if seen else None


def _finite(moment: float) -> float | None:
    # JSON has no infinity.
    return moment if math.isfinite(moment) else None


def _infinite(moment: float | None) -> float:
    return -math.inf if moment is None else moment
