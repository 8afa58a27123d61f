"""Which errors are coming: learned from the stream of records itself, in one pass."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from llama_logging.prediction.forecast import ANY, Observation, Prediction, Quality, Resolution

VERSION = 1
"""Of `Predictor.state()`."""


class Predictor:
    """Learns from a stream of observations and says which errors are coming; for one thread.

    Args:
        horizons: How far it looks ahead, in seconds.
        error_level: A record of this level or above is an error.
        groups: At most so many kinds of error are told apart.
        target_precision: What share of announcements should come true.
        min_precision: Nothing is announced unless the Wilson 95 % lower bound of the latest 50 is this.
        shadow_errors, shadow_alerts: Nothing is announced before so many errors, and announcements
            that were kept silent.
        templates, keys: The most that are remembered.
        forget: What a count keeps at each new exposure.
    """

    def __init__(
        self,
        *,
        horizons: Sequence[float] = (60.0, 300.0),
        error_level: int = logging.ERROR,
        groups: int = 32,
        target_precision: float = 0.6,
        min_precision: float = 0.3,
        shadow_errors: int = 30,
        shadow_alerts: int = 20,
        templates: int = 2000,
        keys: int = 20000,
        forget: float = 0.998,
    ) -> None:
        self.horizons = tuple(horizons)
        self.error_level = error_level

    def observe(self, observation: Observation) -> list[Prediction]:
        """Learn from *observation*; what is announced at it, if a decision is due."""
        return []

    def advance(self, now: float) -> list[Prediction]:
        """Let time pass to *now*; what is announced meanwhile."""
        return []

    def censor(self, at: float, group: str = ANY) -> None:
        """Nobody will ever know how what was open at *at* would have gone on."""

    def resolutions(self) -> list[Resolution]:
        """What became of predictions since this was last asked."""
        return []

    def renewed(self) -> None:
        """There is a new release: what was learned counts half, and trust must be earned anew."""

    def quality(self) -> list[Quality]:
        """How well it went: for each horizon any error first, then its groups."""
        return []

    def state(self) -> dict[str, Any]:
        """All that was learned, for `restored`; JSON can hold it."""
        return {"version": VERSION}

    @classmethod
    def restored(cls, state: dict[str, Any], now: float, **options: Any) -> Predictor:
        """A predictor that goes on where *state* was taken.

        Args:
            state: Of `state()`.
            now: Seconds since the epoch.
            options: Of the constructor.

        Raises:
            ValueError: If *state* is of another version, or of other horizons.
        """
        if state.get("version") != VERSION:
            raise ValueError(f"unknown version {state.get('version')!r} of what a predictor learned")
        return cls(**options)
