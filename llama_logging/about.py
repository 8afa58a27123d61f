"""Which exception a record is about."""

from __future__ import annotations

import logging
import sys
from typing import Any

from llama_logging.chains import was_raised
from llama_logging.records import MECHANISM
from llama_logging.slots import traceback_of


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
    return next((error for error in given if issubclass(type(error), BaseException) and was_raised(error)), None)
