"""Journal → store, exactly once; also what dead processes left behind."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from llama_logging.exceptions import StoreError
from llama_logging.journal.folders import Identity, identity
from llama_logging.journal.reading import Piece, Reader, journals
from llama_logging.runtime import forks, signals
from llama_logging.runtime.native import breathe, may_have_threads, original
from llama_logging.wire import error_ids

if TYPE_CHECKING:
    from llama_logging.registry import Store

BUSY_PAUSE = 0.25
IDLE_PAUSE = 1.0
"""Seconds between two looks at the journals: from the first, doubling to the second while nothing comes."""
LOOK_AGAIN = 10.0
"""Seconds after which a journal is looked at in which there is nothing new: its process may have died."""
ASK_AGAIN = 300.0
"""Seconds after which the store is asked anew how much of such a journal it has: another server may have less."""
TEND_EVERY = 1.0
"""Seconds between two calls of what tends the journal of this process."""
RETRY_AFTER = 10.0
"""Seconds until a thread that could not be started is tried again."""
BATCH_BYTES = 2**20
"""So much of a journal goes into the store in one transaction."""
TOGETHER = 64
"""So many journals that are done with are removed at once: the disk is waited for once for all of them."""
NONE = ""
"""A name that no journal has."""
STEP_BYTES = 2**16
"""So much of it is read before other threads get the interpreter."""


def ingest(store: Store, directories: Sequence[str], *, path: str | None = None, deadline: float | None = None) -> int:
    """Bring all that lies in *directories* into *store*, and remove the journals of dead processes.

    Args:
        path: The store's file, if it is one.
        deadline: When to stop, on `time.monotonic`; None to go on to the end.

    Returns:
        How many bytes were taken in.

    Raises:
        StoreError: If the store cannot be written, or takes a journal of several in no more; these stay as they are.
    """
    intake = Intake(store, directories, path=path)
    taken = intake.run(deadline)
    if intake.failure is not None:
        raise intake.failure
    return taken


def waiting(store: Store | None, directories: Sequence[str]) -> int:
    """How many errors lie in *directories* and not yet in *store* (None: in no store)."""
    count = 0
    for path in journals(directories):
        with contextlib.suppress(OSError), Reader(path) as reader:
            start = reader.unread(*store.reached(reader.name)) if store is not None else 0
            while (piece := reader.read(start)).end > start:
                count += len(error_ids(piece.frames))
                start = piece.end
    return count


class Intake:
    """Brings journals into one store, as often as asked.

    Args:
        store: Used by this alone.
        directories: Where the journals lie.
        path: The store's file, if it is one.
        breathe: Called every now and then, to let other threads have the interpreter.
        arrived: Called with the number of errors so far, which are counted for it alone.

    Attributes:
        errors: How many were taken in, if they are counted.
    """

    def __init__(
        self,
        store: Store,
        directories: Sequence[str],
        *,
        path: str | None = None,
        breathe: Callable[[], object] | None = None,
        arrived: Callable[[int], object] | None = None,
    ) -> None:
        self.store = store
        self.errors = 0
        self._directories = directories
        self._anchor = None if path is None else _Anchor(path)
        # By journal: how long it was when all of it was taken in, when it was looked at, and the store asked.
        self._taken: dict[str, tuple[int, float, float]] = {}
        # In the store whole, of processes that are dead.
        self._whole: list[str] = []
        # What went wrong last, as long as it is not known whether it is the journal or the store.
        self._failed: tuple[str, StoreError] | None = None
        self._left: dict[str, _Left] = {}
        self._breathe = breathe
        self._arrived = arrived

    @property
    def failure(self) -> StoreError | None:
        """Why a journal is left for now, while others come in; None if none is."""
        if not self._left:
            return None
        path, left = next(reversed(self._left.items()))
        others = f", and {len(self._left) - 1} more" if len(self._left) > 1 else ""
        return StoreError(f"{left.error}; left for now, while others come in: {path}{others}")

    def run(self, deadline: float | None = None) -> int:
        """Bring in what there is now.

        Returns:
            How many bytes were taken in.

        Raises:
            StoreError: If the store cannot be written; `failure` tells of what concerns a journal alone.
        """
        if self._anchor is not None and self._anchor.renew(self.store):
            self._taken.clear()
        paths = list(journals(self._directories))
        self._taken = {path: self._taken[path] for path in paths if path in self._taken}
        self._left = {path: left for path, left in self._left.items() if path in paths}
        self._failed = None
        try:
            taken = 0
            for path in paths:
                taken += self._look(path, deadline)
                if len(self._whole) >= TOGETHER:
                    self._finish(deadline)
            self._finish(deadline)
            if self._failed is not None:
                raise self._failed[1]
            return taken
        except StoreError:
            self._taken.clear()  # it may be another server that answers next
            raise

    def _look(self, path: str, deadline: float | None) -> int:
        # Gone, of another user, unreadable: the others are not to wait for it.
        with contextlib.suppress(OSError):
            # Each process would else open and lock those of all others, and ask for them, at every look.
            if not self._is_taken(path) and not self._is_left(path):
                with Reader(path) as reader:
                    if not self._is_unchanged(reader):
                        return self._try(reader, deadline)
        return 0

    def _try(self, reader: Reader, deadline: float | None) -> int:
        """Take it in; a fault is the journal's own if the store is found to take in something else after it."""
        self._tell_apart(deadline)
        try:
            taken = self._take(reader, deadline)
        except OSError:
            raise
        except Exception as error:
            self._failed = reader.path, StoreError.of(error)
            return 0
        self._left.pop(reader.path, None)
        return taken

    def _tell_apart(self, deadline: float | None) -> None:
        """If a journal has failed, leave it for a while, and go on.

        Raises:
            StoreError: If it is the store that takes nothing in: not each journal need be tried.
        """
        if self._failed is None:
            return
        from llama_logging.registry.intake import Batch

        path, error = self._failed
        if deadline is not None and time.monotonic() >= deadline:
            raise error
        self.store.close()  # what is wrong may be the connection
        try:
            self.store.ingest(Batch(NONE, 0, 0, ()))
            self.store.forget(NONE)
        except Exception:
            raise error from None
        if self._anchor is not None and not self._anchor.holds():
            raise error
        before = self._left.pop(path, None)
        pause = LOOK_AGAIN if before is None else min(2 * before.pause, ASK_AGAIN)
        self._left[path] = _Left(error, time.monotonic() + pause, pause)
        self._failed = None
        self._taken.clear()  # it may be another server that answers now

    def _is_left(self, path: str) -> bool:
        return path in self._left and time.monotonic() < self._left[path].until

    def _is_taken(self, path: str) -> bool:
        size, looked_at, _ = self._taken.get(path, (-1, 0.0, 0.0))
        return size == os.stat(path).st_size and time.monotonic() - looked_at < LOOK_AGAIN

    def _is_unchanged(self, reader: Reader) -> bool:
        """Whether it is still as it was taken in, by a process that lives; the store is not asked each time."""
        size, _, asked_at = self._taken.get(reader.path, (-1, 0.0, 0.0))
        now = time.monotonic()
        is_unchanged = size == reader.size() and not reader.abandoned and now - asked_at < ASK_AGAIN
        if is_unchanged:
            self._taken[reader.path] = size, now, asked_at
        return is_unchanged

    def _take(self, reader: Reader, deadline: float | None) -> int:
        first = start = self._begin(reader)
        # As far as it is now: a process that logs without pause would keep this here for ever.
        goal = reader.size()
        while deadline is None or time.monotonic() < deadline:
            with reader.undisturbed() as ours:
                piece = self._read(reader, start) if ours else None
                if piece is None or (piece.end <= start and not piece.final):
                    break
                if piece.end > start:
                    start = self._add(reader, start, piece)
                if (piece.final and start >= piece.end) or (start >= goal and not reader.abandoned):
                    break
        if start == reader.size():
            if reader.abandoned:
                self._whole.append(reader.path)
            else:
                self._taken[reader.path] = start, time.monotonic(), time.monotonic()
        return start - first

    def _begin(self, reader: Reader) -> int:
        """Where to read on: behind what the store has or, of a journal that was cut short since, at what came then."""
        start, latest = self.store.reached(reader.name)
        begin = reader.unread(start, latest)
        if begin < start:
            if latest is None:  # ids make it harmless to read again what is left
                self.store.forget(reader.name)
            else:
                self.store.rewind(reader.name, (start, latest), begin)
        return begin

    def _finish(self, deadline: float | None) -> None:
        """Let go of journals that are in the store whole and that nobody will write to again.

        Each while nobody else reads: who is about to bring in what he has read of it must find how far it is
        known. Errors have ids; what is only counted would be counted twice.
        """
        whole, self._whole = self._whole, []
        if whole:
            self._tell_apart(deadline)
            self.store.sync()
        for path in whole:
            with contextlib.suppress(OSError), Reader(path) as reader, reader.undisturbed(alone=True) as alone:
                if not alone or not reader.abandoned:
                    continue
                reached, latest = self.store.reached(reader.name)
                if reached == reader.size():
                    if reached == 0 and latest is None:
                        self._tell_of_nothing(reader)
                    reader.remove()
                    self.store.forget(reader.name)

    def _tell_of_nothing(self, reader: Reader) -> None:
        """Each begins with a frame: of one that was cut to nothing and never read, that at least was lost."""
        from llama_logging.registry.intake import Batch

        self.store.ingest(Batch(reader.name, 0, 0, (), damaged=1))

    def _add(self, reader: Reader, start: int, piece: Piece) -> int:
        # Here and not above: a process that logs no error never gets so far.
        from llama_logging.registry.intake import Batch

        end = self.store.ingest(Batch(reader.name, start, piece.end, piece.frames, piece.damaged))
        if self._anchor is not None and not self._anchor.holds():
            raise StoreError(f"{self.store.url}: deleted or replaced while errors were written to it")
        if self._arrived is not None:
            self.errors += len(error_ids(piece.frames))
            self._arrived(self.errors)
        return end

    def _read(self, reader: Reader, start: int) -> Piece:
        """A batch of what comes after *start*, read in steps: in each the interpreter is held for microseconds."""
        if self._breathe is None:
            return reader.read(start, BATCH_BYTES)
        piece = reader.read(start, STEP_BYTES)
        frames, damaged = piece.frames, piece.damaged
        while not piece.final and start + BATCH_BYTES > piece.end > start:
            self._breathe()
            before = piece.end
            piece = reader.read(before, STEP_BYTES)
            frames += piece.frames
            damaged += piece.damaged
            if piece.end == before:
                break
        return Piece(frames, piece.end, damaged, piece.final)


