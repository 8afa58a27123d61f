"""How a prediction is told: one record of the logger `llama_logging.prediction`, and what speaks for it in words."""

from __future__ import annotations

import dataclasses
import logging

from llama_logging.prediction.forecast import Prediction, Quality
from llama_logging.prediction.wording import because
from llama_logging.redaction import clean
from llama_logging.saying import say

_LOGGER = "prediction"


def announce(prediction: Prediction, name: str) -> None:
    """Say that an error is coming.

    Args:
        name: What people call it.
    """
    say(
        _LOGGER,
        logging.WARNING,
        "error predicted: %s within %ds (p=%.2f, usual %.2f; right %d of the last %d; because %s)",
        clean(name, 300),
        round(prediction.horizon),
        prediction.probability,
        prediction.usual,
        prediction.hits,
        prediction.announced,
        because(prediction.precursors),
        extra={
            "prediction_id": prediction.prediction_id,
            "group": prediction.group,
            "probability": prediction.probability,
            "horizon": prediction.horizon,
            "usual": prediction.usual,
            "precursors": [dataclasses.asdict(precursor) for precursor in prediction.precursors],
        },
    )


def no_longer(quality: Quality, name: str) -> None:
    """Say that a group's predictions are not announced any more."""
    say(
        _LOGGER,
        logging.INFO,
        "predictions of %s within %ds are no longer announced: %s",
        clean(name, 300),
        round(quality.horizon),
        quality.why,
    )


def lost(count: int) -> None:
    """Say that records were dropped."""
    say(
        _LOGGER,
        logging.WARNING,
        "%d records came too fast for the predictor; it learns nothing from them",
        count,
    )


def begun_anew(place: str, problem: str) -> None:
    """Say that what was learned is of no use any more."""
    say(
        _LOGGER,
        logging.WARNING,
        "what was learned in %s cannot be used; learning starts again: %s",
        place,
        clean(problem, 300),
    )


def not_kept(problem: str) -> None:
    """Say that what is learned will be lost with the process."""
    say(_LOGGER, logging.WARNING, "what is learned is not kept: %s", clean(problem, 300))
