"""httpx, httpx2 and what else stands on httpcore or httpcore2: a failure that a client swallows is still evidence.

httpcore says at DEBUG what failed. Such a record becomes a breadcrumb where breadcrumbs are kept, and
an error where `run --swallowed` asks for that: many are tried again, and come to nothing.
"""

from __future__ import annotations

import logging
import sys
import types
from types import FrameType, TracebackType
from typing import Any

from llama_logging import tap
from llama_logging.attachment import hooks
from llama_logging.attachment.run import SWALLOWED, is_asked
from llama_logging.context import ErrorSeverity

NAMES = ("connection", "http11", "http2", "proxy", "socks")

_DEEPEST = 200
"""Calls that led to a request, of which an error tells."""


def install(module: Any) -> None:
    """Have the failures that its loggers tell noted."""
    as_errors = is_asked(SWALLOWED)
    if as_errors or tap.takes_notes():
        for name in NAMES:
            logger = logging.getLogger(f"{module.__name__}.{name}")
            # On these loggers alone, so that nobody else's debug() becomes dearer.
            logger.isEnabledFor = types.MethodType(_is_enabled_for, logger)  # type: ignore[method-assign]
            logger.handle = types.MethodType(_keep if as_errors else _note, logger)  # type: ignore[method-assign]


def _is_enabled_for(self: logging.Logger, level: int) -> bool:
    return True


def _note(self: logging.Logger, record: logging.LogRecord) -> None:
    if tap.would_emit(self, record.levelno):
        type(self).handle(self, record)
    elif ".failed" in str(record.msg):
        tap.dispatch(record, stopped=True)


def _keep(self: logging.Logger, record: logging.LogRecord) -> None:
    _note(self, record)
    error = sys.exception()
    if error is not None and ".failed" in str(record.msg):
        # WARNING: whether anybody misses the answer is not known here. If it is logged, it is the same error.
        whole = _from_the_outermost(error.__traceback__, sys._getframe())
        hooks.keep(error, SWALLOWED, ErrorSeverity.WARNING, self.name, whole)


def _from_the_outermost(tb: TracebackType | None, frame: FrameType | None) -> TracebackType | None:
    """*tb* with the calls before it: the application's own, whose frames no exception has left yet."""
    begun = tb.tb_frame if tb is not None else None
    while frame is not None and frame is not begun:
        frame = frame.f_back
    for _ in range(_DEEPEST):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            break
        tb = TracebackType(tb, frame, frame.f_lasti, frame.f_lineno)
    return tb