class _Left(NamedTuple):
    """A journal of which the store takes nothing in: why, until when it is left, and for how long that is."""

    error: StoreError
    until: float
    pause: float


class _Anchor:
    """Notices when the file of a store is deleted or replaced: what is committed to the old one is gone.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: Identity | None = None

    def renew(self, store: Store) -> bool:
        """Have *store* open the file that is there now, if it is another; whether it is."""
        now, before = self._look(), self._file
        self._file = now
        if before is None or now == before:
            return False
        store.close()
        return True

    def holds(self) -> bool:
        """Whether the file is the one that was there at `renew`; if none was, the one that was made since."""
        now = self._look()
        if self._file is None:
            self._file = now
        return now is not None and now == self._file

    def _look(self) -> Identity | None:
        try:
            return identity(os.stat(self._path))
        except OSError:
            return None


class Ingester:
    """Ingests in the background: one thread, started when first needed and again after a fork.

    A thread of the operating system's own, also where gevent has put greenlets in place of threads;
    where none may run, the journals wait for another process. Logs nothing and writes nothing to
    standard error; what goes wrong stays in `failure`, and the errors stay in the journal.

    Args:
        open_store: Gives a store of its own for each thread.
        directories: Where the journals lie.
        tend: Called about once a second, with the thread's store.
        path: The store's file, if it is one.

    Attributes:
        arrived_at: When something was taken in last, on `time.monotonic`.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        directories: Sequence[str],
        tend: Callable[[Store], object] = lambda store: None,
        path: str | None = None,
    ) -> None:
        self._open_store = open_store
        self._directories = directories
        self._tend = tend
        self._path = path
        self.failure: StoreError | None = None
        self.arrived_at = 0.0
        self._pid = 0
        self._begin()

    def _begin(self, retry_at: float = 0.0) -> None:
        if self._pid != forks.pid:
            # Another than the parent's, who may have held it at the fork.
            self._pid, self._turn = forks.pid, original("_thread", "allocate_lock")()
        self._retry_at = retry_at
        self._deadline: float | None = None
        # Held until the thread shall end, and until it has: they serve as events, and belong to nobody.
        self._going, self._ended = original("_thread", "allocate_lock")(), original("_thread", "allocate_lock")()
        self._going.acquire()
        self._ended.acquire()
        # Last: without memory for the locks, no thread is started that would have none either.
        self._started = self._running = False

    def wake(self) -> None:
        """Make sure the thread runs. Costs two comparisons when it does."""
        if self._pid != forks.pid:
            self._begin()
        if not self._started and time.monotonic() >= self._retry_at and not sys.is_finalizing():
            self._started = True
            if may_have_threads():
                self._start()

    def drain(self, timeout: float) -> None:
        """Ingest now, on this thread, for *timeout* seconds at most; a store that fails is left alone."""
        try:
            with contextlib.closing(self._open_store()) as store:
                ingest(store, self._directories, path=self._path, deadline=time.monotonic() + timeout)
        except Exception as error:
            self.failure = StoreError.of(error)

    def finish(self, timeout: float) -> None:
        """Ingest what there is now, waiting *timeout* seconds at most; on the thread, where there is one.

        A store that is locked by somebody else keeps that thread waiting, and not the end of the process.
        """
        until = time.monotonic() + timeout
        if not self.stop(timeout):
            self.drain(max(0.0, until - time.monotonic()))

    def stop(self, timeout: float) -> bool:
        """End the thread once it has ingested what there is, waiting *timeout* seconds; `wake` starts it again.

        Returns:
            Whether there was one.
        """
        if self._pid != forks.look():
            self._begin()
        until = time.monotonic() + timeout
        # Of several at once the first ends it; the others find none, and see to their errors themselves.
        if not self._turn.acquire(timeout=timeout):
            return False
        try:
            running = self._running
            if running:
                self._deadline = until
                self._going.release()
                self._ended.acquire(timeout=max(0.0, until - time.monotonic()))
            self._begin()
            return running
        finally:
            self._turn.release()

    def end(self, timeout: float) -> None:
        """As `stop`, for good: no interpreter may end, of several in a process, while a thread of it runs."""
        self.stop(timeout)
        self._started = True

    def _start(self) -> None:
        try:
            original("_thread", "start_new_thread")(self._run, (self._going, self._ended))
            self._running = True
        except RuntimeError:
            # A limit, or the end of the interpreter: the journal keeps everything.
            self._started, self._retry_at = False, time.monotonic() + RETRY_AFTER

    def _run(self, going: Any, ended: Any) -> None:
        signals.block()
        # What escapes a thread, the interpreter prints on the application's standard error.
        with contextlib.suppress(BaseException):
            try:
                self._work(going)
            except Exception as error:
                # No memory, or what reaches the store is not installed: it is tried again.
                if self._going is going:  # it was not stopped meanwhile
                    self._begin(time.monotonic() + RETRY_AFTER)
                self.failure = StoreError.of(error)
        ended.release()

    def _work(self, going: Any) -> None:
        pause, tended = BUSY_PAUSE, time.monotonic()
        self.arrived_at = time.monotonic()
        store = self._open_store()
        intake = Intake(store, self._directories, path=self._path, breathe=breathe)
        while not going.acquire(timeout=pause):
            pause = BUSY_PAUSE if self._pass(intake) else min(pause * 2, IDLE_PAUSE)
            if time.monotonic() - tended >= TEND_EVERY:
                tended = self._tended(store)
        self._pass(intake, self._deadline)
        store.close()

    def _tended(self, store: Store) -> float:
        try:
            self._tend(store)
        except Exception as error:  # as in _pass
            self.failure = StoreError.of(error)
        return time.monotonic()

    def _pass(self, intake: Intake, deadline: float | None = None) -> bool:
        """Look once; whether anything was there."""
        try:
            taken = intake.run(deadline)
            self.failure = intake.failure
            if taken:
                self.arrived_at = time.monotonic()
            return taken > 0
        except Exception as error:
            # An unforeseen fault must not end the ingester: the next look may go well.
            self.failure = StoreError.of(error)
        with contextlib.suppress(Exception):
            intake.store.close()  # what is wrong may be the connection
        return False
