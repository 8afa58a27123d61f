"""What ends a program, a thread or a child without ever being logged, or is only printed."""

from __future__ import annotations

import atexit
import contextlib
import functools
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from llama_logging import tap
from llama_logging.capture.unlogged import make_record
from llama_logging.context import ErrorSeverity

LOGGER_NAME = "llama_logging.uncaught"

_CALLERS = 4
_ONLY_PRINTING = {"multiprocessing.process": ErrorSeverity.CRITICAL, "gradio": ErrorSeverity.ERROR}
"""Modules and packages that tell of what fails in the application's code by printing alone: how bad that is."""
_PRINTED = ErrorSeverity.ERROR
_PRINTERS = ("traceback", "llama_logging.attachment.hooks")


def install(*, printed: bool = False) -> None:
    """Have uncaught exceptions captured, then treated as they were before.

    Args:
        printed: Also capture what is printed by `traceback.print_exc` and the like.
    """
    program, thread, unraisable = sys.excepthook, threading.excepthook, sys.unraisablehook
    hooked = 0

    def excepthook(cls: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
        nonlocal hooked
        hooked = id(error)
        keep(error, "excepthook")
        program(cls, error, tb)

    @atexit.register
    def at_exit() -> None:
        # The interpreter puts what ends a program here before it calls any hook: Typer, rich and others have their own.
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if id(error) != hooked and _left_the_program(error):
            keep(error, "excepthook")

    def thread_excepthook(args: threading.ExceptHookArgs) -> None:
        keep(args.exc_value, "threading")
        thread(args)

    def unraisable_hook(args: sys.UnraisableHookArgs) -> None:
        keep(args.exc_value, "unraisable", ErrorSeverity.ERROR)
        unraisable(args)

    if program is sys.__excepthook__:
        # `code.interact` and others ask whether it is the interpreter's own, and print otherwise if not.
        sys.__excepthook__ = excepthook
    sys.excepthook, threading.excepthook, sys.unraisablehook = excepthook, thread_excepthook, unraisable_hook
    _watch_printing(everything=printed)


def _left_the_program(error: object) -> bool:
    """Whether no frame of the program was left to catch *error*: pytest and `code` put there what they have caught."""
    outermost = getattr(error, "__traceback__", None)
    return outermost is not None and outermost.tb_frame.f_back is None


def keep(
    error: object,
    mechanism: str,
    severity: ErrorSeverity = ErrorSeverity.CRITICAL,
    logger_name: str = LOGGER_NAME,
    tb: TracebackType | None = None,
) -> None:
    """Hand *error* to the handlers at the tap alone: whoever raised it prints it, the host's would print it again.

    Args:
        tb: The traceback to be told of; default the error's own.
    """
    if not isinstance(error, Exception):  # SystemExit, KeyboardInterrupt: somebody's wish
        return
    with contextlib.suppress(Exception):
        record = make_record(error, logger_name=logger_name, severity=severity, mechanism=mechanism)
        if tb is not None:
            record.exc_info = (type(error), error, tb)
        tap.dispatch(record)


def _watch_printing(*, everything: bool) -> None:
    """Have what `traceback` prints captured: all of it, or what those print who tell of it in no other way."""
    original: Callable[..., None] = traceback.print_exception

    @functools.wraps(original)
    def print_exception(*args: Any, **kwargs: Any) -> None:
        file = kwargs.get("file", args[4] if len(args) > 4 else None)
        if file is None or file is sys.stderr or file is sys.stdout:
            caller = _caller()
            teller = next((name for name in _ONLY_PRINTING if f"{caller}.".startswith(f"{name}.")), "")
            if teller:
                keep(sys.exc_info()[1], teller.partition(".")[0], _ONLY_PRINTING[teller])
            elif everything and caller != "logging":
                keep(next((one for one in args[:2] if isinstance(one, BaseException)), None), "printed", _PRINTED)
        original(*args, **kwargs)

    traceback.print_exception = print_exception


def _caller() -> str:
    """The module on whose behalf `traceback` prints."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_CALLERS):
        name = frame.f_globals.get("__name__", "") if frame is not None else ""
        if name not in _PRINTERS or frame is None:
            return str(name)
        frame = frame.f_back
    return ""
