"""The errors of one trace, of all services, in the order in which they happened."""

from __future__ import annotations

from typing import Any

from llama_logging.web.asked import Asked

LIMIT = 200
"""Errors that are listed, the first."""


def view(asked: Asked) -> dict[str, Any]:
    """The errors, and how long after the first each happened."""
    trace_id = str(asked.params.get("name") or asked.query.get("id", "")).strip().lower()[:64]
    errors = asked.store.errors_of_trace(trace_id, LIMIT + 1) if trace_id else []
    begun = errors[0].timestamp if errors else asked.now
    rows = [
        (
            error,
            (error.timestamp - begun).total_seconds(),
            (error.process.service or error.process.program) if error.process else "",
        )
        for error in errors[:LIMIT]
    ]
    span = max((after for _, after, _ in rows), default=0.0)
    return {
        "pulse": asked.pulse,
        "trace_id": trace_id,
        "rows": rows,
        "span": span,
        "more": len(errors) > LIMIT,
        "services": sorted({service for _, _, service in rows if service}),
    }
