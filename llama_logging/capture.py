"""LogRecord → ErrorContext, once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from llama_logging import fingerprint, plain, process, tracebacks
from llama_logging.context import (
    ErrorContext,
    ErrorSeverity,
    ExceptionDetail,
    StackText,
    new_id,
)

NO_EXCEPTION = "LogMessage"
"""The error_type of a record that has no exception."""

# Underscored: JSON formatters that print every attribute of a record leave these out.
_CONTEXT = "_llama_logging_context"
_MECHANISM = "_llama_logging_mechanism"

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "error_context",
}


def capture(record: logging.LogRecord) -> ErrorContext | None:
    """The ErrorContext of *record*, made at the first call and the same at every later one.

    Captured are records with exc_info and records of level ERROR and above; at ERROR and above
    without exc_info, the exception the caller is handling is linked as an implicit one. Our own
    records are not errors of the application. What is logged on a thread of ours is: a collection
    may run the application's `__del__` on any thread.

    Returns:
        None if there is nothing to capture.
    """
    known = record.__dict__.get(_CONTEXT)
    if known is not None:
        return known  # type: ignore[no-any-return]
    exception = _exception_of(record)
    by_hand = _MECHANISM in record.__dict__
    if not by_hand and ((exception is None and record.levelno < logging.ERROR) or _is_ours(record)):
        return None
    implicit = False
    if exception is None and not by_hand:
        exception = sys.exc_info()[1]
        implicit = exception is not None
    try:
        context = _build(record, exception, implicit)
    except Exception as failure:
        # No room on the stack or in memory, or an attribute nobody foresaw: less is better than nothing.
        context = _bare(record, exception, failure)
    record.__dict__[_CONTEXT] = context
    return context


def make_record(
    error: object,
    *,
    logger_name: str,
    severity: ErrorSeverity,
    mechanism: str,
    additional_context: Mapping[str, Any] | None = None,
) -> logging.LogRecord:
    """A record for an error that was not logged; it need not be inside its except block.

    Its place is where the exception was raised, its traceback the exception's own. An *error* that
    is no exception counts as a message.
    """
    exc_info: Any = None
    path, line, function, message = "(unknown file)", 0, "", str(plain.plain(error))
    if isinstance(error, BaseException):
        exc_info = (type(error), error, error.__traceback__)
        path, line, function = _raised_at(error.__traceback__)
        message = tracebacks.message_of(error)
    record = logging.LogRecord(logger_name, int(severity), path, line, message, None, exc_info, function)
    # Apart from the record's attributes: an additional_context may hold any key, `name` and `msg` too.
    record.__dict__[_MECHANISM] = (mechanism, dict(additional_context or {}))
    return record


def _build(record: logging.LogRecord, exception: BaseException | None, implicit: bool) -> ErrorContext:
    message = _message(record)
    stack, details = tracebacks.describe(exception) if exception is not None else (StackText(), ())
    mechanism, extra = record.__dict__.get(_MECHANISM) or ("logging", _extra(record))
    if details and not implicit and record.exc_text is None:
        # Every stock handler after us formats nothing: it finds the text made.
        record.exc_text = str(stack).rstrip("\n")
    logger_name = _word(record.name)
    grouping = _grouping(record, details, logger_name)
    module, function, file, line = _place(record, details)
    error = details[0] if details else None
    return ErrorContext(
        error_id=new_id(),
        timestamp=_moment(record.created),
        severity=ErrorSeverity.from_level(record.levelno),
        source_module=module,
        source_function=function,
        source_file=file,
        source_line=line,
        error_type=error.type.rpartition(".")[2] if error else NO_EXCEPTION,
        error_message=error.message if error else message,
        stack=stack,
        additional_context=plain.plain(extra),
        fingerprint=fingerprint.fingerprint(grouping),
        grouping=grouping,
        logger_name=logger_name,
        log_message=message,
        log_template=plain.text(record.msg) if _has_arguments(record) and isinstance(record.msg, str) else "",
        exceptions=details,
        thread_name=_word(record.threadName),
        task_name=_word(record.__dict__.get("taskName")),
        mechanism=mechanism,
        handled=mechanism in ("logging", "capture_error"),
        implicit=implicit,
        process=process.current(),
    )


def _bare(record: logging.LogRecord, exception: BaseException | None, failure: Exception) -> ErrorContext:
    """The least that can be told of an error."""
    name = type(exception).__name__ if exception is not None else NO_EXCEPTION
    grouping = (name, f"not captured in full: {type(failure).__name__}")
    return ErrorContext(
        error_id=new_id(),
        timestamp=datetime.now(UTC),
        severity=ErrorSeverity.from_level(record.levelno) if type(record.levelno) is int else ErrorSeverity.ERROR,
        source_module="",
        error_type=name,
        error_message=grouping[1],
        log_message=grouping[1],
        grouping=grouping,
        fingerprint=fingerprint.fingerprint(grouping),
        logger_name=record.name if type(record.name) is str and record.name.isascii() else "",
    )


def _is_ours(record: logging.LogRecord) -> bool:
    name = str(record.name)
    return name == "llama_logging" or name.startswith("llama_logging.")


def _exception_of(record: logging.LogRecord) -> BaseException | None:
    info: Any = record.exc_info
    if isinstance(info, BaseException):
        return info
    found = info[1] if isinstance(info, tuple) and len(info) == 3 else None
    return found if issubclass(type(found), BaseException) else None


def _message(record: logging.LogRecord) -> str:
    try:
        return plain.text(record.getMessage())
    except BaseException as error:
        # Arguments that do not fit, a __str__ that raises: the template is still worth keeping.
        template = plain.plain(record.msg, 0)
        return plain.text(f"{template} [arguments not formatted: {type(error).__name__}]")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD and not key.startswith("_")}


def _word(value: object) -> str:
    return "" if value is None else plain.text(str(plain.plain(value, 0)), 200)


def _moment(created: float) -> datetime:
    """The record's own moment; now, if no calendar has it."""
    try:
        return datetime.fromtimestamp(created if created >= 0 else float("nan"), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return datetime.now(UTC)


def _has_arguments(record: logging.LogRecord) -> bool:
    # Not bool(): the arguments may be one foreign mapping.
    return record.args is not None and not (type(record.args) is tuple and len(record.args) == 0)


def _grouping(record: logging.LogRecord, details: tuple[ExceptionDetail, ...], logger_name: str) -> tuple[str, ...]:
    explicit = record.__dict__.get("fingerprint")
    if type(explicit) is list or type(explicit) is tuple or type(explicit) is str:
        parts = [explicit] if isinstance(explicit, str) else explicit
        return tuple(f"explicit {plain.plain(part, 0)}" for part in parts)
    if details:
        return fingerprint.of_exceptions(details)
    return fingerprint.of_message(logger_name, str(plain.plain(record.msg, 0)), rendered=not _has_arguments(record))


def _place(record: logging.LogRecord, details: tuple[ExceptionDetail, ...]) -> tuple[str, str, str, int]:
    frames = details[0].frames if details else ()
    for frame in reversed([frame for frame in frames if frame.in_app] or list(frames)):
        return frame.module, frame.function, frame.file, frame.line
    file = plain.text(str(record.pathname), 1000)
    return (
        plain.text(str(record.module), 200),
        plain.text(str(record.funcName or ""), 200),
        file,
        record.lineno,
    )


def _raised_at(tb: TracebackType | None) -> tuple[str, int, str]:
    if tb is None:
        return "(unknown file)", 0, ""
    while tb.tb_next is not None:
        tb = tb.tb_next
    return tb.tb_frame.f_code.co_filename, tb.tb_lineno, tb.tb_frame.f_code.co_name
