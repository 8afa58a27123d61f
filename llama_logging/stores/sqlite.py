"""The registry in one SQLite file."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from llama_logging import process
from llama_logging.exceptions import UNREADABLE, LlamaLoggingError, StoreError
from llama_logging.mounts import has_no_room, may_write, refuse
from llama_logging.retention import Retention
from llama_logging.state import make_folder, user
from llama_logging.stores import words
from llama_logging.stores.arriving import Arrived, Error
from llama_logging.stores.schema import STEPS
from llama_logging.stores.sql import SQLStore
from llama_logging.stores.sqlite_words import Words
from llama_logging.stores.statements import Execute, marks, only, parts
from llama_logging.stores.temporary import TEMPORARY
from llama_logging.stores.urls import StoreURL

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process's transaction."""
_AT_ONCE = 128
"""Rows in one statement."""

_HEADER = b"SQLite format 3\0"
_SMALLEST = 512
"""Bytes of a page, and so of a database."""

_OURS = ("groups", "errors", "stacks", "processes", "counts", "sightings", "attempts", "journals")
"""Tables of every version."""
_NAMES = tuple({"group_words", *re.findall(r"CREATE TABLE (\w+)", "".join(STEPS))})
# A view, a trigger, a computed column and a table that is filled from elsewhere may have no end, and any size.
_CHANGED = f"""
    SELECT EXISTS (
        SELECT 1 FROM sqlite_master WHERE type = 'trigger'
        OR (type = 'view' AND (lower(name) IN ({marks(_NAMES)}) OR name LIKE 'error!_words%' ESCAPE '!'))
        OR (type = 'table' AND rootpage = 0
            AND sql NOT LIKE 'CREATE VIRTUAL TABLE ' || name || ' USING fts5(words, content='''', %')
    ) OR EXISTS (
        SELECT 1 FROM sqlite_master AS made, pragma_table_xinfo(made.name) AS told
        WHERE made.type = 'table' AND made.rootpage > 0 AND told.hidden > 1
    )
"""
IDS = tuple(
    f"SELECT DISTINCT told.{told}, {table}.id FROM told JOIN {table} ON {table}.{name} = told.{told}"
    for told, table, name in (
        ("fingerprint", "groups", "fingerprint"),
        ("stack", "stacks", "name"),
        ("process", "processes", "name"),
    )
)
_COLUMNS = (
    *("error_id", "timestamp", "severity", "group_id", "error_type", "message"),
    *("stack", "process", "partial", "details", "content"),
)
"""Of `errors`."""


