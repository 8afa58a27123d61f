"""Which exception a record is about."""

from __future__ import annotations

import logging
import sys
from typing import Any

from llama_logging.capture.chains import was_raised
from llama_logging.capture.records import MECHANISM
from llama_logging.runtime.slots import arguments_of, traceback_of


def exception_of(record: logging.LogRecord) -> BaseException | None:
    """The exception of which `capture` makes an error, as long as it is asked for where *record* was logged."""
    exception, _ = given(record)
    return exception if exception is not None else linked(record)


def given(record: logging.LogRecord) -> tuple[BaseException | None, Any]:
    """The exception that *record* was given, and the traceback to print of it, which may be anything."""
    info: Any = record.exc_info
    if info is None:
        return None, None
    if isinstance(info, tuple) and len(info) == 3:
        return (info[1], info[2]) if issubclass(type(info[1]), BaseException) else (None, None)
    return (info, traceback_of(info)) if issubclass(type(info), BaseException) else (None, None)


def linked(record: logging.LogRecord) -> BaseException | None:
    """The exception that is handled, or else told of, where *record*, which was given none, is logged."""
    # A finaliser runs in the midst of anything: what is being handled there is not its concern.
    if MECHANISM in record.__dict__ or record.funcName == "__del__":
        return None
    handled = sys.exc_info()[1]
    return handled if handled is not None else _told_of(record)


def _told_of(record: logging.LogRecord) -> BaseException | None:
    """What was raised and is told of elsewhere: `gather(return_exceptions=True)` and futures hand it on."""
    given: list[Any] = [record.msg]
    for values in (record.msg, record.args):
        if type(values) is tuple:
            given += values
        elif type(values) is dict:
            given += values.values()
    raised = (error for error in given if issubclass(type(error), BaseException) and was_raised(error))
    return next(raised, None) or _ending([text for text in given if type(text) is str])


def _ending(texts: list[str]) -> BaseException | None:
    """What ends the program, where an excepthook of the application's has put its traceback into one of *texts*."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    tb = traceback_of(error) if issubclass(type(error), BaseException) else None
    if tb is None:
        return None
    while tb.tb_next is not None:
        tb = tb.tb_next
    place = f'File "{tb.tb_frame.f_code.co_filename}", line {tb.tb_lineno}, in '
    told = [place, type(error).__name__, *(said for said in arguments_of(error) if type(said) is str)]
    return error if any(all(part in text for part in told) for text in texts) else None
