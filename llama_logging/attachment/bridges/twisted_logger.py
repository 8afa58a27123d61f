"""Twisted: events of its own log, which it hands on to `logging` only where an application asks for that."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from llama_logging import tap

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40, "critical": 50}
_NO_ERRORS = ("stderr", "twisted.internet.defer")
"""What they say without a failure is a line that was printed, or that a failure comes next."""
_OWN = ("twisted.logger.", "twisted.python.log.", "twisted.python.threadable.")
_OF_AN_EVENT = frozenset(("time", "message", "format", "isError", "failure", "why", "system", "logLevel"))
"""What `twisted.python.log` has besides the application's own data."""


def install(module: Any) -> None:
    """Observe what is published to all, before and after logging begins."""
    tap.RELAYS.add("twisted.logger._stdlib")
    module.globalLogPublisher.addObserver(_take)


def _take(event: Mapping[str, Any]) -> None:
    is_older = event.get("log_namespace") in (None, "log_legacy")
    failure = event.get("log_failure") or (event.get("failure") if is_older else None)
    level = _LEVELS.get(getattr(event.get("log_level"), "name", ""), 0)
    if failure is None and (level < tap.LEVEL or event.get("log_namespace") in _NO_ERRORS):
        return
    if tap.is_at_work() or _is_told_again():
        return
    # An older one's text has the traceback in it.
    is_told = failure is None or not is_older
    text = sys.modules["twisted.logger"].formatEvent(event) if is_told else event.get("why")
    extra = {key: event[key] for key in event if key[:4] != "log_" and not (is_older and key in _OF_AN_EVENT)}
    text, frame = text or "Unhandled Error", _caller()
    record = logging.LogRecord(
        str(frame.f_globals.get("__name__", "twisted") if is_older else event["log_namespace"]),
        level,
        frame.f_code.co_filename,
        frame.f_lineno,
        {**extra, "event": text} if extra else text,
        None,
        None if failure is None else (failure.type, failure.value, failure.getTracebackObject()),
        frame.f_code.co_name,
    )
    tap.dispatch(record)


def _caller() -> FrameType:
    frame: FrameType = sys._getframe(2)
    while frame.f_back is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_OWN):
        frame = frame.f_back
    return frame


def _is_told_again() -> bool:
    """Whether logging begins just now: what came before is published once more, for those who had not begun."""
    module = sys.modules["twisted.logger._global"]
    early = getattr(module.globalLogBeginner, "_temporaryObserver", None)
    return early is not None and early not in getattr(module.globalLogPublisher, "_observers", (early,))
