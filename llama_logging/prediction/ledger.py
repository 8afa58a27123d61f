"""What the registry keeps of predictions, and the port through which it is reached."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from llama_logging.prediction.forecast import Fate, Prediction, Quality, Resolution

GRACE = 120.0
"""Seconds after the time of a prediction in which the error that came gets into the registry."""
KEPT = 10_000
"""Predictions that are kept: the newest."""


class Action(enum.StrEnum):
    """What was done about a prediction.

    `none`: no rule is for it, or it has not earned the trust that acting needs. `acted`: a ladder was
    climbed ahead of the failure. `control`: it would have been, and was held back to see what happens
    then. `observed`: the rule may only say what it would do.
    """

    NONE = "none"
    ACTED = "acted"
    CONTROL = "control"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A prediction as it was announced, what was done about it and what became of it.

    Attributes:
        fate: `censored` also where it was acted on: what would have happened, nobody knows.
        error_id: The error that came; empty if none, or if its details are not kept.
        lead: Seconds from the prediction to that error.
        followed: Whether the error came all the same, whatever was done; None while that is open.
        host, service, process: Who announced it.
    """

    prediction: Prediction
    action: Action = Action.NONE
    fate: Fate = Fate.PENDING
    error_id: str = ""
    lead: float | None = None
    followed: bool | None = None
    host: str = ""
    service: str = ""
    process: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a prediction, and the error that came; its id is empty where that is not known."""

    resolution: Resolution
    error_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Predictions that were treated alike.

    Attributes:
        group: A fingerprint; empty for any error.
        announced, followed: How many of them are over, and after how many of these the error came.
    """

    group: str
    horizon: float
    action: Action
    announced: int
    followed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """How good the predictions of one process are, as it said last.

    Attributes:
        role: What the process is, and which of several that are the same.
    """

    role: str
    at: datetime
    quality: Quality


class Ledger(Protocol):
    """Part of `registry.Store`."""

    def predicted(self, announcements: Sequence[Announcement]) -> None:
        """Keep what was announced; of one that is known, what was done about it and its fate are set anew."""
        ...

    def resolve_predictions(self, endings: Sequence[Ending]) -> None:
        """Say what became of pending ones."""
        ...

    def settle_predictions(self, before: datetime) -> int:
        """Look up which errors came, of predictions whose time was over before then; how many they were.

        One that is pending all the same, because its process is gone, is censored. Of all that were
        ever announced the newest `KEPT` stay.
        """
        ...

    def predictions(
        self, *, since: datetime | None = None, group: str | None = None, limit: int = 50
    ) -> list[Announcement]:
        """Predictions, the latest first; of a group's fingerprint, or "" for those of any error."""
        ...

    def predictions_after(self, position: int, limit: int = 100) -> list[tuple[int, Announcement]]:
        """Predictions in order of arrival after *position*, and where each stands."""
        ...

    def prediction_position(self, before: datetime) -> int:
        """Where the latest prediction stands that was made before then."""
        ...

    def prediction_arms(self, since: datetime | None = None) -> list[Arm]:
        """How often errors came after predictions, by what was done about them; only of those that are over."""
        ...

    def rate_predictions(self, role: str, at: datetime, qualities: Sequence[Quality]) -> None:
        """Keep how good predictions are: of each day the last word."""
        ...

    def prediction_quality(self, since: datetime | None = None) -> list[Rating]:
        """The latest word of each role, on each group and horizon."""
        ...
