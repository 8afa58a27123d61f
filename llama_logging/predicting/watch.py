"""When what was noted is looked at: by a thread of its own, or within the logging call; over forks and closing."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from logging import LogRecord

from llama_logging.config.mistakes import warn
from llama_logging.predicting.notes import Notes
from llama_logging.predicting.settings import Settings
from llama_logging.predicting.shift import Shift
from llama_logging.registry import Store
from llama_logging.runtime import forks
from llama_logging.runtime.background import Worker, ours, waited
from llama_logging.runtime.state import absolute

RETRY_AFTER = 30.0
"""Seconds for which a thread that could not be started is not tried again."""
CLOSE_TIMEOUT = 2.0
"""Seconds that closing, and so the end of the process, may be delayed."""


class Watch:
    """Has a shift look at what is noted; in the background, or inline.

    The thread is started by the first record and again after a fork, never in the constructor.

    Args:
        settings: What the YAML says.
        open_store: Gives a store for the thread.
        folder: Where what was learned is kept, unless the settings name another.
        clock: Seconds since the epoch; tests pass their own. Inline, the records' own time counts.

    Attributes:
        awake: Whether its thread runs, in the process `pid`; else it must be told to attend.
    """

    def __init__(
        self,
        settings: Settings,
        open_store: Callable[[], Store],
        folder: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self._open_store, self._clock = settings, open_store, clock
        self._folder = absolute(os.path.expanduser(settings.state)) if settings.state else folder
        self.notes = Notes(settings.queue, settings.error_level, settings.ignore)
        self._worker = Worker("llama_logging-prediction")
        self._turn = threading.Lock()
        self._begin()

    def attend(self, record: LogRecord) -> None:
        """Make sure that what was noted is looked at, *record* as the latest of it."""
        if self.pid != forks.look():
            self._after_fork()
            self.notes.note(record)
        if self.settings.inline:
            self._look_inline(record.created)
        elif not self.awake:
            self._wake()

    def close(self) -> None:
        """Learn from what has come, keep it, and let go of everything; a later record begins again."""
        if self.pid != os.getpid():
            return  # all of it is the parent's
        self._stop.set()
        if self.awake:
            if not self._worker.finish(CLOSE_TIMEOUT):
                self.shift.release()  # the thread waits for something, and is left behind
        elif self.shift.learner is not None and self._turn.acquire(blocking=False):
            try:
                with ours():
                    self.shift.end(self._looked if self.settings.inline else self._clock())
            finally:
                self._turn.release()
        self._begin()

    def _begin(self) -> None:
        self.pid = os.getpid()
        self.awake = False
        self._retry_at = 0.0
        self._looked = -math.inf
        self._stop = threading.Event()
        self.shift = Shift(self.settings, self.notes, self._folder, self._open_store)

    def _after_fork(self) -> None:
        # What waits, and what was learned so far, is the parent's; so may be the lock.
        self.shift.books.abandon()
        self._turn = threading.Lock()
        self.notes.forget()
        self._begin()

    def _wake(self) -> None:
        if time.monotonic() < self._retry_at or sys.is_finalizing():
            return
        stop, shift = self._stop, self.shift
        self.awake = self._worker.submit(lambda: self._run(stop, shift))
        if not self.awake:
            self._retry_at = time.monotonic() + RETRY_AFTER

    def _run(self, stop: threading.Event, shift: Shift) -> None:
        pid = os.getpid()
        while not waited(stop, self.settings.tick):
            if os.getpid() != pid:
                return  # a greenlet goes on after a fork; its shift is the parent's
            _look(shift, self._clock())
        if self._stop is stop:
            shift.end(self._clock())
        else:
            shift.books.close()

    def _look_inline(self, now: float) -> None:
        if abs(now - self._looked) >= self.settings.tick and self._turn.acquire(blocking=False):
            try:
                self._looked = now
                with ours():
                    _look(self.shift, now)
            finally:
                self._turn.release()


def _look(shift: Shift, now: float) -> None:
    try:
        shift.step(now)
    except Exception as error:
        # An unforeseen fault must not end it: the next records may be others.
        warn(f"PredictionHandler: {type(error).__name__}: {error}")