class SQLiteStore(SQLStore):
    """See `registry.Store` for the contract.

    One connection, used by one thread at a time. It is not carried over a fork: the child opens its
    own and leaves the inherited one alone (sqlite.org/howtocorrupt, 2.6). A file that is damaged is
    moved aside and a new one begun: the application's next errors matter more than the past ones.

    Args:
        url: Where it is.
        reading: Whether nothing is to be done to it, not even to mend it. Questions to a registry that
            this process may not write are answered in that way, too.
    """

    version = len(STEPS)

    def __init__(self, url: StoreURL, *, reading: bool = False) -> None:
        self.url = str(url)
        self._path = url.path
        self._reads_only = reading
        self._abandoned: list[sqlite3.Connection | None] = []
        self._connection: sqlite3.Connection | None = None
        self._empty: sqlite3.Connection | None = None
        self._file: tuple[int, ...] = ()
        self._look = _identity
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._words = Words(self._transaction, lambda: self.may_write)

    @property
    def exists(self) -> bool:
        return os.path.exists(self._path)

    @property
    def behind(self) -> int:
        if self._connection is not None or not self.exists or not self.may_write:
            return 0
        with contextlib.suppress(sqlite3.Error, OSError):  # its use will tell
            refuse(self._path)
            with contextlib.closing(sqlite3.connect(self._path)) as connection:
                taken = only(connection.execute("PRAGMA user_version"))
            return max(0, len(STEPS) - taken) if taken else 0
        return 0

    @property
    def may_write(self) -> bool:
        return not self._reads_only and may_write(self._path)

    def sync(self) -> None:
        # What is not in the write-ahead log any more was synced when it was moved into the database.
        # Nobody locks the log itself, so that to open and close it drops no lock.
        with self._told(), contextlib.suppress(FileNotFoundError):
            fd = os.open(f"{self._path}-wal", os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        count = super().prune(retention, at, limit)
        if count:
            with self._transaction() as execute:
                self._words.forget(execute)
            with self._told(), self._lock:
                # Gives the pages back, as far as the file was made to.
                self._connect().execute("PRAGMA incremental_vacuum(2000)").fetchall()
        return count

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            if self._empty is not None:
                self._empty.close()
            self._connection = self._empty = None

    def _attempt(self, execute: Execute, arrived: Arrived) -> bool:
        execute("SAVEPOINT frames")
        try:
            self._add(execute, arrived)
        except (sqlite3.IntegrityError, sqlite3.DataError):
            execute("ROLLBACK TO frames")
            return False
        finally:
            with contextlib.suppress(sqlite3.Error):
                execute("RELEASE frames")
        return True

    def _keep(self, execute: Execute, errors: Sequence[Error]) -> None:
        groups, stacks, processes = (dict(execute(statement).fetchall()) for statement in IDS)
        for some in parts(errors, _AT_ONCE):
            rows = [
                (
                    *(error_id, moment, shape.severity, groups[shape.fingerprint], shape.error_type, message),
                    *(stacks.get(shape.stack), processes.get(shape.process), partial, details, content),
                )
                for error_id, moment, shape, message, partial, details, content in some
            ]
            self._fill(execute, "errors", _COLUMNS, rows)

    def _fill(self, execute: Execute, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """As SQLAccess; many by one statement.

        Of one row for each statement SQLite gives the interpreter back and waits for it again at every row: 31 rows a
        second beside a busy main thread (measured; this way 27 thousand). Each number of rows is a statement that is
        prepared once, so they are powers of two.
        """
        insert, one = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ", f"({marks(columns)})"
        begin, number = 0, _AT_ONCE
        while begin < len(rows):
            while number > len(rows) - begin:
                number //= 2
            some = rows[begin : begin + number]
            execute(insert + ", ".join([one] * number), list(chain.from_iterable(some)))
            begin += number

    def _size(self, execute: Execute) -> int:
        pages = only(execute("PRAGMA page_count")) - only(execute("PRAGMA freelist_count"))
        return int(pages * only(execute("PRAGMA page_size")))

    def _disk(self, execute: Execute) -> int:
        return int(only(execute("PRAGMA page_count")) * only(execute("PRAGMA page_size")))

    def _problems(self, execute: Execute) -> list[str]:
        found = [str(row[0]) for row in execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def _clock(self, execute: Execute) -> tuple[float, str]:
        # Goes on in sleep, and no hand sets it; where it is not to be had, the nearest to it.
        clock = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if clock is None else time.clock_gettime(clock), process.current().boot

    def _index(self) -> words.Index:
        return self._words

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Execute]:
        with self._told(), self._lock:
            if self._connection is None and not self.exists:
                # Kept, for the next question: a registry is not made in a moment.
                self._empty = self._empty or _prepared(":memory:")
                yield self._empty.execute
            else:
                yield self._connect(reading=True).execute

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Execute]:
        with self._told(), self._lock:
            connection = self._connect()
            # IMMEDIATE: a deferred transaction that reads and then writes
            # fails with SQLITE_BUSY instead of waiting for its turn.
            connection.execute("BEGIN IMMEDIATE")
            try:
                # A newer version may have brought it up to date since it was opened.
                _refuse_newer(only(connection.execute("PRAGMA user_version")))
                yield connection.execute
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.url}: {_explained(error, self._path)}{self._healed(error)}") from error
        except LlamaLoggingError:
            raise  # some are lookup errors as well
        except UNREADABLE as error:
            raise StoreError(f"{self.url}: it holds what no registry does: {type(error).__name__}: {error}") from error

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
                self._look = _identity if _has_log(self._path) else _state
                self._file, self._connection = self._look(self._path), _open_to_read(self._path)
            else:
                self._connection, self._look = _open(self._path), _identity
                self._file = _identity(self._path)
        return self._connection

    def _healed(self, error: Exception) -> str:
        """Move a file aside that is damaged, and begin a new one that tells of it; what to say of it."""
        if not isinstance(error, sqlite3.DatabaseError) or not _tells_of_damage(error) or not self.may_write:
            return ""
        if _is_foreign(self._path):
            return "; this is not a SQLite database; it was left as it is. Name another file as the store"
        now = datetime.now(UTC)
        aside = f"{self._path}.corrupt-{now:%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"
        with self._lock:
            self.close()
            if not _is_damaged(self._path):  # another process may have done it already
                return ""
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._path + ending, aside + ending)
        told = f"it was moved to {aside}, and a new registry begun"
        self.note(now, "corrupt", f"{error}; {told}")
        return f"; {told}"


def _open(path: str) -> sqlite3.Connection:
    refuse(path)
    make_folder(os.path.dirname(path))
    if not os.path.exists(path):
        # Before SQLite makes it with the umask's permissions: error texts are nobody else's business.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        refuse(path)
    elif 0 < os.stat(path).st_size < _SMALLEST:
        raise sqlite3.DatabaseError("file is not a database")  # SQLite would take it for an empty one
    return _prepared(path)


