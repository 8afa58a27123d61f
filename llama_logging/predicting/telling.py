"""How a prediction is told: one record of the logger `llama_logging.prediction`, and what speaks for it in words."""

from __future__ import annotations

import dataclasses
import logging

from llama_logging.prediction.forecast import Prediction, Quality
from llama_logging.prediction.wording import because
from llama_logging.redaction import clean

_logger = logging.getLogger("llama_logging.prediction")


def _say(level: int, message: str, *args: object, extra: dict[str, object] | None = None) -> None:
    # dictConfig disables every logger that is there already, unless told otherwise; this one is, for the handler
    # that it has just made has imported it. Who wants to hear nothing of it sets its level.
    _logger.disabled = False
    _logger.log(level, message, *args, extra=extra, stacklevel=2)


def announce(prediction: Prediction, name: str) -> None:
    """Say that an error is coming.

    Args:
        name: What people call it.
    """
    _say(
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
    _say(
        logging.INFO,
        "predictions of %s within %ds are announced no longer: %s",
        clean(name, 300),
        round(quality.horizon),
        quality.why,
    )


def lost(count: int) -> None:
    """Say that records were dropped."""
    _say(
        logging.WARNING,
        "%d records came too fast for the predictor; what it would have learned from them is left out",
        count,
    )


def begun_anew(place: str, problem: str) -> None:
    """Say that what was learned is of no use any more."""
    _say(logging.WARNING, "what was learned in %s cannot be used, and is learned anew: %s", place, clean(problem, 300))


def not_kept(problem: str) -> None:
    """Say that what is learned will be lost with the process."""
    _say(logging.WARNING, "what is learned is not kept: %s", clean(problem, 300))
