"""LogRecord → ErrorContext, once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any

from llama_logging import plain, process
from llama_logging.capture import (
    about,
    fingerprint,
    forms,
    messages,
    printed,
    seen,
    sights,
    sites,
    tagging,
    tracebacks,
    tracing,
)
from llama_logging.capture.breadcrumbs import TRAILS
from llama_logging.capture.grouping import EXPLICIT, GROUPING, inputs_of
from llama_logging.capture.records import CONTEXT, MECHANISM, has_arguments, is_quiet
from llama_logging.capture.variables import VARIABLES
from llama_logging.context import ErrorContext, ErrorSeverity, Form, Stack, from_fields, make_context, microseconds_of
from llama_logging.ids import new_id
from llama_logging.redaction import clean, clean_data, redact
from llama_logging.runtime import forks
from llama_logging.runtime.room import with_room
from llama_logging.runtime.slots import attributes_of, traceback_of

_LATEST = 253_402_300_799.0
"""Seconds since the epoch: no calendar has later ones."""
_TRACE = "exception"
"""The key under which structlog's processors tell of an exception."""
_NO_EXCEPTION = tracebacks.Described(Stack(error_type=sites.NO_EXCEPTION), (), (), (), None)


def capture(record: logging.LogRecord, keep: Callable[[ErrorContext], object] | None = None) -> ErrorContext | None:
    """The ErrorContext of *record*, made at the first call and the same at every later one.

    Captured are records with exc_info and records of level ERROR and above; at ERROR and above
    without exc_info, the exception the caller is handling is linked as an implicit one, else one
    among the message and its arguments. Our own records are not errors of the application. What is
    logged on a thread of ours is: a collection may run the application's `__del__` on any thread.

    Args:
        record: What was logged.
        keep: Makes an error durable. If code of the application's has to be run, a `__str__` say, it
            gets what can be told without (`complete` is False) before: that code may never return.

    Returns:
        None if there is nothing to capture.
    """
    known = record.__dict__.get(CONTEXT)
    if known is not None:
        return known  # type: ignore[no-any-return]
    exception, tb = about.given(record)
    try:
        try:
            form = forms.recognise(record, exception, tb) if exception is not None else None
            if form is not None and exception is not None and (not TRAILS.size or TRAILS.is_quiet()):
                context = _of_form(form, record, exception, tb)
            elif _is_no_error(record, exception):
                return None
            else:
                context = _capture(record, exception, tb, keep)
        except RecursionError as problem:
            context = with_room(problem, partial(_capture, record, exception, tb, keep))
    except Exception as failure:
        # No room in memory, or an attribute that nobody foresaw: less is better than nothing.
        context = _bare(record, exception, failure)
    record.__dict__[CONTEXT] = context
    return context


def _capture(
    record: logging.LogRecord,
    exception: BaseException | None,
    tb: Any,
    keep: Callable[[ErrorContext], object] | None,
) -> ErrorContext:
    sight, before, implicit, printed_here = None, "", False, False
    if exception is None:
        exception = about.linked(record)
        implicit = exception is not None
    if exception is not None:
        # What is no traceback, the standard library may know how to print.
        printed_here = not implicit and (tb is None or type(tb) is TracebackType)
        sight = sights.look(exception, tb if printed_here else traceback_of(exception))
        before = seen.captured_before(exception, record.created)
    forks.look()
    error_id, said = before or new_id(), messages.data_of(record)
    if keep is not None and not before and not _is_quiet(record, sight):
        described = tracebacks.told_by_arguments(sight) if sight is not None else _NO_EXCEPTION
        template = messages.early_text_of(record, said)
        keep(_context(record, said, error_id, described, template, sight, implicit=implicit, complete=False))
    if exception is not None and not before:
        seen.mark_captured(exception, error_id, record.created)
    described = tracebacks.tell(sight) if sight is not None else _NO_EXCEPTION
    if printed_here and described.text is not None and record.exc_text is None:
        # Every stock handler after us formats nothing: it finds the text made.
        record.exc_text = described.text[:-1]
    message = messages.text_of(record, said)
    context = _context(record, said, error_id, described, message, sight, implicit=implicit, again=before != "")
    if sight is not None:
        forms.learn(record, sight.known, context)
    return context


