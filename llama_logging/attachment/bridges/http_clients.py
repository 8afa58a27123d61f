"""httpx and what else stands on httpcore: a failure that a client swallows is still evidence.

httpcore says at DEBUG what failed. Such a record becomes a breadcrumb, never an error, and only where
breadcrumbs are kept.
"""

from __future__ import annotations

import logging
import types
from typing import Any

from llama_logging import tap

NAMES = ("connection", "http11", "http2", "proxy", "socks")


def install(module: Any) -> None:
    """Have the failures that its loggers tell noted."""
    if tap.takes_notes():
        for name in NAMES:
            logger = logging.getLogger(f"{module.__name__}.{name}")
            # On these loggers alone, so that nobody else's debug() becomes dearer.
            logger.isEnabledFor = types.MethodType(_is_enabled_for, logger)  # type: ignore[method-assign]
            logger.handle = types.MethodType(_handle, logger)  # type: ignore[method-assign]


def _is_enabled_for(self: logging.Logger, level: int) -> bool:
    return True


def _handle(self: logging.Logger, record: logging.LogRecord) -> None:
    if tap.would_emit(self, record.levelno):
        type(self).handle(self, record)
    elif ".failed" in str(record.msg):
        tap.dispatch(record, stopped=True)
