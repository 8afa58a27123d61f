"""Which errors are coming: learned from the stream of records itself, in one pass."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llama_logging.prediction.features import Stream
from llama_logging.prediction.forecast import ANY, Observation, Prediction, Quality, Resolution
from llama_logging.prediction.forecaster import Forecaster
from llama_logging.prediction.trust import TO_WARN, Gate

VERSION = 4
"""Of `Predictor.state()`."""

_PATIENCE = 1000
_LONGEST = 250
_ABSENCE = 8.0
_LATEST = 1e11
"""Beyond the year 5000: no time but an accident."""


class Predictor:
    """Learns from a stream of observations and says which errors are coming; for one thread.

    Args:
        horizons: How far it looks ahead, in seconds. Measured on real logs: at 60 and 300 it beats the
            simplest predictors, at 1,800 it does not.
        error_level: A record of this level or above is an error.
        groups: At most so many kinds of error are told apart; the least recent makes room.
        target_precision: What share of announcements should come true.
        min_precision: Nothing is announced unless the Wilson 95 % lower bound of the latest 50 is this;
            0 announces everything from the start, for evaluation.
        shadow_errors, shadow_alerts: Nothing is announced before so many errors, and alerts
            that were kept silent.
        templates, keys: The most that are remembered, over all horizons.
        forget: What a count of the additive hazard keeps at each new exposure.
    """

    def __init__(
        self,
        *,
        horizons: Sequence[float] = (60.0, 300.0),
        error_level: int = logging.ERROR,
        groups: int = 32,
        target_precision: float = 0.6,
        min_precision: float = TO_WARN,
        shadow_errors: int = 30,
        shadow_alerts: int = 20,
        templates: int = 2000,
        keys: int = 20000,
        forget: float = 0.9995,
    ) -> None:
        if not horizons or not all(1.0 <= horizon < math.inf for horizon in horizons):
            raise ValueError(f"expected horizons of a second or more, got {horizons!r}")
        self.horizons = tuple(sorted({float(horizon) for horizon in horizons}))
        self.stream = Stream(self.horizons, error_level, templates)
        self._renewed = 0
        self.forecasters = []
        for horizon in self.horizons:
            gate = functools.partial(_gate, horizon, target_precision, min_precision, shadow_errors, shadow_alerts)
            self.forecasters.append(
                Forecaster(
                    self.stream, horizon, groups=groups, keys=keys // len(self.horizons), forget=forget, gate=gate
                )
            )

    def observe(self, observation: Observation) -> list[Prediction]:
        """Learn from *observation*; what is announced at it, and by the timer since the one before."""
        stream = self.stream
        at = observation.at
        # A clock may be set back, or be no number at all: time stands still until it comes by again.
        if not max(0.0, stream.last) <= at <= _LATEST:
            at = max(0.0, stream.last)
        if at is not observation.at or len(observation.template) > _LONGEST:
            observation = replace(observation, at=at, template=observation.template[:_LONGEST])
        predictions: list[Prediction] = []
        is_error = observation.level >= stream.error_level
        for forecaster in self.forecasters:
            predictions += forecaster.pass_time(at)
            if is_error:
                forecaster.fail(at, observation.group)
        stream.add(observation)
        if stream.is_strange and stream.records - self._renewed > _PATIENCE:
            self.renewed()
        for forecaster in self.forecasters:
            predictions += forecaster.decide(at)
        return predictions

    def advance(self, now: float) -> list[Prediction]:
        """Let time pass to *now*; what is announced meanwhile."""
        if not self.stream.records or not self.stream.last <= now <= _LATEST:
            return []
        return [prediction for forecaster in self.forecasters for prediction in forecaster.pass_time(now)]

    def censor(self, at: float, group: str = ANY, until: float = 0.0) -> None:
        """Nobody will ever know how what was open at *at* would have gone on.

        After a shutdown, dropped records, or an action that may have kept an error of *group* from coming:
        such windows are neither learned from nor scored. Of one group, it holds for that and for any error.

        Args:
            until: Nor what would have come of what begins before then. Else what announces an error that is
                averted each time would soon be known as harmless.
        """
        self.stream.censor(max(at, until))
        for forecaster in self.forecasters:
            forecaster.censor(at, group, max(at, until))

    def resolutions(self) -> list[Resolution]:
        """What became of predictions since this was last asked."""
        resolved = [resolution for forecaster in self.forecasters for resolution in forecaster.resolved]
        for forecaster in self.forecasters:
            forecaster.resolved.clear()
        return resolved

    def renewed(self) -> None:
        """There is a new release: what was learned counts half, and trust must be earned anew.

        It is also noticed without being told: when of the last 200 records a fifth more than usual were never seen.
        """
        self._renewed = self.stream.records
        for forecaster in self.forecasters:
            forecaster.renewed()

    def disown(self) -> None:
        """What was learned is a copy of what another goes on with: the track record is the other's, and the trust."""
        self.stream.hours = 0
        for forecaster in self.forecasters:
            forecaster.disown()
        self.renewed()

    def quality(self) -> list[Quality]:
        """How well it went: for each horizon any error first, then its groups."""
        hours = self.stream.hours
        qualities = []
        for forecaster in self.forecasters:
            qualities.append(forecaster.account.quality(ANY, hours))
            qualities += [group.account.quality(group.name, hours) for group in forecaster.groups.values()]
        return qualities

    def state(self) -> dict[str, Any]:
        """All that was learned, for `restored`; JSON can hold it."""
        state = {
            "version": VERSION,
            "horizons": list(self.horizons),
            "stream": self.stream.state(),
            "forecasters": [forecaster.state() for forecaster in self.forecasters],
        }
        rounded: dict[str, Any] = _rounded(state)
        return rounded

    @classmethod
    def restored(cls, state: dict[str, Any], now: float, **options: Any) -> Predictor:
        """A predictor that goes on where *state* was taken.

        Args:
            state: Of `state()`.
            now: Seconds since the epoch; less than when *state* was taken, if the clock was ahead then.
            options: Of the constructor.

        Raises:
            ValueError: If *state* is of another version, or of other horizons.
        """
        if state.get("version") != VERSION:
            raise ValueError(f"unknown version {state.get('version')!r} of what a predictor learned")
        predictor = cls(**options)
        if list(predictor.horizons) != state["horizons"]:
            raise ValueError(f"what was learned is for the horizons {state['horizons']}, not {predictor.horizons}")
        predictor.stream.restore(state["stream"])
        for forecaster, learned in zip(predictor.forecasters, state["forecasters"], strict=True):
            forecaster.restore(learned, now)
        if abs(now - predictor.stream.last) > _ABSENCE * max(predictor.horizons):
            predictor.stream.forget_sources()
        predictor.stream.set_back(now)
        return predictor


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(inner) for inner in value]
    return value


def _gate(
    horizon: float, target_precision: float, min_precision: float, errors: int, alerts: int, baselines: int
) -> Gate:
    return Gate(
        horizon,
        target_precision=target_precision,
        min_precision=min_precision,
        errors=errors,
        alerts=alerts,
        baselines=baselines,
    )
