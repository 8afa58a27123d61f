"""The active trace, if there is one; nothing is imported for it.

OpenTelemetry's, else the one that a request came with (see middlewares.py), else the one that this
process was started in: `TRACEPARENT` in its environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

NO_TRACE = ("", "")

_API = "opentelemetry.trace"
_HEADER = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def parse(traceparent: str) -> tuple[str, str]:
    """Trace id and span id of a `traceparent` (W3C Trace Context, 3.2); both empty if it is none.

    >>> parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    ('0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331')
    >>> parse("00-00000000000000000000000000000000-b7ad6b7169203331-01")
    ('', '')
    """
    found = _HEADER.fullmatch(traceparent.strip()[:200])
    # Later versions may say more at the end; this one may not.
    if found is None or (found[1] == "00" and found[4]) or not found[2].strip("0") or not found[3].strip("0"):
        return NO_TRACE
    return found[2], found[3]


@contextlib.contextmanager
def followed(traceparent: str) -> Iterator[None]:
    """Within this block, what is logged belongs to that trace; to no other than before if it is none."""
    global _followed
    trace = parse(traceparent)
    if trace == NO_TRACE:
        yield
        return
    _followed = True
    token = _current.set(trace)
    try:
        yield
    finally:
        # A generator may be ended in another context than it was begun in.
        with contextlib.suppress(ValueError):
            _current.reset(token)


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
    """Whether there may be a trace at all."""
    return _followed or _API in sys.modules


def active() -> tuple[str, str]:
    """Trace id and span id of the trace that is active; both empty without one."""
    api = sys.modules.get(_API)
    if api is None:
        return _current.get()
    try:
        context = api.get_current_span().get_span_context()
        return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else _current.get()
    except Exception:
        return _current.get()  # half imported, or another version of it


_inherited = parse(os.environ.get("TRACEPARENT", ""))
_followed = _inherited != NO_TRACE
_current: ContextVar[tuple[str, str]] = ContextVar("llama_logging_trace", default=_inherited)
