"""A connection to a registry in a SQLite file: what begins and ends a transaction, and what may happen to the file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from llama_logging.exceptions import UNREADABLE, LlamaLoggingError, StoreError
from llama_logging.runtime.state import user
from llama_logging.stores.mounts import has_no_room, may_write, refuse
from llama_logging.stores.schema import STEPS
from llama_logging.stores.sqlite_file import (
    has_log,
    identity,
    is_damaged,
    is_foreign,
    open_to_read,
    open_to_write,
    prepared,
    refuse_newer,
    state,
    tells_of_damage,
)
from llama_logging.stores.statements import Execute, only
from llama_logging.stores.urls import StoreURL


class Session:
    """One connection, used by one thread at a time, opened by the first use.

    It is not carried over a fork: the child opens its own and leaves the inherited one alone
    (sqlite.org/howtocorrupt, 2.6). A file that is damaged is moved aside and a new one begun: the
    application's next errors matter more than the past ones.

    Args:
        url: Where the registry is.
        reads_only: Whether nothing is to be done to it, not even to mend it. Questions to a registry that
            this process may not write are answered in that way, too.
        moved: Told when a damaged file was moved aside, and what to say of it in the new registry.

    Raises:
        StoreError: From any method, whatever SQLite or the disk does.
    """

    def __init__(self, url: StoreURL, *, reads_only: bool, moved: Callable[[datetime, str], object]) -> None:
        self._url, self._path = str(url), url.path
        self._reads_only, self._moved = reads_only, moved
        self._abandoned: list[sqlite3.Connection | None] = []
        self._connection: sqlite3.Connection | None = None
        self._empty: sqlite3.Connection | None = None
        self._file: tuple[int, ...] = ()
        self._look = identity
        self._pid = os.getpid()
        self._lock = threading.RLock()

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return os.path.exists(self._path)

    @property
    def may_write(self) -> bool:
        """Whether this process may change anything in it."""
        return not self._reads_only and may_write(self._path)

    def steps_behind(self) -> int:
        """How many steps of the schema the registry lacks, which the next use takes; 0 where that is not known."""
        if self._connection is not None or not self.exists or not self.may_write:
            return 0
        with contextlib.suppress(sqlite3.Error, OSError):  # its use will tell
            refuse(self._path)
            with contextlib.closing(sqlite3.connect(self._path)) as connection:
                taken = only(connection.execute("PRAGMA user_version"))
            return max(0, len(STEPS) - taken) if taken else 0
        return 0

    def sync(self) -> None:
        """Wait until all that was committed is on the disk."""
        # What is not in the write-ahead log any more was synced when it was moved into the database.
        # Nobody locks the log itself, so that to open and close it drops no lock.
        with self._told(), contextlib.suppress(FileNotFoundError):
            fd = os.open(f"{self._path}-wal", os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def reclaim(self) -> None:
        """Give pages back that nothing is in, as far as the file was made to."""
        with self._told(), self._lock:
            self._connect().execute("PRAGMA incremental_vacuum(2000)").fetchall()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            if self._empty is not None:
                self._empty.close()
            self._connection = self._empty = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Execute]:
        """In it, questions are answered; where there is no registry, as by an empty one."""
        with self._told(), self._lock:
            if self._connection is None and not self.exists:
                # Kept, for the next question: a registry is not made in a moment.
                self._empty = self._empty or prepared(":memory:")
                yield self._empty.execute
            else:
                yield self._connect(reading=True).execute

    @contextlib.contextmanager
    def writing(self) -> Iterator[Execute]:
        """A transaction, begun when it is its turn."""
        with self._told(), self._lock:
            connection = self._connect()
            # IMMEDIATE: a deferred transaction that reads and then writes
            # fails with SQLITE_BUSY instead of waiting for its turn.
            connection.execute("BEGIN IMMEDIATE")
            try:
                # A newer version may have brought it up to date since it was opened.
                refuse_newer(only(connection.execute("PRAGMA user_version")))
                yield connection.execute
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def attempt(self, execute: Execute, add: Callable[[], object]) -> bool:
        """Within a transaction, *add* all or nothing; False if SQLite refuses what is to be added."""
        execute("SAVEPOINT frames")
        try:
            add()
        except (sqlite3.IntegrityError, sqlite3.DataError):
            execute("ROLLBACK TO frames")
            return False
        finally:
            with contextlib.suppress(sqlite3.Error):
                execute("RELEASE frames")
        return True

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._url}: {_explained(error, self._path)}{self._healed(error)}") from error
        except LlamaLoggingError:
            raise  # some are lookup errors as well
        except UNREADABLE as error:
            raise StoreError(f"{self._url}: it holds what no registry does: {type(error).__name__}: {error}") from error

    def _connect(self, *, reading: bool = False) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # One reference is leaked on purpose: closing it here would drop the parent's locks.
            self._abandoned.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is not None and self._look(self._path) != self._file:
            # Deleted, replaced or moved aside by somebody: what is written to it now would never be seen.
            self._connection.close()
            self._connection = None
        if self._connection is None:
            reading = self._reads_only or (reading and not may_write(self._path))
            if reading:
                # First: what changes meanwhile is seen at the next question.
                self._look = identity if has_log(self._path) else state
                self._file, self._connection = self._look(self._path), open_to_read(self._path)
            else:
                self._connection, self._look = open_to_write(self._path), identity
                self._file = identity(self._path)
        return self._connection

    def _healed(self, error: Exception) -> str:
        """Move a file aside that is damaged, and begin a new one that tells of it; what to say of it."""
        if not isinstance(error, sqlite3.DatabaseError) or not tells_of_damage(error) or not self.may_write:
            return ""
        if is_foreign(self._path):
            return "; this is not a SQLite database; it was left as it is. Name another file as the store"
        now = datetime.now(UTC)
        aside = f"{self._path}.corrupt-{now:%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"
        with self._lock:
            self.close()
            if not is_damaged(self._path):  # another process may have done it already
                return ""
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._path + ending, aside + ending)
        told = f"it was moved to {aside}, and a new registry begun"
        self._moved(now, f"{error}; {told}")
        return f"; {told}"


def _explained(error: Exception, path: str) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror or error} ({error.filename})" if error.filename else str(error)
    if os.path.exists(path) and not os.access(path, os.R_OK):
        return f"user {user()} may not read it"
    if "disk I/O error" in str(error) and has_no_room(path):
        return f"the disk is full ({error})"
    return str(error)
