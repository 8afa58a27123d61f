"""Journal → store, exactly once; also what dead processes left behind."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from llama_logging.exceptions import StoreError
from llama_logging.journal import Reader, journals
from llama_logging.registry import Batch, Store

_TO_ID = len('{"k":"error","id":"') + 36

BUSY_PAUSE = 0.05
IDLE_PAUSE = 1.0
"""Seconds between two looks at the journals: from the first, doubling to the second while nothing comes."""


def ingest(store: Store, directories: Sequence[str], *, deadline: float | None = None) -> int:
    """Bring all that lies in *directories* into *store*, and remove the journals of dead processes.

    Args:
        deadline: When to stop, on `time.monotonic`; None to go on to the end.

    Returns:
        How many bytes were taken in.

    Raises:
        StoreError: If the store cannot be written; the journals stay as they are.
    """
    taken = 0
    for path in journals(directories):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            taken += _ingest_one(store, path, deadline)
    return taken


def waiting(store: Store | None, directories: Sequence[str]) -> int:
    """How many errors lie in *directories* and not yet in *store* (None: in no store)."""
    count = 0
    for path in journals(directories):
        with contextlib.suppress(OSError), Reader(path) as reader:
            start = store.checkpoint(reader.name) if store is not None else 0
            while (piece := reader.read(start)).end > start:
                # By id: one whose own code was still to speak was written twice.
                count += len({frame[:_TO_ID] for frame in piece.frames if frame.startswith('{"k":"error"')})
                start = piece.end
    return count


def _ingest_one(store: Store, path: str, deadline: float | None) -> int:
    with Reader(path) as reader:
        first = start = store.checkpoint(reader.name)
        while deadline is None or time.monotonic() < deadline:
            piece = reader.read(start)
            if piece.end > start:
                start = store.ingest(Batch(reader.name, start, piece.end, piece.frames, piece.damaged))
            if piece.final and start >= piece.end:
                # Everything is in the store and nobody will write here again.
                reader.remove()
                store.forget(reader.name)
                break
            if piece.end <= start and not piece.frames:
                break
        return start - first


class Ingester:
    """Ingests in the background: one thread, started when first needed and again after a fork.

    Logs nothing and writes nothing to standard error; what goes wrong stays in `failure`, and the
    errors stay in the journal.

    Args:
        open_store: Gives a store of its own for each thread.
        directories: Where the journals lie.
    """

    def __init__(self, open_store: Callable[[], Store], directories: Sequence[str]) -> None:
        self._open_store = open_store
        self._directories = directories
        self.failure: StoreError | None = None
        self._started = False
        self._thread: threading.Thread | None = None
        self._begin()

    def wake(self) -> None:
        """Make sure the thread runs. Costs two comparisons when it does."""
        if self._pid != os.getpid():
            self._begin()
        if not self._started and not sys.is_finalizing():
            self._started = True
            # Without threads (a limit, the end of the interpreter) the journal keeps everything.
            with contextlib.suppress(RuntimeError):
                self._thread = threading.Thread(target=self._run, name="llama_logging-ingester", daemon=True)
                self._thread.start()

    def drain(self, timeout: float) -> None:
        """Ingest now, on this thread, for *timeout* seconds at most; a store that fails is left alone."""
        store = self._open_store()
        try:
            ingest(store, self._directories, deadline=time.monotonic() + timeout)
        except StoreError as error:
            self.failure = error
        finally:
            store.close()

    def stop(self, timeout: float) -> None:
        """End the thread, waiting *timeout* seconds at most; `wake` starts it again."""
        self._stop.set()
        thread = self._thread
        if thread is not None and self._pid == os.getpid():
            thread.join(timeout)
        self._begin()

    def end(self, timeout: float) -> None:
        """As `stop`, for good: no interpreter may end, of several in a process, while a thread of it runs."""
        self.stop(timeout)
        self._started = True

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._started = False
        self._thread = None
        self._stop = threading.Event()

    def _run(self) -> None:
        stop, store, pause = self._stop, self._open_store(), BUSY_PAUSE
        while not stop.wait(pause):
            try:
                busy = ingest(store, self._directories) > 0
                self.failure = None
            except StoreError as error:
                busy, self.failure = False, error
            except Exception as error:
                # An unforeseen fault must not end the ingester: the next look may go well.
                busy, self.failure = False, StoreError(f"{type(error).__name__}: {error}")
            pause = BUSY_PAUSE if busy else min(pause * 2, IDLE_PAUSE)
        store.close()
