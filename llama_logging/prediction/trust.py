"""Whether predictions may be announced, and from which probability on: both must be earned."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from llama_logging.prediction.scoring import wilson

GRID = tuple(round(1.0 / (1.0 + math.exp(4.2 - 0.3 * step)), 4) for step in range(25))
"""The thresholds that are tried, all at the same time: 0.0148 to 0.9526."""

LATEST = 50
"""So many alerts make the track record."""

REARM = 0.7
"""Of the threshold: it must have been below that, or an error have come, before there is another alert."""

TO_WARN = 0.3
"""What the lower Wilson bound of the latest alerts must be for a warning."""

FALSE_A_DAY = 6.0
"""More false alerts than this in a day of activity is no use, whatever else they bring."""

_FADE = 0.97
_PERIODS = 500.0
_LEAST = 1.0


class Trial:
    """A threshold, and the alerts there would have been with it.

    Attributes:
        alerted: When it last was, in seconds; -inf before.
        armed: Whether it may again.
        alerts, hits: Decayed counts of those that are over.
        caught: Decayed count of onsets that an alert preceded by a second or more.
        false: Alerts that nothing followed, decayed as of *false_at* horizons.
    """

    __slots__ = ("alerted", "alerts", "armed", "caught", "false", "false_at", "hits", "open", "threshold")

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.alerted = -math.inf
        self.armed = True
        self.open = False
        self.alerts = self.hits = self.caught = self.false = self.false_at = 0.0

    def falsely(self, spent: float) -> float:
        """False alerts in the last `_PERIODS` horizons, when *spent* horizons have passed."""
        return self.false * math.exp((self.false_at - spent) / _PERIODS)


class Gate:
    """Of one kind of error at one horizon.

    It opens once the predictions were less surprised than every baseline over the last 500 horizons
    (decayed; 500 decisions, a second apart, would be less than ten minutes and mostly without an error), after
    enough errors and silent alerts, and as long as the Wilson bound of the latest 50 alerts holds.

    Args:
        horizon: In seconds.
        target_precision: The threshold is the one that catches most onsets among those that keep this; if
            none does, the one with the best F1. None that brings more than FALSE_A_DAY counts.
        min_precision: What the lower Wilson bound must be; 0 opens the gate at once, for evaluation.
        errors, alerts: What must have been seen first.
        baselines: How many.
    """

    def __init__(
        self, horizon: float, *, target_precision: float, min_precision: float, errors: int, alerts: int, baselines: int
    ) -> None:
        self.horizon = horizon
        self.target_precision = target_precision
        self.min_precision = min_precision
        self.needed = (errors, alerts)
        self.losses = [0.0] * (1 + baselines)
        self.trials = [Trial(threshold) for threshold in GRID]
        self.onsets = self.spent = 0.0
        self.chosen = len(GRID) * 2 // 3
        self.errors = self.alerts = 0
        self.latest: deque[bool] = deque(maxlen=LATEST)
        # All trials are armed and below their thresholds; none that is open is over before that.
        self._calm = False
        self.until = math.inf

    @property
    def threshold(self) -> float:
        """From this probability on there is an alert."""
        return GRID[self.chosen]

    def settle(self, losses: Sequence[float], weight: float) -> None:
        """A decision is over.

        Args:
            losses: Its log loss, and that of each baseline.
            weight: The part of a horizon that it stands for.
        """
        self.spent += weight
        keep = 1.0 - weight / _PERIODS
        self.losses = [old * keep + new * weight for old, new in zip(self.losses, losses, strict=True)]

    def decide(self, at: float, probability: float, quiet: bool) -> bool:
        """Whether there is an alert now, silent or not."""
        if self._calm and probability < GRID[0]:
            return False
        self._calm = probability < REARM * GRID[0]
        alert = False
        for index, trial in enumerate(self.trials):
            if probability < trial.threshold:
                if probability < REARM * trial.threshold:
                    trial.armed = True
                continue
            if not quiet or not trial.armed or trial.open or at - trial.alerted < self.horizon:
                continue
            trial.alerted, trial.armed, trial.open = at, False, True
            self.until = min(self.until, at + self.horizon)
            alert = alert or index == self.chosen
        return alert

    def pass_time(self, now: float) -> None:
        """Alerts that nothing followed are over."""
        if now <= self.until:
            return
        self.until = math.inf
        for index, trial in enumerate(self.trials):
            if trial.open and now - trial.alerted > self.horizon:
                self._close(index, trial, hit=False)
            elif trial.open:
                self.until = min(self.until, trial.alerted + self.horizon)

    def fail(self, at: float, quiet: bool) -> None:
        """There was an error; *quiet* if it was the first for a horizon."""
        self.errors += 1
        if quiet:
            self.onsets = self.onsets * _FADE + 1.0
        for index, trial in enumerate(self.trials):
            if quiet:
                trial.caught *= _FADE
            if trial.open and trial.alerted < at:
                if quiet and at - trial.alerted >= _LEAST:
                    trial.caught += 1.0
                self._close(index, trial, hit=True)
            trial.armed = True
        if quiet:
            self._choose()

    def censor(self) -> None:
        """What is open will never be known."""
        for trial in self.trials:
            trial.open = False

    def close(self) -> None:
        """All trust must be earned anew."""
        self.errors = self.alerts = 0
        self.latest.clear()
        self.losses = [0.0] * len(self.losses)

    def why(self) -> str:
        """What keeps the gate shut; empty if it is open."""
        return self.wanting(self.min_precision) if self.min_precision > 0.0 else ""

    def wanting(self, min_precision: float) -> str:
        """What there is not yet of the trust that is needed; empty if it has all been earned."""
        errors, alerts = self.needed
        if self.errors < errors:
            return f"{self.errors} of {errors} errors seen"
        if self.alerts < alerts:
            return f"{self.alerts} of {alerts} silent alerts seen"
        if self.losses[0] >= min(self.losses[1:]):
            return "no better than the simplest predictors"
        low, _ = wilson(sum(self.latest), len(self.latest))
        if low < min_precision:
            return f"right {sum(self.latest)} of the last {len(self.latest)} times: too seldom"
        return ""

    def _close(self, index: int, trial: Trial, *, hit: bool) -> None:
        trial.open = False
        trial.alerts = trial.alerts * _FADE + 1.0
        trial.hits = trial.hits * _FADE + hit
        if not hit:
            trial.false = trial.falsely(self.spent) + 1.0
            trial.false_at = self.spent
        if index == self.chosen:
            self.alerts += 1
            self.latest.append(hit)

    def _choose(self) -> None:
        best, good = (0.0, len(GRID) - 1), (0.0, -1)
        days = _PERIODS * -math.expm1(-self.spent / _PERIODS) * self.horizon / 86400.0
        allowed = FALSE_A_DAY * max(1.0, days)
        for index, trial in enumerate(self.trials):
            if trial.falsely(self.spent) > allowed:
                continue
            precision = (trial.hits + 0.3) / (trial.alerts + 1.0)
            recall = min(1.0, trial.caught / max(1.0, self.onsets))
            best = max(best, (2 * precision * recall / (precision + recall), index))
            if precision >= self.target_precision and trial.alerts >= 3.0:
                good = max(good, (recall, index))
        # What keeps the target but sees next to nothing is no use.
        self.chosen = good[1] if good[0] >= 0.5 * self._recall(best[1]) and good[1] >= 0 else best[1]

    def _recall(self, index: int) -> float:
        return min(1.0, self.trials[index].caught / max(1.0, self.onsets))

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "losses": self.losses,
            "trials": [[trial.alerts, trial.hits, trial.caught, trial.false, trial.false_at] for trial in self.trials],
            "onsets": self.onsets,
            "spent": self.spent,
            "chosen": self.chosen,
            "errors": self.errors,
            "alerts": self.alerts,
            "latest": [int(hit) for hit in self.latest],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from *state*; what was open is not known any more."""
        self.losses = list(state["losses"])
        for trial, counts in zip(self.trials, state["trials"], strict=True):
            trial.alerts, trial.hits, trial.caught, trial.false, trial.false_at = counts
        self.onsets, self.spent, self.chosen = state["onsets"], state["spent"], state["chosen"]
        self.errors, self.alerts = state["errors"], state["alerts"]
        self.latest.extend(bool(hit) for hit in state["latest"])
