"""One horizon: decisions, the windows they open, and what is learned when a window's outcome is known."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llama_logging.ids import new_id
from llama_logging.prediction.account import Account
from llama_logging.prediction.additive import Additive, Source
from llama_logging.prediction.blending import Mixture, Stack
from llama_logging.prediction.features import Stream
from llama_logging.prediction.forecast import ANY, Precursor, Prediction, Resolution
from llama_logging.prediction.logistic import Logistic, logit, sigmoid
from llama_logging.prediction.tables import Simple, half_octave, named, numbered, octave
from llama_logging.prediction.trust import Gate

BASELINES = ("base", "persistence", "hazard", "ewma")

TICKS = 20
"""Decisions in a horizon while there are no records."""

AWAKE = 6.0
"""Horizons since the last record, after which there are no decisions until the next."""

CALM = 0.5
"""Horizons without an error, from which on one is worth announcing: what comes every six minutes is a new
onset each time, and can only be announced five minutes ahead before a whole horizon has passed."""

_LEARNED = (0.0, 0.35, 0.45, 0.15, 0.05)
"""Of the stack: nothing, the regression, the additive hazard, time since the last error, EWMA."""


@dataclass(slots=True)
class Group:
    """A kind of error."""

    name: str
    account: Account
    simple: Simple = field(default_factory=Simple)
    last: float = -math.inf


@dataclass(slots=True)
class View:
    """What was said of one kind of error at a decision: the predictor's probability, then the baselines'."""

    said: tuple[float, ...]
    cells: tuple[int, ...]


@dataclass(slots=True)
class Window:
    """A decision whose outcome is not known yet.

    Attributes:
        at: Seconds since the epoch; it is about the errors in (at, at + horizon].
        weight: The part of a horizon since the decision before.
        quiet: Whether an error would be worth announcing: none came for a while.
        groups: By number.
        shares: Of the sources in an error; once one came.
    """

    at: float
    weight: float
    quiet: bool
    keys: list[int]
    sources: list[Source]
    inputs: list[float]
    experts: tuple[float, ...]
    any: View
    groups: dict[int, View] = field(default_factory=dict)
    shares: list[float] | None = None


class Forecaster:
    """Decides, waits, learns: at one horizon.

    Args:
        stream: What the features are made from; shared with other horizons.
        horizon: In seconds.
        groups: At most so many kinds of error are told apart; the least recent makes room.
        keys: At most so many weights and counts.
        forget: What a count of the additive hazard keeps at each new exposure.
        gate: Makes the gate of one kind of error; gets the number of baselines.
    """

    def __init__(
        self, stream: Stream, horizon: float, *, groups: int, keys: int, forget: float, gate: Callable[[int], Gate]
    ) -> None:
        self.stream = stream
        self.horizon = horizon
        self.limit = groups
        self.least = max(1.0, horizon / 60.0)
        self.tick = horizon / TICKS
        self.decided = self.looked = -math.inf
        self.due = -math.inf
        self.simple = Simple()
        self.additive = Additive(forget, keys // 3)
        self.logistic = Logistic(keys=keys - keys // 3)
        self.stack = Stack(_LEARNED)
        self.mixture = Mixture(7)
        self.account = Account(gate(len(BASELINES)), ("predictor", *BASELINES))
        self.groups: OrderedDict[int, Group] = OrderedDict()
        self.numbers: dict[str, int] = {}
        self.numbered = 0
        self.open: deque[Window] = deque()
        self.unanswered: deque[Window] = deque()
        self.resolved: list[Resolution] = []
        self.watch: Callable[[Window, bool], None] | None = None
        self._gate = gate

    def pass_time(self, now: float) -> list[Prediction]:
        """Decisions that the timer brings before *now*; windows and alerts that are over by then."""
        predictions: list[Prediction] = []
        end = min(now, self.stream.last + AWAKE * self.horizon)
        due = self.decided + self.tick
        while due < end:
            self._expire(due)
            predictions += self._decide(due)
            due += self.tick
        self._expire(now)
        return predictions

    def fail(self, at: float, group: str) -> None:
        """There was an error: windows that it falls into are answered."""
        while self.unanswered and self.unanswered[0].at < at:
            self._answer(self.unanswered.popleft(), True)
        self.resolved += self.account.fail(at, at - self.stream.last_error > self.horizon)
        if not group:
            return
        number = self._number(group)
        known = self.groups[number]
        for window in reversed(self.open):
            if window.at < known.last or window.at <= known.account.censored:
                break
            if window.at < at:
                self._answer_group(window, number, known, True)
        self.resolved += known.account.fail(at, at - known.last > self.horizon)
        known.last = at

    def decide(self, at: float) -> list[Prediction]:
        """A decision at a record, if one is due."""
        return self._decide(at) if at - self.decided >= self.least else []

    def censor(self, at: float, group: str, until: float) -> None:
        """Nobody will know how what was open at *at*, or begins before *until*, would have gone on."""
        number = self.numbers.get(group)
        kept = [window for window in self.unanswered if window.at > at]
        self.unanswered = deque(kept)
        self.resolved += self.account.censor(until)
        if group == ANY:
            self.open = deque(window for window in self.open if window.at > at)
            for known in self.groups.values():
                self.resolved += known.account.censor(until)
        elif number is not None:
            self.resolved += self.groups[number].account.censor(until)
            for window in self.open:
                if window.at <= at:
                    window.groups.pop(number, None)

    def renewed(self) -> None:
        """What was learned counts half, and trust must be earned anew."""
        self.additive.halve()
        self.logistic.halve()
        self.simple.halve()
        self.account.gate.close()
        for known in self.groups.values():
            known.simple.halve()
            known.account.gate.close()

    def disown(self) -> None:
        """What was announced so far was another's, and how it came out."""
        self.resolved.clear()
        for account in (self.account, *(known.account for known in self.groups.values())):
            account.disown()

    def state(self) -> dict[str, Any]:
        """For `restore`: without the windows that are open."""
        return {
            "decided": self.decided if math.isfinite(self.decided) else None,
            "simple": self.simple.state(),
            "additive": self.additive.state(),
            "logistic": named(self.logistic.weights),
            "stack": [self.stack.weights, self.stack.squares],
            "mixture": self.mixture.weights,
            "account": self.account.state(),
            "groups": [
                [number, known.name, known.last if math.isfinite(known.last) else None, known.simple.state(),
                 known.account.state()]
                for number, known in self.groups.items()
            ],
            "numbered": self.numbered,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any], now: float) -> None:
        """Go on from *state*: nobody knows how what was open went on, nor what was while nobody looked."""
        self.decided = -math.inf if state["decided"] is None else now
        self.simple.restore(state["simple"])
        self.additive.restore(state["additive"])
        self.logistic.weights = numbered(state["logistic"])
        self.stack.weights, self.stack.squares = map(list, state["stack"])
        self.mixture.weights = list(state["mixture"])
        self.resolved += self.account.restore(state["account"])
        for number, name, last, simple, account in state["groups"][-self.limit :]:
            known = Group(name, self._account())
            known.simple.restore(simple)
            known.last = -math.inf if last is None else min(now, last)
            self.resolved += known.account.restore(account)
            self.groups[number] = known
            self.numbers[name] = number
        self.numbered = state["numbered"]

    def _expire(self, now: float) -> None:
        while self.open and now - self.open[0].at > self.horizon:
            window = self.open.popleft()
            if self.unanswered and self.unanswered[0] is window:
                self._answer(self.unanswered.popleft(), False)
            for number in list(window.groups):
                known = self.groups.get(number)
                if known is not None:
                    self._answer_group(window, number, known, False)
        self.resolved += self.account.pass_time(now)
        # Of many groups seldom one has an alert that is open.
        if now > self.due:
            for known in self.groups.values():
                self.resolved += known.account.pass_time(now)
            self.due = min((known.account.due for known in self.groups.values()), default=math.inf)

    def _answer(self, window: Window, followed: bool) -> None:
        if self.watch is not None:
            self.watch(window, followed)
        self.account.settle(window.any.said, followed, window.weight)
        self.simple.learn(window.any.cells, followed)
        self.logistic.learn(window.keys, followed)
        self.additive.learn(window.sources, followed)
        self.stack.learn(window.inputs, followed)
        self.mixture.learn(window.experts, followed)

    def _answer_group(self, window: Window, number: int, known: Group, followed: bool) -> None:
        if followed:
            # Once for all groups: many errors fall into the same windows.
            if window.shares is None:
                window.shares = self.additive.shares(window.sources)
            self.additive.attribute(window.sources, window.shares, number)
        view = window.groups.pop(number, None)
        if view is not None:
            known.account.settle(view.said, followed, 1.0 / TICKS)
            known.simple.learn(view.cells, followed)

    def _number(self, group: str) -> int:
        number = self.numbers.get(group)
        if number is not None:
            self.groups.move_to_end(number)
            return number
        if len(self.groups) >= self.limit:
            _, old = self.groups.popitem(last=False)
            self.resolved += old.account.censor(self.stream.last)
            del self.numbers[old.name]
        self.numbered += 1
        self.numbers[group] = self.numbered
        self.groups[self.numbered] = Group(group, self._account())
        return self.numbered

    def _account(self) -> Account:
        return Account(self._gate(2), ("predictor", "base", "hazard"))

    def _decide(self, at: float) -> list[Prediction]:
        window, thetas = self._look(at)
        self.decided = at
        if window.groups:
            self.looked = at
        self.open.append(window)
        if at > self.account.censored:
            self.unanswered.append(window)
        predictions = []
        if self.account.decide(at, window.any.said[0], window.quiet):
            view = window.any
            predictions.append(self._predict(window, thetas, ANY, self.account, view, view.said[2], view.said[3]))
        for number, view in window.groups.items():
            known = self.groups[number]
            quiet = at - known.last > CALM * self.horizon
            if known.account.decide(at, view.said[0], quiet):
                persistence = known.simple.persistence(view.cells[0])
                predictions.append(
                    self._predict(window, thetas, known.name, known.account, view, persistence, view.said[2])
                )
            self.due = min(self.due, known.account.due)
        return predictions

    def _look(self, at: float) -> tuple[Window, list[float]]:
        keys, sources = self.stream.features(at, self.horizon)
        simple = self.simple
        since = self.stream.since_error(at)
        rate = self.stream.rates[self.horizon].of_errors
        cells = (int(since <= self.horizon), octave(since), min(31, half_octave(4.0 * rate)))
        base = simple.base()
        persistence, hazard, ewma = (table(cell) for table, cell in zip(simple.tables, cells, strict=True))
        thetas = [self.additive.theta(source) for source in sources]
        added = -math.expm1(-sum(thetas))
        learned = sigmoid(self.logistic(keys))
        inputs = self.stack.inputs((learned, added, hazard, ewma))
        stacked = self.stack(inputs)
        experts = (stacked, learned, added, hazard, ewma, persistence, base)
        chance = sigmoid(0.25 * logit(stacked) + 0.75 * logit(self.mixture(experts)))
        window = Window(
            at=at,
            weight=min(1.0, (at - self.decided) / self.horizon),
            quiet=since > CALM * self.horizon,
            keys=keys,
            sources=sources,
            inputs=inputs,
            experts=experts,
            any=View((chance, base, persistence, hazard, ewma), cells),
        )
        # Of each kind only so often: there may be many, and neighbouring windows tell the same.
        if self.groups and at - self.looked >= self.tick:
            self._look_at_groups(window, thetas)
        return window, thetas

    def _look_at_groups(self, window: Window, thetas: list[float]) -> None:
        expected = self.additive.expected(window.sources, thetas)
        for number, known in self.groups.items():
            if window.at <= known.account.censored:
                continue
            since = min(1e9, window.at - known.last)
            cell = octave(since)
            base, hazard = known.simple.base(), known.simple.hazard(cell)
            # The geometric mean of two survivals: each of the two is blind to what the other sees.
            chance = 1.0 - math.sqrt(math.exp(-expected.get(number, 0.0)) * (1.0 - hazard))
            window.groups[number] = View((chance, base, hazard), (int(since <= self.horizon), cell))

    def _predict(
        self,
        window: Window,
        thetas: list[float],
        group: str,
        account: Account,
        view: View,
        persistence: float,
        hazard: float,
    ) -> Prediction:
        prediction_id = new_id()
        account.announce(prediction_id, window.at)
        latest = account.gate.latest
        return Prediction(
            prediction_id=prediction_id,
            at=window.at,
            horizon=self.horizon,
            group=group,
            probability=view.said[0],
            usual=view.said[1],
            persistence=persistence,
            hazard=hazard,
            threshold=account.gate.threshold,
            hits=sum(latest),
            announced=len(latest),
            precursors=self._precursors(window, thetas),
        )

    def _precursors(self, window: Window, thetas: list[float]) -> tuple[Precursor, ...]:
        total = sum(thetas)
        found = []
        for theta, source in sorted(zip(thetas, window.sources, strict=True), reverse=True):
            named = self.stream.named(source, window.at)
            if named is not None:
                found.append(Precursor(template=named[0], age=named[1], share=theta / total))
        return tuple(found[:5])
