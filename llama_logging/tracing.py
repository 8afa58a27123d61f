"""The active trace, if there is one; nothing is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

NO_TRACE = ("", "")

_API = "opentelemetry.trace"


def current(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Trace id and span id, as hex digits; both empty without a trace.

    Args:
        attributes: Those of a record. OpenTelemetry's logging instrumentation and ddtrace put ids
            there; else OpenTelemetry is asked, where the application has imported it.
    """
    for trace_name, span_name in (("otelTraceID", "otelSpanID"), ("dd.trace_id", "dd.span_id")):
        trace = attributes.get(trace_name)
        if type(trace) is str and trace.strip("0"):
            return trace[:64], str(attributes.get(span_name, ""))[:32]
    return active()


def may_be_active() -> bool:
    """Whether OpenTelemetry has been imported."""
    return _API in sys.modules


def active() -> tuple[str, str]:
    """Trace id and span id of the trace that OpenTelemetry says is active; both empty without one."""
    api = sys.modules.get(_API)
    if api is None:
        return NO_TRACE
    try:
        context = api.get_current_span().get_span_context()
        return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else NO_TRACE
    except Exception:
        return NO_TRACE  # half imported, or another version of it
