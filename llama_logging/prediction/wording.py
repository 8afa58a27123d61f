"""A prediction in words."""

from __future__ import annotations

from llama_logging.prediction.forecast import Precursor, Prediction
from llama_logging.redaction import clean

PRECURSORS = 3
"""So many are told of; the registry has all."""


def because(precursors: tuple[Precursor, ...]) -> str:
    """What speaks for it, the strongest first.

    >>> because((Precursor(template="app: pool at <n>", age=12.4, share=0.7),))
    "'app: pool at <n>' 12 s ago"
    """
    told = [f"{clean(one.template, 120)!r} {one.age:.0f} s ago" for one in precursors[:PRECURSORS]]
    return ", ".join(told) or "of when they came before"


def sentence(prediction: Prediction) -> str:
    """How soon, how likely, and why that is to be believed."""
    return (
        f"within {prediction.horizon:g} s, p={prediction.probability:.2f}, usually {prediction.usual:.2f}; "
        f"right {prediction.hits} of the last {prediction.announced}; because {because(prediction.precursors)}"
    )
