"""Which exceptions were captured before: one that several layers log is one error."""

from __future__ import annotations

import time

from llama_logging.capture import marks
from llama_logging.runtime.slots import cause_of, members_of

SAME_FOR = 60.0
"""Seconds in which one exception that is logged again is the same error."""
MARK = "__llama_logging_error__"
"""Where an exception that was captured says so."""

_LONGEST = 50
_REMEMBERED = 4_096
"""Errors that one who takes them knows again, and at most as many before these."""


class Taken:
    """The latest errors that somebody has taken: of several layers' the first may have gone past him."""

    def __init__(self) -> None:
        self._latest: dict[str, None] = {}
        self._before: dict[str, None] = {}

    def __contains__(self, error_id: object) -> bool:
        return error_id in self._latest or error_id in self._before

    def add(self, error_id: str) -> None:
        """He has this one."""
        self._latest[error_id] = None
        if len(self._latest) > _REMEMBERED:
            self._before, self._latest = self._latest, {}


def captured_before(exception: BaseException, now: float) -> str:
    """The error_id under which *exception*, or one it was raised from, was captured; empty if it was not.

    Only explicit causes count: in a retry loop each failure has the one before as its context. A group
    of one is raised from its member: a TaskGroup's, in which one task failed and logged it. And only
    for a while: some programs keep an exception and raise it again and again.

    Args:
        exception: What was logged.
        now: Seconds since the epoch.
    """
    error: BaseException | None = exception
    for _ in range(_LONGEST):
        if error is None:
            break
        mark = marks.get(error, MARK)
        if type(mark) is tuple and now - mark[1] < SAME_FOR:
            return str(mark[0])
        error = _origin(error)
    return ""


def error_id(error: BaseException) -> str:
    """Under which id *error*, or what it was raised from, was logged just now: to be told to whom it was a failure for.

    Returns:
        What `llama-logging show` takes; empty if it was not logged within the last minute.
    """
    return captured_before(error, time.time())


def _origin(error: BaseException) -> BaseException | None:
    cause: BaseException | None = cause_of(error)
    if cause is None and issubclass(type(error), BaseExceptionGroup):
        members = members_of(error)
        return members[0] if len(members) == 1 else None
    return cause


def mark_captured(exception: BaseException, error_id: str, now: float) -> None:
    """Have `captured_before` know *exception*; no reference to it is kept."""
    marks.put(exception, MARK, (error_id, now))
