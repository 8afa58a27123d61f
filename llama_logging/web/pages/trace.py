"""The errors of one trace, of all services, in the order in which they happened."""

from __future__ import annotations

import contextlib
from typing import Any

from llama_logging.answers.traces import follow
from llama_logging.exceptions import ErrorNotFound
from llama_logging.web.asked import Asked

LIMIT = 200
"""Errors that are listed, the first."""


def view(asked: Asked) -> dict[str, Any]:
    """The errors, how long after the first each happened, and what recovery did."""
    trace_id = str(asked.params.get("name") or asked.query.get("id", "")).strip().lower()[:64]
    trace = None
    with contextlib.suppress(ErrorNotFound):
        trace = follow(asked.store, trace_id, LIMIT + 1) if trace_id else None
    rows = trace.errors[:LIMIT] if trace else ()
    return {
        "pulse": asked.pulse,
        "trace_id": trace_id,
        "rows": rows,
        "span": max((traced.after for traced in rows), default=0.0),
        "more": trace is not None and len(trace.errors) > LIMIT,
        "services": trace.services if trace else (),
    }
