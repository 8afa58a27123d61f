"""What this package itself says, through `logging`, to whom it may concern."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_is_wanted: Callable[[], bool] | None = None


def ask_first(is_wanted: Callable[[], bool]) -> None:
    """Say from now on only what *is_wanted*, which is asked each time."""
    global _is_wanted
    _is_wanted = is_wanted


def say(name: str, level: int, message: str, *args: object, **more: Any) -> None:
    """Log on the logger `llama_logging.` *name*; *more* as for `Logger.log`.

    dictConfig disables every logger that is there already, unless told otherwise; and ours are, for the
    handlers that it has just made have imported them. Who wants to hear nothing sets their level.
    """
    if _is_wanted is not None and not _is_wanted():
        return
    above = logging.getLogger("llama_logging")
    if not above.handlers:
        # Else what nobody has configured logging for would be printed, into the output of an application under `run`.
        above.addHandler(logging.NullHandler())
    logger = logging.getLogger(f"llama_logging.{name}")
    logger.disabled = False
    logger.log(level, message, *args, stacklevel=2, **more)