def _of_form(form: Form, record: logging.LogRecord, exception: BaseException, tb: TracebackType | None) -> ErrorContext:
    """As `_capture`, for an error of which little is new."""
    said, error_id = str(exception), new_id()
    message = clean(said)
    fields = form.fields.copy()
    fields["form"] = form
    fields["error_id"] = error_id
    created = record.created
    if type(created) is float and 0 <= created < _LATEST:
        fields["microseconds"] = microseconds_of(created)
    else:
        fields["timestamp"] = _moment(created)
    fields["error_message"] = message
    fields["messages"] = (message,)
    fields["log_message"] = messages.text_of(record, record.msg) if record.args else messages.constant(record.msg)
    fields["thread_name"] = messages.name_of(record.threadName)
    fields["process"] = process.current()
    if record.args:
        fields["log_template"] = messages.constant(record.msg)
    task = record.__dict__.get("taskName")
    if task is not None:
        fields["task_name"] = messages.name_of(task)
    if TRAILS.size or VARIABLES.first or tracing.may_be_active() or tagging.may_be_active():
        _add_surroundings(fields, exception, tb)
    if record.exc_text is None and len(said) < sights.MAX_TEXT:
        record.exc_text = form.opening + tracebacks.last_line(exception, said)
    # As `seen.mark_captured`, without asking its class: an exception that has a form carries what is known of it.
    attributes_of(exception)[seen.MARK] = error_id, created
    context = from_fields(fields)
    return GROUPING.applied(context) if GROUPING.rules else context


def _add_surroundings(fields: dict[str, Any], exception: BaseException, tb: TracebackType | None) -> None:
    """What stood around the error, where it is asked for."""
    key = fields["fingerprint"]
    trace_id, span_id = tracing.active_or_of(exception)
    trail, variables = TRAILS.before(key), VARIABLES.of((exception,), tb, key)
    tags = _tags({}, (exception,))
    if trace_id or trail or variables or tags:
        fields.update(trace_id=trace_id, span_id=span_id, breadcrumbs=trail, locals=variables, tags=tags, form=None)


def _context(
    record: logging.LogRecord,
    said: Any,
    error_id: str,
    described: tracebacks.Described,
    message: str,
    sight: sights.Sight | None,
    *,
    implicit: bool,
    again: bool = False,
    complete: bool = True,
) -> ErrorContext:
    attributes = record.__dict__
    mechanism, extra = messages.beside(record, said)
    if sight is not None and type(said) is dict:
        extra.pop(_TRACE, None)
    if sight is None and (found := _printed(said, message, extra)) is not None:
        described, message = found
        mechanism = "text"
    logger_name = messages.name_of(record.name)
    if described is _NO_EXCEPTION:
        stack = sites.stack_of(record, said, logger_name, message)
    elif sites.was_raised(described.stack) or MECHANISM in attributes:
        stack = described.stack
    else:  # by its type alone, whatever was never raised or has lost its traceback would be one error
        stack = sites.placed(described.stack, sites.stack_of(record, said, logger_name, message))
    given = sight.fingerprint if sight is not None else None
    # JSON may be somebody's payload, in which a text of this name is a device's or a key's.
    if extra and (said is record.msg or type(extra.get("fingerprint")) is list):
        given = extra.pop("fingerprint", given)
    tags = _tags(extra, sight.chain if sight is not None else ())
    grouping = _given(given) or inputs_of(stack, described.messages, described.attributes)
    key = stack.fingerprint if grouping is stack.grouping else fingerprint.fingerprint(grouping)
    trace_id, span_id = tracing.current(attributes, *(sight.chain if sight is not None else ()))
    context = make_context(
        error_id=error_id,
        timestamp=_moment(record.created),
        severity=ErrorSeverity.from_level(record.levelno),
        error_message=described.messages[stack.main] if described.messages else message,
        stack=stack,
        parts=described.parts,
        messages=described.messages,
        attributes=described.attributes,
        additional_context=clean_data(extra) if extra else {},
        tags=tags,
        trace_id=trace_id,
        span_id=span_id,
        breadcrumbs=TRAILS.before(key) if complete else (),
        locals=VARIABLES.of(sight.chain, sight.tb, key) if sight is not None and complete and not again else (),
        stack_info=clean(record.stack_info, sights.MAX_TEXT) if record.stack_info else "",
        fingerprint=key,
        grouping=grouping,
        logger_name=logger_name,
        log_message=message,
        log_template=clean(record.msg) if has_arguments(record) and isinstance(record.msg, str) else "",
        thread_name=messages.name_of(record.threadName),
        task_name=messages.name_of(attributes.get("taskName")),
        mechanism=mechanism,
        handled=mechanism not in ("excepthook", "threading"),
        implicit=implicit,
        again=again,
        complete=complete,
        process=process.current(),
    )
    return GROUPING.applied(context) if GROUPING.rules else context


