"""Records for errors that nobody has logged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from llama_logging.capture import tracebacks
from llama_logging.capture.records import MECHANISM
from llama_logging.context import ErrorSeverity
from llama_logging.redaction import clean_data
from llama_logging.runtime.slots import traceback_of


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
    path, line, function, message = "(unknown file)", 0, "", str(clean_data(error))
    if isinstance(error, BaseException):
        tb = traceback_of(error)
        exc_info = (type(error), error, tb)
        path, line, function = _raised_at(tb)
        message = tracebacks.message_of(error)
    record = logging.LogRecord(logger_name, int(severity), path, line, message, None, exc_info, function)
    # Apart from the record's attributes: an additional_context may hold any key, `name` and `msg` too.
    record.__dict__[MECHANISM] = (mechanism, dict(additional_context or {}))
    return record


def _raised_at(tb: TracebackType | None) -> tuple[str, int, str]:
    if tb is None:
        return "(unknown file)", 0, ""
    while tb.tb_next is not None:
        tb = tb.tb_next
    return tb.tb_frame.f_code.co_filename, tb.tb_lineno, tb.tb_frame.f_code.co_name