@contextlib.contextmanager
def _opening(place: str, *, uri: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection, closed again if what is done first with it fails."""
    connection = sqlite3.connect(place, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=uri)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _open_to_read(path: str) -> sqlite3.Connection:
    """A connection that leaves the file, and what lies beside it, as they are."""
    refuse(path, reading=True)
    # Without a log nobody has it open, and SQLite would make one, or fail where it may not.
    how = "mode=ro" if _has_log(path) else "mode=ro&immutable=1"
    place = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")  # sqlite.org/uri.html, 3.1
    with _opening(f"file:{place}?{how}", uri=True) as connection:
        _refuse_foreign(connection)
        taken = only(connection.execute("PRAGMA user_version"))
        if taken < len(STEPS):
            raise sqlite3.DatabaseError(
                f"it was made by an earlier version of llama_logging (schema {taken}): any command that may write to "
                "it, such as `llama-logging list --store`, brings it up to date"
            )
        _refuse_newer(taken)
        connection.execute("PRAGMA temp_store = MEMORY")
        for statement in TEMPORARY:
            connection.execute(statement)
        return connection


def _prepared(path: str) -> sqlite3.Connection:
    with _opening(path) as connection:
        _refuse_foreign(connection)
        if not only(connection.execute("PRAGMA schema_version")):
            # Before the first table, so that pruning can give room back; later it would only wait for a lock.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _keep_a_log(connection)
        # Not FULL: each commit would wait for the disk, and callers on the same disk with it. `sync` waits
        # once, before a journal goes; a power cut before that costs commits that are ingested again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        _migrate(connection)
        for statement in TEMPORARY:
            connection.execute(statement)
        return connection


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Write ahead, as all who have it open then do.

    SQLite does not wait for its turn here if another process is about to do the same to a new file.
    """
    end = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.005)


def _refuse_foreign(connection: sqlite3.Connection) -> None:
    """Before anything is written: the version alone is a number that others give to their files, too."""
    # In one statement: another process may be making the registry.
    version, all_of_it, ours = connection.execute(
        "SELECT user_version, (SELECT count(*) FROM sqlite_master), (SELECT count(*) FROM sqlite_master "
        f"WHERE type IN ('table', 'view') AND lower(name) IN ({marks(_OURS)})) FROM pragma_user_version",
        _OURS,
    ).fetchone()
    if not version and not all_of_it:
        return
    if version <= 0 or ours != len(_OURS):
        raise sqlite3.DatabaseError(
            "this is a SQLite database of something else; it was left as it is. Name another file as the store"
        )
    if only(connection.execute(_CHANGED, _NAMES)):
        raise sqlite3.DatabaseError(
            "somebody has changed this registry: it has triggers, views, computed or virtual tables that none has; "
            "it was left as it is. Name another file as the store"
        )


def _refuse_newer(taken: int) -> None:
    if taken > len(STEPS):
        raise sqlite3.DatabaseError(f"it was made by a newer version of llama_logging (schema {taken})")


def _migrate(connection: sqlite3.Connection) -> None:
    found = only(connection.execute("PRAGMA user_version"))
    if found == len(STEPS):
        return
    _refuse_newer(found)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not found:
            raise
        steps = f"schema {found} to {len(STEPS)}"
        raise sqlite3.OperationalError(
            f"{error}, perhaps by a process that brings it up to date ({steps}): of many errors that takes a while"
        ) from error
    try:
        taken = only(connection.execute("PRAGMA user_version"))
        _refuse_newer(taken)
        for step in STEPS[taken:]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_foreign(path: str) -> bool:
    """Whether it is a file of somebody else's, which must not be taken for a damaged registry.

    Asked only when SQLite has refused it: to open and close the file of a registry in use would drop
    the locks this process holds on it (sqlite.org/howtocorrupt, 2.2).
    """
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(len(_HEADER)) != _HEADER
    return False


def _is_damaged(path: str) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as connection:
            return bool(only(connection.execute("PRAGMA quick_check(1)")) != "ok")
    except sqlite3.DatabaseError as error:
        return _tells_of_damage(error)


def _tells_of_damage(error: sqlite3.DatabaseError) -> bool:
    return any(word in str(error) for word in ("malformed", "not a database", "disk image", "corrupt"))


def _identity(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _state(path: str) -> tuple[int, ...]:
    """Changes with the file: a connection that takes it for one that nobody writes to must be made anew."""
    with contextlib.suppress(OSError):
        return *_identity(path), os.stat(path).st_mtime_ns, _has_log(path)
    return ()


def _has_log(path: str) -> bool:
    with contextlib.suppress(OSError):
        return os.stat(f"{path}-wal").st_size > 0
    return False


def _explained(error: Exception, path: str) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror or error} ({error.filename})" if error.filename else str(error)
    if os.path.exists(path) and not os.access(path, os.R_OK):
        return f"user {user()} may not read it"
    if "disk I/O error" in str(error) and has_no_room(path):
        return f"the disk is full ({error})"
    return str(error)
