"""What is made when the first error comes: handlers that react to it, and filters of the application's own.

To import what recovery, reports and predictions need takes a tenth of a second, and the application's
thread is in the midst of its work: they are made on a thread of their own. A filter has to answer at once.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llama_logging import tap
from llama_logging.capture.capturing import capture
from llama_logging.capture.records import OUTCOME, PROMISED
from llama_logging.config.mistakes import warn
from llama_logging.exceptions import ConfigError
from llama_logging.handlers import hand_back
from llama_logging.runtime import forks
from llama_logging.runtime.background import is_ours, lending
from llama_logging.runtime.native import may_have_threads

if TYPE_CHECKING:
    from llama_logging.recovery.outcome import Outcome

CAPACITY = 1_000
"""Records that wait at most; of more, the oldest are not reacted to."""
EXIT_TIMEOUT = 2.0
"""Seconds that the end of the process may be delayed by a handler that is being made."""


class LateSink(tap.Sink):
    """A sink whose handler is made on another thread; what comes meanwhile waits there, captured.

    Args:
        answers: Whether the handler tells how a recovery goes: whoever asks before there is one gets a promise of it.
    """

    def __init__(
        self,
        make: Callable[[], logging.Handler],
        *,
        below: tuple[str, ...] = ("",),
        notes: bool = False,
        answers: bool = False,
    ) -> None:
        super().__init__(make, below=below, notes=notes)
        self._answers = answers
        self._waiting: deque[tuple[logging.LogRecord, Outcome | None]] = deque(maxlen=CAPACITY)
        # By process: a child has no thread that is at it.
        self._makers: dict[int, _Maker] = {}

    def hand_over(self, record: logging.LogRecord) -> None:
        """Let the handler have *record*, once there is one."""
        if self._handler is not None or is_ours():
            self._catch_up()
            super().hand_over(record)
            return
        promised = None
        # Here: where it was logged, and what is being handled, cannot be told elsewhere.
        if record.levelno >= tap.LEVEL or record.exc_info:
            error = capture(record)
            if self._answers and error is not None:
                promised = _promise(record, error.error_id)
        self._waiting.append((record, promised))
        # The handler may have come just now.
        if self._handler is not None or not self._is_being_made():
            self._catch_up()

    def settle(self, deadline: float) -> None:
        """Wait for the handler, and until it has what waits; at most until *deadline* on the monotonic clock."""
        maker = self._makers.get(forks.look())
        if maker is not None and maker is not threading.current_thread():
            maker.done.wait(max(0.0, deadline - time.monotonic()))

    def _is_being_made(self) -> bool:
        """Whether a thread is at it, or could be started."""
        if not may_have_threads():
            return False
        maker = _Maker(self._make_it)
        # setdefault is atomic: of two threads one begins.
        if self._makers.setdefault(forks.pid, maker) is maker:
            try:
                maker.start()
            except RuntimeError:  # no more threads, or the interpreter is on its way out
                self._makers.pop(forks.pid, None)
                return False
            # What is registered last comes first: before handlers finish what they have begun.
            atexit.register(tap.settle, EXIT_TIMEOUT)
        return True

    def _make_it(self) -> None:
        try:
            self._catch_up()
        except Exception as error:
            while self._waiting:
                _keep(self._waiting.popleft()[1], None)
            self._makers.pop(forks.pid, None)
            warn(f"errors are not reacted to: {type(error).__name__}: {error}")

    def _catch_up(self) -> None:
        # Of two threads each takes what the other has left.
        while self._waiting:
            try:
                record, promised = self._waiting.popleft()
            except IndexError:
                return
            try:
                super().hand_over(record)
            finally:
                _keep(promised, record.__dict__.get(OUTCOME))


class LateFilter:
    """A filter of the application's own, which cannot be imported before that has begun.

    What cannot be made, or fails, lets all pass: that is told once, and errors are kept.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None
        self._has_failed = False

    def filter(self, record: logging.LogRecord) -> Any:
        """As the filter that it stands for."""
        try:
            if self._made is None:
                self._made = self._make()
                # What `doctor` calls it.
                self.__qualname__ = getattr(self._made, "__qualname__", type(self._made).__qualname__)
            return (self._made.filter if hasattr(self._made, "filter") else self._made)(record)
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                warn(f"a filter lets all pass: {error if isinstance(error, ConfigError) else repr(error)}")
            return True


def _promise(record: logging.LogRecord, error_id: str) -> Outcome:
    """An outcome for whoever asks as soon as the logging call has returned."""
    # Here: it is a millisecond that nobody needs whose errors are only kept.
    from llama_logging.recovery.outcome import Outcome, remember

    promised = Outcome.promised(error_id)
    remember(promised)
    record.__dict__[PROMISED] = True
    hand_back(record, promised)
    return promised


def _keep(promised: Outcome | None, outcome: Outcome | None) -> None:
    """Have *promised* go as *outcome* does; None where no recovery handler has taken the error."""
    if promised is not None:
        from llama_logging.recovery.outcome import NONE

        promised.follow(outcome if outcome is not None else NONE)


class _Maker(threading.Thread):
    """Does *work*; what is begun in it may be the last that can be: at the end of a process no thread starts any more.

    Attributes:
        done: Set once it is.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(name="llama_logging-making", daemon=True)
        self._work, self.done = work, threading.Event()

    def run(self) -> None:
        lending(self._do)

    def _do(self) -> None:
        # Whole, before any part of it: see stores.kind_of_store.
        import llama_logging.registry  # noqa: F401 - as said there

        try:
            self._work()
        finally:
            self.done.set()


def _before_fork() -> None:
    # A child has no other threads: what one of them is importing it could never import.
    tap.settle(EXIT_TIMEOUT)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
