"""How a recovery went: what the caller asks."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

from llama_logging.frozen import Frozen
from llama_logging.runtime import tasks
from llama_logging.tried import OutcomeStatus, RecoveryAttempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator
    from datetime import datetime


class Resolution(Frozen, kw_only=False):
    """The end of a recovery.

    Attributes:
        ready_at: Until then, on the monotonic clock, it is still under way; all that is left is to wait.
    """

    status: OutcomeStatus
    value: object = None
    detail: str = ""
    advice: str = ""
    retry_at: datetime | None = None
    ready_at: float = 0.0
    attempts: tuple[RecoveryAttempt, ...] = ()
    is_hint: bool = False

    def left(self) -> float:
        """Seconds until it is over."""
        return max(0.0, self.ready_at - time.monotonic())


class Outcome:
    """The recovery of one error, under way or over. Nothing here ever raises.

    True if what failed is worth trying again. Await it (`if await outcome:`) or `wait()` for it.
    """

    def __init__(self, error_id: str, end: Future[Resolution] | Resolution) -> None:
        self.error_id = error_id
        self._end = end

    @classmethod
    def settled(cls, error_id: str, status: OutcomeStatus, detail: str = "") -> Outcome:
        """An outcome that is over before it began."""
        return cls(error_id, Resolution(status, detail=detail))

    @classmethod
    def promised(cls, error_id: str) -> Outcome:
        """An outcome that is pending until it is told to `follow` another."""
        return cls(error_id, Future())

    def follow(self, other: Outcome) -> None:
        """Go from now on as *other* goes: once, of one that was promised."""
        mine, end = self._end, other._end
        assert not isinstance(mine, Resolution)
        if isinstance(end, Resolution):
            mine.set_result(end)
        else:
            end.add_done_callback(lambda over: mine.set_result(over.result()))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, *timeout* seconds at most; True if it is worth trying again.

        On an event loop this would stop the loop: await the outcome there.
        """
        if not isinstance(self._end, Resolution):
            until = math.inf if timeout is None else time.monotonic() + timeout
            try:
                end = self._end.result(timeout)
            except Exception:
                return False
            while (left := min(end.left(), until - time.monotonic())) > 0:
                time.sleep(left)
        return bool(self)

    def __await__(self) -> Generator[object, None, bool]:
        if not isinstance(self._end, Resolution):
            import asyncio  # who awaits has it

            yield from asyncio.shield(asyncio.wrap_future(self._end)).__await__()
            while left := self._end.result().left():
                yield from asyncio.sleep(left).__await__()
        return bool(self)

    def __bool__(self) -> bool:
        return self.status is OutcomeStatus.RECOVERED

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # Exceptions and records carry it, and go to other processes, which may not have this package, and where nothing
        # of the recovery is under way: there it is None. Else an application would be told of that, not of its error.
        return type(None), ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<Outcome {self.status} of {self.error_id or 'no error'}: {self.detail or 'no detail'}>"

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self._now is not _PENDING

    @property
    def status(self) -> OutcomeStatus:
        """How it went so far."""
        return self._now.status

    @property
    def value(self) -> object:
        """The strategy's result, or the value that stands in; None if there is none (yet)."""
        return self._now.value

    @property
    def is_hint(self) -> bool:
        """Whether the value is for another try, such as a smaller model, and stands in for no result."""
        return self._now.is_hint

    @property
    def detail(self) -> str:
        """What was done and seen, or why it failed or was refused."""
        return self._now.detail

    @property
    def advice(self) -> str:
        """What somebody should do, where no strategy can; empty if there is nothing to say."""
        return self._now.advice

    @property
    def retry_at(self) -> datetime | None:
        """When it is worth trying again, where that is known; aware UTC."""
        return self._now.retry_at

    @property
    def attempts(self) -> tuple[RecoveryAttempt, ...]:
        """What was tried, in order; empty while it is under way."""
        return self._now.attempts

    @property
    def _now(self) -> Resolution:
        if isinstance(self._end, Resolution):
            return self._end
        end = self._end.result() if self._end.done() else _PENDING
        return _PENDING if end.left() else end


def outcome() -> Outcome:
    """The recovery of the error this thread or asyncio task logged last; `none` if it logged none."""
    task = tasks.current()
    latest = _of_tasks.get(task) if task is not None else getattr(_of_thread, "latest", None)
    return latest if latest is not None else NONE


def remember(latest: Outcome) -> None:
    """Have `outcome()` give *latest* in this thread or task.

    Not by a ContextVar: on 3.11 a collection may run within `ContextVar.set`, and a `__del__` that logs
    there sets it again below its feet; the interpreter dies of it (measured: 2,000 such objects).
    """
    task = tasks.current()
    if task is not None:
        _of_tasks[task] = latest
    else:
        _of_thread.latest = latest


_PENDING = Resolution(OutcomeStatus.PENDING)
NONE = Outcome.settled("", OutcomeStatus.NONE)
"""Of an error that was not logged, or that no RecoveryHandler saw."""
_of_thread = threading.local()
_of_tasks: weakref.WeakKeyDictionary[asyncio.Task[object], Outcome] = weakref.WeakKeyDictionary()


def _forget() -> None:
    # What is under way at a fork goes on in the parent: a child that waits for it would wait for ever.
    _of_thread.__dict__.clear()
    _of_tasks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
