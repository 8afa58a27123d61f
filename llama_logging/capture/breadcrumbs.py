"""The records just before an error, kept cheaply: nothing is formatted until an error comes.

Each thread and each asyncio task has a trail of its own, so that what another request did is not
mistaken for what led here.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from llama_logging.capture.records import event_of, is_quiet
from llama_logging.context import Breadcrumb, ErrorSeverity
from llama_logging.redaction import clean, clean_data, message_of
from llama_logging.runtime import tasks

if TYPE_CHECKING:
    import asyncio

MAX_TEXT = 500
"""Characters of one breadcrumb's message that are kept."""
FULL_FOR = 10
"""So many errors of one group carry their breadcrumbs; after that every tenth does."""

_KNOWN_GROUPS = 10_000

_APART = "_llama_logging_apart"

Trail = deque[logging.LogRecord]


class Trails:
    """The trails of this process.

    Attributes:
        size: How many records each keeps; 0 for none.
    """

    def __init__(self) -> None:
        self.size = 0
        self._of_thread = threading.local()
        self._of_tasks: weakref.WeakKeyDictionary[asyncio.Task[object], Trail] = weakref.WeakKeyDictionary()
        self._seen: dict[str, int] = {}

    def keep(self, size: int) -> None:
        """Keep at least *size* records from now on; what another handler asked for stays."""
        self.size = max(self.size, size)

    def note(self, record: logging.LogRecord) -> None:
        """Remember *record*, with its arguments as they are; once, if two handlers see it."""
        trail = self._trail()
        if record.exc_info:
            record = record.__dict__.get(_APART) or _apart(record)
        if not trail or trail[-1] is not record:
            trail.append(record)

    def is_quiet(self) -> bool:
        """Whether what this thread or task logged last can be told without running any code of the application's."""
        return not self.size or all(map(is_quiet, list(self._trail())))

    def before(self, fingerprint: str) -> tuple[Breadcrumb, ...]:
        """What this thread or task logged last, oldest first; empty where a group has enough of them."""
        if not self.size:
            return ()
        count = self._seen.get(fingerprint, 0) + 1
        if len(self._seen) >= _KNOWN_GROUPS:
            self._seen.clear()
        self._seen[fingerprint] = count
        if count > FULL_FOR and count % 10:
            return ()
        return tuple(_breadcrumb(record) for record in list(self._trail()))

    def _trail(self) -> Trail:
        task = tasks.current()
        if task is not None:
            found = self._of_tasks.get(task)
            if found is None:
                found = self._of_tasks[task] = deque(maxlen=self.size)
            return found
        trail: Trail | None = getattr(self._of_thread, "trail", None)
        if trail is None or trail.maxlen != self.size:
            trail = self._of_thread.trail = deque(trail or (), maxlen=self.size)
        return trail


TRAILS = Trails()
"""The ones that `capture` looks at."""


def _apart(record: logging.LogRecord) -> logging.LogRecord:
    """*record* without its exception: a thread that waits for work would keep all that is in its frames alive."""
    apart = object.__new__(type(record))
    apart.__dict__.update(record.__dict__, exc_info=None)
    record.__dict__[_APART] = apart
    return apart


def _breadcrumb(record: logging.LogRecord) -> Breadcrumb:
    try:
        said: object = record.msg
        if type(said) is dict:  # structlog, and others that log data
            message = clean(str(event_of(said, clean_data)), MAX_TEXT)
        else:
            message = clean(message_of(record), MAX_TEXT)
    except BaseException as error:
        message = f"[arguments not formatted: {type(error).__name__}]"
    return Breadcrumb(
        created=record.created,
        severity=ErrorSeverity.from_level(record.levelno),
        logger_name=clean(record.name, 200),
        message=message,
    )