def _printed(said: Any, message: str, extra: dict[str, Any]) -> tuple[tracebacks.Described, str] | None:
    """The traceback whose text stands in a *message*, or in the *extra* of a structured one, and what is left of it."""
    trace = extra.get(_TRACE) if type(said) is dict else message
    if type(trace) is not str or sights.HEADER not in trace:
        return None
    parsed = printed.parse(clean(trace, sights.MAX_TEXT))
    if parsed is None:
        return None
    extra.pop(_TRACE, None)
    return parsed, message if type(said) is dict else message[: printed.begin(message)].rstrip()


def _given(given: Any) -> tuple[str, ...]:
    """What the logging call or the exception says that the error is to be grouped by; empty if it says nothing."""
    if type(given) is not list and type(given) is not tuple and type(given) is not str:
        return ()
    parts = [given] if isinstance(given, str) else given
    return tuple(redact(f"{EXPLICIT}{plain.plain(part, plain.FLAT)}") for part in parts)


def _bare(record: logging.LogRecord, exception: BaseException | None, failure: Exception) -> ErrorContext:
    """The least that can be told of an error."""
    name = clean(type(exception).__name__) if exception is not None else sites.NO_EXCEPTION
    grouping = (name, f"not captured in full: {type(failure).__name__}")
    return ErrorContext(
        error_id=new_id(),
        timestamp=datetime.now(UTC),
        severity=ErrorSeverity.from_level(record.levelno) if type(record.levelno) is int else ErrorSeverity.ERROR,
        error_message=grouping[1],
        stack=Stack(error_type=name, grouping=grouping, fingerprint=fingerprint.fingerprint(grouping)),
        log_message=grouping[1],
        mechanism=record.__dict__[MECHANISM][0] if MECHANISM in record.__dict__ else "logging",
        grouping=grouping,
        fingerprint=fingerprint.fingerprint(grouping),
        logger_name=redact(record.name) if type(record.name) is str and record.name.isascii() else "",
    )


def _is_no_error(record: logging.LogRecord, exception: BaseException | None) -> bool:
    if MECHANISM in record.__dict__:
        return False
    name = str(record.name)
    ours = name == "llama_logging" or name.startswith("llama_logging.")
    return ours or (exception is None and record.levelno < logging.ERROR)


def _is_quiet(record: logging.LogRecord, sight: sights.Sight | None) -> bool:
    """Whether all can be told without running any code of the application's."""
    return is_quiet(record) and (sight is None or sight.is_quiet()) and TRAILS.is_quiet()


def _moment(created: float) -> datetime:
    """The record's own moment; now, if no calendar has it."""
    try:
        return datetime.fromtimestamp(created if created >= 0 else float("nan"), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return datetime.now(UTC)


def _tags(extra: dict[str, Any], errors: Iterable[BaseException]) -> Mapping[str, str]:
    """The tags that hold, and those that a logging call gave; what is no mapping is left, as context."""
    given = extra.pop("tags", None)
    if type(given) is not dict:
        if given is not None:
            extra["tags"] = given
        given = {}
    held = tagging.current(*errors) if tagging.may_be_active() else tagging.NO_TAGS
    return tagging.as_tags({**given, **held, **given}) if given or held else tagging.NO_TAGS
