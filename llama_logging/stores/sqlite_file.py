"""The file of a registry in SQLite: how it is opened, made and brought up to date; whether it is damaged, or none."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator

from llama_logging.runtime.state import make_folder
from llama_logging.stores.mounts import refuse
from llama_logging.stores.schema import STEPS
from llama_logging.stores.statements import marks, only
from llama_logging.stores.temporary import TEMPORARY

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process's transaction."""
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


def open_to_write(path: str) -> sqlite3.Connection:
    """A connection to a registry that is up to date; it is made if there is none."""
    refuse(path)
    make_folder(os.path.dirname(path))
    if not os.path.exists(path):
        # Before SQLite makes it with the umask's permissions: error texts are nobody else's business.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        refuse(path)
    elif 0 < os.stat(path).st_size < _SMALLEST:
        raise sqlite3.DatabaseError("file is not a database")  # SQLite would take it for an empty one
    return prepared(path)


@contextlib.contextmanager
def _opening(place: str, *, uri: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection, closed again if what is done first with it fails."""
    connection = sqlite3.connect(place, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=uri)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def open_to_read(path: str) -> sqlite3.Connection:
    """A connection that leaves the file, and what lies beside it, as they are."""
    refuse(path, reading=True)
    # Without a log nobody has it open, and SQLite would make one, or fail where it may not.
    how = "mode=ro" if has_log(path) else "mode=ro&immutable=1"
    place = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")  # sqlite.org/uri.html, 3.1
    with _opening(f"file:{place}?{how}", uri=True) as connection:
        _refuse_foreign(connection)
        taken = only(connection.execute("PRAGMA user_version"))
        if taken < len(STEPS):
            raise sqlite3.DatabaseError(
                f"it was made by an earlier version of llama_logging (schema {taken}): any command that may write to "
                "it, such as `llama-logging list --store`, brings it up to date"
            )
        refuse_newer(taken)
        connection.execute("PRAGMA temp_store = MEMORY")
        for statement in TEMPORARY:
            connection.execute(statement)
        return connection


def prepared(path: str) -> sqlite3.Connection:
    """As `open_to_write`, of a file that is there, or of `:memory:`."""
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


def refuse_newer(taken: int) -> None:
    """Raise DatabaseError if that is more steps of the schema than this version knows."""
    if taken > len(STEPS):
        raise sqlite3.DatabaseError(f"it was made by a newer version of llama_logging (schema {taken})")


def _migrate(connection: sqlite3.Connection) -> None:
    found = only(connection.execute("PRAGMA user_version"))
    if found == len(STEPS):
        return
    refuse_newer(found)
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
        refuse_newer(taken)
        for step in STEPS[taken:]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def is_foreign(path: str) -> bool:
    """Whether it is a file of somebody else's, which must not be taken for a damaged registry.

    Asked only when SQLite has refused it: to open and close the file of a registry in use would drop
    the locks this process holds on it (sqlite.org/howtocorrupt, 2.2).
    """
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(len(_HEADER)) != _HEADER
    return False


def is_damaged(path: str) -> bool:
    """Whether SQLite finds so, who reads all of it."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as connection:
            return bool(only(connection.execute("PRAGMA quick_check(1)")) != "ok")
    except sqlite3.DatabaseError as error:
        return tells_of_damage(error)


def tells_of_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether *error* says that the file is damaged."""
    return any(word in str(error) for word in ("malformed", "not a database", "disk image", "corrupt"))


def identity(path: str) -> tuple[int, ...]:
    """Changes where another file takes its place."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def state(path: str) -> tuple[int, ...]:
    """Changes with the file: a connection that takes it for one that nobody writes to must be made anew."""
    with contextlib.suppress(OSError):
        return *identity(path), os.stat(path).st_mtime_ns, has_log(path)
    return ()


def has_log(path: str) -> bool:
    """Whether what was written is still beside the file."""
    with contextlib.suppress(OSError):
        return os.stat(f"{path}-wal").st_size > 0
    return False
