"""Errors that were said to be coming, what was done about it, what became of it, and how far that is to be believed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from llama_logging.prediction.effect import effects
from llama_logging.web.asked import Asked

LIMIT = 50
"""Predictions that are listed, the latest."""
RATINGS = 40
"""Tables of quality that are shown."""
HEARD = timedelta(days=7)
"""What a process says of how good its predictions are, is shown for so long."""


def view(asked: Asked) -> dict[str, Any]:
    """The latest predictions, the quality that each process tells of, and what acting has changed."""
    rows = asked.store.predictions(limit=LIMIT)
    ratings = asked.store.prediction_quality(asked.now - HEARD)
    found = effects(asked.store.prediction_arms())
    named = [row.prediction.group for row in rows] + [rating.quality.group for rating in ratings[:RATINGS]]
    named += [effect.group for effect in found]
    return {
        "pulse": asked.pulse,
        "predictions": [(row, datetime.fromtimestamp(row.prediction.at, UTC)) for row in rows],
        "ratings": ratings[:RATINGS],
        "effects": found[:RATINGS],
        "groups": {name: asked.store.group(name) for name in dict.fromkeys(named) if name},
        "fates": Counter(row.fate for row in rows),
    }
