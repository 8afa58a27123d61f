"""The active trace, if there is one; nothing is imported for it.

OpenTelemetry's, else the one that a request or a job came with (see propagation), else the one that this
process was started in: `TRACEPARENT` in its environment. It is passed on as it came: a service that
begins no spans of its own must not name one that nobody knows (W3C Trace Context, 4.3).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from llama_logging import semconv
from llama_logging.capture import marks
from llama_logging.patterns import regex

NO_TRACE = ("", "")
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"

_API = "opentelemetry.trace"
_MARK = "__llama_logging_trace__"
"""Where an exception says in which trace it was raised."""
_HEADER = regex(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


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
def followed(traceparent: object, tracestate: object = "") -> Iterator[None]:
    """Within this block, what is logged belongs to that trace; to no other than before if it is none."""
    global _followed
    came = _read(traceparent, tracestate)
    trace = came[:2]
    if trace == NO_TRACE:
        yield
        return
    _followed = True
    token = _current.set(came)
    try:
        yield
    except Exception as error:
        take_along(error, trace)
        raise
    finally:
        # A generator may be ended in another context than it was begun in.
        with contextlib.suppress(ValueError):
            _current.reset(token)


def take_along(error: BaseException, trace: tuple[str, str]) -> None:
    """Have *error* tell in which trace it was raised, for who logs it outside: a server does, for its application."""
    global _followed
    if trace != NO_TRACE and marks.get(error, _MARK) is None:
        _followed = True
        marks.put(error, _MARK, trace)


def current(attributes: Mapping[str, Any], *errors: BaseException) -> tuple[str, str]:
    """Trace id and span id, as hex digits; both empty without a trace.

    Args:
        errors: What is logged, and what that was raised from; where no trace is active, the one that the first of them
            was raised in counts.
        attributes: Those of a record. OpenTelemetry's logging instrumentation and ddtrace put ids
            there; else OpenTelemetry is asked, where the application has imported it.
    """
    trace = attributes.get("otelTraceID")
    if type(trace) is str and trace.strip("0"):
        return trace[:64], str(attributes.get("otelSpanID", ""))[:32]
    trace = attributes.get("dd.trace_id")
    if type(trace) is str and trace.strip("0"):
        return _of_datadog(trace[:64], 32), _of_datadog(str(attributes.get("dd.span_id", ""))[:32], 16)
    return active_or_of(*errors)


def active_or_of(*errors: BaseException) -> tuple[str, str]:
    """Trace id and span id of the active trace, else of the one that the first of *errors* was raised in."""
    trace = active()
    if trace == NO_TRACE and _followed:
        carried = (marks.get(error, _MARK) for error in errors)
        return next((mark for mark in carried if type(mark) is tuple), NO_TRACE)
    return trace


def may_be_active() -> bool:
    """Whether there may be a trace at all."""
    return _followed or _API in sys.modules


def active() -> tuple[str, str]:
    """Trace id and span id of the trace that is active; both empty without one."""
    span = _span()
    if span is None:
        return _current.get()[:2]
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def carry(headers: MutableMapping[str, Any]) -> None:
    """Put the headers by which another service learns of the active trace into *headers*, unless one is there."""
    if any(name.lower() == TRACEPARENT for name in headers):
        return
    span = _span()
    if span is None:
        traceparent, tracestate = _current.get()[2:]
    else:
        context = span.get_span_context()
        traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        tracestate = context.trace_state.to_header()
    if traceparent:
        headers[TRACEPARENT] = traceparent
        if tracestate:
            headers[TRACESTATE] = tracestate


def mark(error_id: str, error_type: str, message: str) -> None:
    """Give the active span of OpenTelemetry the status ERROR, and the error's id, so that one leads to the other."""
    span = _span()
    if span is not None and span.is_recording():
        api = sys.modules[_API]
        span.set_status(api.Status(api.StatusCode.ERROR, message))
        span.set_attribute(semconv.ERROR_TYPE, error_type)
        span.set_attribute(semconv.ERROR_ID, error_id)


def _span() -> Any:
    """The active span of OpenTelemetry; None if there is none."""
    api = sys.modules.get(_API)
    try:
        span = None if api is None else api.get_current_span()
        return span if span is not None and span.get_span_context().is_valid else None
    except Exception:
        return None  # half imported, or another version of it


def _of_datadog(text: str, digits: int) -> str:
    """An id in hex digits: ddtrace writes those of up to 64 bits as decimals.

    >>> _of_datadog("1234567890123456789", 16), _of_datadog("68d3f6d800000000aabbccddeeff0011", 32)
    ('112210f47de98115', '68d3f6d800000000aabbccddeeff0011')
    """
    return f"{int(text):0{digits}x}" if text.isdecimal() and len(text) <= 20 else text


def _read(traceparent: object, tracestate: object) -> tuple[str, str, str, str]:
    """Trace id, span id, and both headers as they are passed on; all empty if it is no trace."""
    trace = parse(traceparent) if isinstance(traceparent, str) else NO_TRACE
    if trace == NO_TRACE:
        return "", "", "", ""
    # Without what a later version says at the end (W3C Trace Context, 3.2.4).
    header = f"00{str(traceparent).strip()[2:55]}"
    state = tracestate.strip() if isinstance(tracestate, str) else ""
    # With any other text in a header the application's clients raise.
    return *trace, header, state if state.isascii() and state.isprintable() else ""


_inherited = _read(os.environ.get("TRACEPARENT"), os.environ.get("TRACESTATE"))
_followed = _inherited[:2] != NO_TRACE
_current: ContextVar[tuple[str, str, str, str]] = ContextVar("llama_logging_trace", default=_inherited)
"""As `_read` gives it."""
