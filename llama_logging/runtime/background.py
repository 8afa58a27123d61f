"""Work off the caller's thread: daemon threads of this process, started when first needed."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from llama_logging.runtime import signals
from llama_logging.runtime.native import may_have_threads

if TYPE_CHECKING:
    import queue

Job = Callable[[], object]


class _Local(threading.local):
    # Of the class: to find that an attribute is missing costs five times as much.
    ours = False
    apart = False
    lends = False
    borrower: Worker | None = None


_local = _Local()


def is_ours() -> bool:
    """Whether this thread works for us: what it logs is recorded, but neither reported nor recovered from.

    A callback that logs an error would otherwise be called with it, and so on.
    """
    return _local.ours


def is_apart() -> bool:
    """Whether what this thread logs tells nothing of the application: it works for us, or tries a recovery."""
    return _local.apart


def is_recovering() -> bool:
    """Whether this thread tries a recovery."""
    return _local.apart and not _local.ours


def stand_apart() -> None:
    """Say that this thread, one of our own making, runs what is no part of the application's work."""
    _local.apart = True


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Within this block, this thread works for us."""
    before = _local.ours, _local.apart
    _local.ours = _local.apart = True
    try:
        yield
    finally:
        _local.ours, _local.apart = before


def lending(work: Callable[[], object]) -> None:
    """Do *work*; then this thread belongs to a Worker that was begun in it and could start none of its own."""
    _local.lends = True
    try:
        work()
    finally:
        _local.lends = False
        if _local.borrower is not None:
            _work(_local.borrower._jobs, _local.borrower._unfinished)


class Thread(threading.Thread):
    """A daemon thread of ours: it ends with the process, and nobody who waits for all threads is to wait for it."""

    def __init__(self, name: str, work: Callable[..., object], *args: object) -> None:
        super().__init__(target=work, args=args, name=name, daemon=True)

    def join(self, timeout: float | None = None) -> None:
        """Return at once: a script that joins all that `threading.enumerate` tells of would never end."""


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Within this block, in which a thread of ours waits, `threading.enumerate` and `active_count` tell nothing of it.

    Scripts wait until no thread is left but their first, and tests ask whether they have left one behind. Nor does a
    signal come to it.
    """
    with signals.blocked():
        # Where `current_thread` looks as well: what runs within must not ask for it.
        seen, this = getattr(threading, "_active", {}), threading.get_ident()
        thread = seen.pop(this, None)
        try:
            yield
        finally:
            if thread is not None:
                seen[this] = thread


def waited(event: threading.Event, timeout: float) -> bool:
    """Whether *event* came within so many seconds; meanwhile this thread is `unseen`."""
    with unseen():
        return event.wait(timeout)


class Worker:
    """Runs jobs in their order on a few threads.

    A job that is refused is the caller's to count; a job that raises is its own concern and ends
    nothing. After a fork the child begins with an empty queue and no thread. Its threads end once
    nobody refers to it any more, and what was waiting is done.

    Args:
        name: Name of the threads.
        threads: How many jobs may run at once.
        capacity: How many jobs may wait; one more is refused.
    """

    def __init__(self, name: str, *, threads: int = 1, capacity: int = 1000) -> None:
        self._name, self._threads, self._capacity = name, threads, capacity
        self._begin()

    def submit(self, job: Job) -> bool:
        """Have *job* run soon; False if too many wait or no thread can be started."""
        # Up to 3.11, a thread started then never runs, and its `start` waits for it for ever.
        if sys.is_finalizing():
            return False
        if self._pid != os.getpid():
            self._begin()
        if self._jobs.qsize() >= self._capacity or not self._staffed():
            return False
        self._unfinished.add(job)
        self._jobs.put(job)
        return True

    def finish(self, timeout: float) -> bool:
        """Wait until the jobs that were waiting are done, *timeout* seconds at most."""
        deadline = time.monotonic() + timeout
        while self._pid == os.getpid() and self._unfinished:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _begin(self) -> None:
        import queue  # here and not above: few have something done

        self._pid = os.getpid()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._unfinished: set[Job] = set()
        self._running = 0
        self._starting = threading.Lock()

    def _staffed(self) -> bool:
        if self._running >= self._threads:
            return True
        # Try-lock: a caller that finds another one starting a thread does not wait for it.
        if self._starting.acquire(blocking=False):
            try:
                if not may_have_threads():
                    return False
                jobs = self._jobs
                # Not a method: the threads of handlers that were configured anew would keep all of these.
                until = weakref.ref(self, lambda _: jobs.put(None))
                Thread(self._name, _work, jobs, self._unfinished, until).start()
                self._running += 1
            except RuntimeError:  # no more threads, or the interpreter is on its way out
                return self._running > 0 or self._borrowed()
            finally:
                self._starting.release()
        return True

    def _borrowed(self) -> bool:
        """Whether this thread, that of `lending`, will do the work."""
        if not _local.lends:
            return False
        _local.lends, _local.borrower = False, self
        self._running += 1
        return True


def _work(jobs: queue.SimpleQueue[Job | None], unfinished: set[Job], until: object = None) -> None:
    """Do *jobs* up to one that is None, which *until*, a reference that is to live as long as the thread, brings."""
    _local.ours = _local.apart = True
    while (job := _next(jobs)) is not None:
        with contextlib.suppress(BaseException):
            job()
        unfinished.discard(job)
        del job


def _next(jobs: queue.SimpleQueue[Job | None]) -> Job | None:
    with unseen():
        return jobs.get()
