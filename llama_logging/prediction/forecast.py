"""What a predictor is told, and what it says: plain frozen data."""

from __future__ import annotations

import enum
from dataclasses import dataclass

ANY = ""
"""Stands for any error, where a group could be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A record as a predictor sees it.

    Attributes:
        at: Seconds since the epoch.
        level: A logging level.
        template: Logger and text without what varies.
        group: The error's fingerprint; empty if it has none, or is no error.
        numbers: Those among the arguments, at most 4.
    """

    at: float
    level: int
    template: str
    group: str = ANY
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Precursor:
    """What speaks for a prediction.

    Attributes:
        template: Of the record, or of the gauge among its numbers.
        age: Seconds since it was last seen.
        share: Of the predicted probability that it accounts for, 0 to 1.
    """

    template: str
    age: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """An error is likely within *horizon* seconds; only what has earned its trust becomes one.

    Attributes:
        prediction_id: Time-ordered, as that of an error.
        at: Seconds since the epoch.
        group: Which error; empty for any.
        probability, usual: Now, and at any moment.
        persistence, hazard: What the two simplest predictors say.
        threshold: Above which it was announced.
        hits, announced: The track record: so many of the latest so many came true.
        precursors: The strongest first, at most 5.
    """

    prediction_id: str
    at: float
    horizon: float
    group: str
    probability: float
    usual: float
    persistence: float
    hazard: float
    threshold: float
    hits: int
    announced: int
    precursors: tuple[Precursor, ...] = ()


class Fate(enum.StrEnum):
    """What became of a prediction: `censored` if nobody will ever know."""

    PENDING = "pending"
    HIT = "hit"
    MISS = "miss"
    CENSORED = "censored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What became of one.

    Attributes:
        lead: Seconds from the prediction to the error; None unless it is a hit.
    """

    prediction_id: str
    fate: Fate
    lead: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """How good one predictor of several was, at one horizon.

    Attributes:
        name: `predictor`, or a baseline: `base`, `persistence`, `hazard`, `ewma`.
        average_precision: Of all decisions; ties are one operating point.
        log_loss: Mean, in nats.
        calibration_error: Over 10 bins of equal size, 0 to 1.
    """

    name: str
    average_precision: float
    log_loss: float
    calibration_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How predictions for one group at one horizon came out.

    Attributes:
        decisions, positives: Resolved ones, and those that an error followed.
        skills: The predictor's first, then the baselines'.
        onsets, foreseen: Errors after a time without any, and how many of them were announced.
        announced, hits: Early warnings, and those that came true; of the ones nothing was done about.
        precision_low, precision_high: The 95 % Wilson interval of hits / announced.
        false_alarms_per_day: For each day's worth of hours that had a record.
        median_lead: Seconds from announcement to error; None without hits.
        trusted: Whether predictions are announced now.
        why: What keeps it from being trusted; empty if nothing.
    """

    horizon: float
    group: str
    decisions: int
    positives: int
    skills: tuple[Skill, ...]
    onsets: int
    foreseen: int
    announced: int
    hits: int
    precision_low: float
    precision_high: float
    false_alarms_per_day: float
    median_lead: float | None
    trusted: bool
    why: str = ""
