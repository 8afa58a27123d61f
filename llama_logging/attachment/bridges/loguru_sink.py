"""loguru: a sink of ours below its handlers, which `logger.remove()` does not remove."""

from __future__ import annotations

import functools
import logging
from typing import Any

from llama_logging import tap

_KEY = -1  # loguru counts its own from 0; one of ours in that row would change the numbers it returns


def install(module: Any) -> None:
    """Add the sink, and again whenever all are removed."""
    logger = module.logger
    cls: Any = type(logger)
    original, shown = cls.remove, cls.__repr__

    @functools.wraps(original)
    def remove(self: Any, handler_id: int | None = None) -> None:
        original(self, handler_id)
        if handler_id is None:
            _add(logger)

    def __repr__(self: Any) -> str:
        ours = repr(self._core.handlers.get(_KEY))
        text: str = shown(self)
        return text.replace(f"{ours}, ", "").replace(ours, "")

    _add(logger)
    cls.remove = remove
    cls.__repr__ = __repr__  # its own diagnosis of an exception prints it
    tap.RELAYS.add("loguru._logger")


def _add(logger: Any) -> None:
    core = logger._core
    with core.lock:
        if _KEY in core.handlers:
            return
    number = logger.add(_take, level=tap.LEVEL, format=_nothing, backtrace=False, diagnose=False)
    with core.lock:
        handlers = core.handlers.copy()
        ours = handlers.pop(number)
        # First of all: a sink of the application may raise.
        core.handlers = {_KEY: ours, **handlers}
        ours._id = _KEY
        if core.handlers_count == number + 1:
            core.handlers_count = number


def _nothing(_: Any) -> str:
    return ""


def _take(message: Any) -> None:
    if tap.is_at_work():  # a record of `logging` that the application hands on to loguru
        return
    told = message.record
    error = told["exception"]
    said = {"event": told["message"], **told["extra"]} if told["extra"] else told["message"]
    tap.dispatch(
        logging.LogRecord(
            told["name"] or "loguru",
            told["level"].no,
            told["file"].path,
            told["line"],
            said,
            None,
            (error.type, error.value, error.traceback) if error is not None and error.value is not None else None,
            told["function"],
        )
    )
