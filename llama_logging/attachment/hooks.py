"""Uncaught exceptions: they end a program or a thread without ever being logged."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from types import TracebackType

from llama_logging.capture import make_record
from llama_logging.context import ErrorSeverity
from llama_logging.handlers import ContextHandler

LOGGER_NAME = "llama_logging.uncaught"


def install() -> None:
    """Have uncaught exceptions captured, then treated as they were before."""
    program, thread = sys.excepthook, threading.excepthook

    def excepthook(cls: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
        _capture(error, "excepthook")
        program(cls, error, tb)

    def thread_excepthook(args: threading.ExceptHookArgs) -> None:
        _capture(args.exc_value, "threading")
        thread(args)

    sys.excepthook, threading.excepthook = excepthook, thread_excepthook


def _capture(error: BaseException | None, mechanism: str) -> None:
    """Hand *error* to our own handlers alone: the interpreter prints it, the host's would print it again."""
    if not isinstance(error, Exception):  # SystemExit, KeyboardInterrupt: somebody's wish
        return
    with contextlib.suppress(Exception):
        record = make_record(error, logger_name=LOGGER_NAME, severity=ErrorSeverity.CRITICAL, mechanism=mechanism)
        for handler in _our_handlers():
            if record.levelno >= handler.level:
                handler.handle(record)


def _our_handlers() -> Iterator[ContextHandler]:
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, ContextHandler):
                yield handler
