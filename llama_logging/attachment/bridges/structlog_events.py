"""structlog: events that it prints or writes by itself, without `logging`."""

from __future__ import annotations

import logging
import sys
import types
from types import FrameType
from typing import Any

from llama_logging import tap
from llama_logging.config.mistakes import warn

_LEVELS = {"error": 40, "exception": 40, "aerror": 40, "aexception": 40, "critical": 50, "fatal": 50, "failure": 40}
_ADOPTED = "structlog._llama_logging"
_AIRFLOW = "airflow.sdk.execution_time.supervisor"
"""Says once more what a process of its own has said, for each of its logs: there it was seen."""


def install(module: Any) -> None:
    """Capture each event of level ERROR, after its processors: what they drop is none."""
    # structlog looks for the caller beyond all modules whose name begins with its own, so the
    # function must seem to be of one.
    names = {"__name__": _ADOPTED, "_original": module.BoundLoggerBase._process_event, "_take": _take}
    module.BoundLoggerBase._process_event = types.FunctionType(_process_event.__code__, names)


def _process_event(self, method_name, event, event_kw):  # type: ignore[no-untyped-def]
    given = dict(event_kw)
    result = _original(self, method_name, event, event_kw)  # type: ignore[name-defined]  # noqa: F821
    _take(self, method_name, event, given)
    return result


def _take(bound: Any, method: str, event: Any, given: dict[str, Any]) -> None:
    level = _LEVELS.get(method)
    if level is None or isinstance(bound._logger, logging.Logger | logging.LoggerAdapter) or tap.is_at_work():
        return
    try:
        record = _record(bound, level, method, event, given)
    except Exception as error:  # another version of structlog, or what stands in the place of a part of it
        warn(f"an error was not kept: {type(error).__name__}: {error}")
        return
    if record is not None:
        tap.dispatch(record)


def _record(bound: Any, level: int, method: str, event: Any, given: dict[str, Any]) -> logging.LogRecord | None:
    frame = _caller(bound)
    module = str(frame.f_globals.get("__name__", "structlog"))
    if module == _AIRFLOW and "lineno" in given:
        return None
    # As merge_contextvars has them, which is among the processors unless an application leaves it out.
    told = {**sys.modules["structlog"].contextvars.get_contextvars(), **bound._context, **given}
    error = _exception(told.pop("exc_info", method.endswith("exception")))
    name = told.pop("logger", None) or getattr(bound._logger, "name", None) or module
    code = frame.f_code
    return logging.LogRecord(
        str(name), level, code.co_filename, frame.f_lineno, {**told, "event": event}, None, error, code.co_name
    )


def _caller(bound: Any) -> FrameType:
    """Who has logged, maybe on another thread; beyond the modules of the application around structlog that it names."""
    structlog: Any = sys.modules["structlog"]
    inner = [__name__]
    for processor in bound._processors:
        if isinstance(processor, structlog.processors.CallsiteParameterAdder):
            inner += getattr(processor, "_additional_ignores", ())
    frame: FrameType = structlog._frames._find_first_app_frame_and_name(inner)[0]
    return frame


def _exception(given: Any) -> Any:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if isinstance(given, tuple):
        return given if given[1:2] != (None,) else None
    active = sys.exc_info()
    return active if given and active[1] is not None else None
