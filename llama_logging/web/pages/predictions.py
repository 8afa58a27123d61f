"""Errors that were said to be coming, what was done about it, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from llama_logging.web.asked import Asked

LIMIT = 50
"""Predictions that are listed, the latest."""


def view(asked: Asked) -> dict[str, Any]:
    """The latest predictions; none where the store keeps none."""
    listed = getattr(asked.store, "predictions", None)
    rows = [] if listed is None else listed(limit=LIMIT)
    names = dict.fromkeys(row.prediction.group for row in rows if row.prediction.group)
    return {
        "pulse": asked.pulse,
        "predictions": [(row, datetime.fromtimestamp(row.prediction.at, UTC)) for row in rows],
        "groups": {name: asked.store.group(name) for name in names},
        "over": sum(row.followed is not None for row in rows),
        "followed": sum(bool(row.followed) for row in rows),
    }
