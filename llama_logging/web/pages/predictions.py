"""Errors that are coming, as far as the store keeps what was predicted."""

from __future__ import annotations

from typing import Any

from llama_logging.web.asked import Asked

LIMIT = 50
"""Predictions that are listed, the latest."""


def view(asked: Asked) -> dict[str, Any]:
    """The latest predictions; none where the store keeps none."""
    listed = getattr(asked.store, "predictions", None)
    rows = [] if listed is None else list(listed(limit=LIMIT))
    return {"pulse": asked.pulse, "predictions": rows}
