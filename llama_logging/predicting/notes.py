"""What the threads of the application leave for the predictor: the little it needs of each record."""

from __future__ import annotations

import functools
import itertools
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from llama_logging.capture.records import CONTEXT
from llama_logging.prediction.forecast import Observation
from llama_logging.prediction.templates import template
from llama_logging.redaction import clean
from llama_logging.runtime.background import is_apart

KNOWN = 4_096
"""Messages whose template is remembered."""
KEPT = 1_000
"""Characters of a message that are noted: more than a template has, so that no half of a secret is left in it."""
NUMBERS = 4
"""Arguments that are kept, if they are numbers."""

_KNOWN_LOGGERS = 5_000
_OURS = "llama_logging"
_Numbers = tuple[int | float, ...]
_Note = tuple[float, int, str, str, _Numbers, bool, tuple[str, str] | None]
_NONE: _Numbers = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as the predictor sees it, and the error that it was captured as; empty if it was none."""

    observation: Observation
    error_id: str = ""


class Notes:
    """A bounded queue between the threads that log and the one that predicts.

    To note a record formats nothing, takes no lock and runs no code of the application's; of the arguments
    numbers alone are kept, so that nothing stays alive for it.

    Args:
        size: Records that may wait; more are dropped, and counted.
        error_level: From this level on a record is an error.
        ignore: Names of loggers that are passed over, with those below them.
    """

    def __init__(self, size: int, error_level: int = logging.ERROR, ignore: tuple[str, ...] = ()) -> None:
        self._size, self._error_level = size, error_level
        self._ignore = tuple(f"{name}." for name in (_OURS, *ignore))
        self._wanted: dict[str, bool] = {}
        self._created, self._id, self._message = 0.0, 0, 0
        self.forget()

    def forget(self) -> None:
        """Begin anew, as after a fork: what waits is somebody else's."""
        self._waiting: deque[_Note] = deque()
        self._overflow = itertools.count(1)
        self.dropped = 0

    def note(self, record: logging.LogRecord) -> bool:
        """Leave what is needed of *record*; whether it was one to be noted at all."""
        name, created = record.name, record.created
        wanted = self._wanted.get(name)
        if wanted is None:
            wanted = self._is_wanted(name)
        message: Any = record.msg
        # One that comes by two ways, from a logger and its parent, is one. Where the clock stands still, the next
        # may lie where this one did, with another message.
        alike = created == self._created and id(record) == self._id and id(message) == self._message
        if not wanted or alike or is_apart():
            return False
        self._created, self._id, self._message = created, id(record), id(message)
        if len(self._waiting) >= self._size:
            self.dropped = next(self._overflow)
            return True
        arguments: Any = record.args
        if type(message) is not str:
            message, arguments = _told(message)
        elif len(message) > KEPT:
            message = message[:KEPT]
        # By exact type: what is derived from one may run anything, and be kept alive with all it refers to.
        kind = type(arguments)
        has_arguments, numbers = arguments is not None, _NONE
        if kind is tuple or kind is dict:
            has_arguments = len(arguments) > 0
            if has_arguments:
                numbers = _numbers(arguments if kind is tuple else list(arguments.values()))
        level, error = record.levelno, None
        if level >= self._error_level:
            context = record.__dict__.get(CONTEXT)
            error = None if context is None else (context.fingerprint, context.error_id)
        self._waiting.append((created, level, name, message, numbers, has_arguments, error))
        return True

    def take(self) -> list[Seen]:
        """What has come, in the order of its time."""
        waiting, found = self._waiting, []
        for _ in range(len(waiting)):
            found.append(waiting.popleft())
        return [_seen(note) for note in sorted(found, key=itemgetter(0))]

    def _is_wanted(self, name: str) -> bool:
        if len(self._wanted) >= _KNOWN_LOGGERS:
            self._wanted.clear()
        wanted = self._wanted[name] = not f"{name}.".startswith(self._ignore)
        return wanted


def _told(message: object) -> tuple[str, Any]:
    """What stands for a message that is no text: of structlog's and others' data the event, else the type."""
    if type(message) is dict:
        event = message.get("event")
        if type(event) is str:
            return event[:KEPT], message
    return type(message).__name__, None


def _numbers(arguments: Sequence[object]) -> _Numbers:
    found = _NONE
    for argument in arguments:
        if type(argument) is int or type(argument) is float:
            found += (argument,)
            if len(found) == NUMBERS:
                break
    return found


@functools.lru_cache(KNOWN)
def _template(name: str, message: str, has_arguments: bool) -> str:
    # It is written to disks and told to people: secrets go first, before half of one is cut off.
    return template(clean(name, KEPT), clean(message, KEPT), has_arguments)


def _seen(note: _Note) -> Seen:
    created, level, name, message, numbers, has_arguments, error = note
    group, error_id = error or ("", "")
    observation = Observation(
        at=created,
        level=level,
        template=_template(name, message, has_arguments),
        group=group,
        numbers=tuple([float(number) for number in numbers if _is_plain(number)]),
    )
    return Seen(observation, error_id)


def _is_plain(number: int | float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an int that no float can hold
        return False
