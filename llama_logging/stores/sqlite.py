"""The registry in one SQLite file."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from llama_logging import wire
from llama_logging.context import ErrorContext, ErrorSeverity, from_microseconds, to_microseconds
from llama_logging.exceptions import ErrorNotFound, StoreError
from llama_logging.mounts import refuse_network
from llama_logging.registry import Batch, ErrorGroup, Move, RecoveryAttempt, Sighting
from llama_logging.stores.schema import STEPS
from llama_logging.stores.urls import StoreURL

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process's transaction."""

_MINUTE = 60_000_000
_FOREIGN = "this file is not a SQLite database; it was left as it is. Name another file as the store"

# A whole batch is taken apart inside SQLite: executemany would give the GIL back and wait for it
# again at every row, 31 rows a second beside a busy main thread (measured; this way 27 thousand).
# json_extract and not ->>, and conflict targets named: SQLite 3.34 is still in use.
_STAGE = """
    INSERT INTO temp.batch
    SELECT json_extract(value, '$.id'), json_extract(value, '$.ts'), json_extract(value, '$.sev'),
           json_extract(value, '$.fp'), json_extract(value, '$.type'), json_extract(value, '$.stack'),
           json_extract(value, '$.proc'), json_extract(value, '$.msg'), json_extract(value, '$.logger'), value
    FROM json_each(?) WHERE json_extract(value, '$.k') = 'error'
    ON CONFLICT (error_id) DO UPDATE SET
        message = excluded.message, fingerprint = excluded.fingerprint, content = excluded.content
    WHERE json_extract(content, '$.partial')
"""
_INGEST = (
    # An error whose own code was still to speak, and now has; a rule may group it by what it says.
    """
    INSERT INTO temp.moving (error_id, fingerprint, grouping)
    SELECT batch.error_id, batch.fingerprint, json_extract(batch.content, '$.group')
    FROM temp.batch JOIN errors ON errors.error_id = batch.error_id
    WHERE errors.fingerprint <> batch.fingerprint AND json_extract(errors.content, '$.partial')
        AND json_extract(batch.content, '$.partial') IS NULL
    """,
    """
    UPDATE groups SET error_message = batch.message FROM temp.batch
    WHERE groups.last_error_id = batch.error_id AND groups.fingerprint = batch.fingerprint
        AND json_extract(batch.content, '$.partial') IS NULL
    """,
    # By IN and not by FROM: SQLite would go through all errors there are, each time.
    """
    UPDATE errors SET content = (SELECT batch.content FROM temp.batch WHERE batch.error_id = errors.error_id)
    WHERE error_id IN (SELECT error_id FROM temp.batch) AND json_extract(content, '$.partial')
    """,
    "DELETE FROM temp.batch WHERE EXISTS (SELECT 1 FROM errors WHERE errors.error_id = batch.error_id)",
    """
    INSERT INTO errors (error_id, timestamp, severity, fingerprint, error_type, stack, process, content)
    SELECT error_id, timestamp, severity, fingerprint, error_type, stack, process, content
    FROM temp.batch ORDER BY rowid
    """,
)
_COUNT = (
    """
    INSERT INTO groups
    SELECT fingerprint, error_type, message, max(severity), logger_name, stack, count(*),
           min(timestamp), min(timestamp), error_id
    FROM temp.batch WHERE true GROUP BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE SET
        severity = max(severity, excluded.severity),
        count = count + excluded.count,
        first_seen = min(first_seen, excluded.first_seen)
    """,
    # A bare column beside one max() is of the row that has the maximum (sqlite.org/lang_select, 2.5).
    """
    UPDATE groups SET
        last_seen = newest.timestamp, last_error_id = newest.error_id, error_type = newest.error_type,
        error_message = newest.message, stack = newest.stack
    FROM (SELECT fingerprint, max(timestamp) AS timestamp, error_id, error_type, message, stack
          FROM temp.batch GROUP BY fingerprint) AS newest
    WHERE groups.fingerprint = newest.fingerprint AND newest.timestamp >= groups.last_seen
    """,
    f"""
    INSERT INTO counts
    SELECT timestamp / {_MINUTE}, fingerprint, severity, error_type, count(*)
    FROM temp.batch WHERE true GROUP BY 1, 2, 3, 4
    ON CONFLICT (minute, fingerprint, severity, error_type) DO UPDATE SET count = count + excluded.count
    """,
    "DELETE FROM temp.batch",
)
_OTHERS = (
    """
    INSERT INTO stacks SELECT json_extract(value, '$.name'), value
    FROM json_each(?) WHERE json_extract(value, '$.k') = 'stack' ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO processes SELECT json_extract(value, '$.process'), value
    FROM json_each(?) WHERE json_extract(value, '$.k') = 'open' ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO sightings SELECT json_extract(value, '$.id'), json_extract(value, '$.ts'), value
    FROM json_each(?) WHERE json_extract(value, '$.k') = 'again' ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO attempts
    SELECT json_extract(value, '$.attempt_id'), json_extract(value, '$.error_id'),
           json_extract(value, '$.started_at'), value
    FROM json_each(?) WHERE json_extract(value, '$.k') = 'audit'
    ON CONFLICT (attempt_id) DO UPDATE SET content = excluded.content
    WHERE json_extract(content, '$.status') = 'pending'
    """,
)
# Errors in temp.moving leave their groups, and enter others as new ones do.
_LEAVE = (
    """
    UPDATE temp.moving SET was = errors.fingerprint, was_grouping = json_extract(errors.content, '$.group')
    FROM errors WHERE errors.error_id = moving.error_id
    """,
    "DELETE FROM temp.moving WHERE was IS NULL OR was = fingerprint",
    f"""
    UPDATE counts SET count = counts.count - gone.count
    FROM (SELECT timestamp / {_MINUTE} AS minute, was, severity, error_type, count(*) AS count
          FROM temp.moving JOIN errors ON errors.error_id = moving.error_id GROUP BY 1, 2, 3, 4) AS gone
    WHERE counts.minute = gone.minute AND counts.fingerprint = gone.was
        AND counts.severity = gone.severity AND counts.error_type = gone.error_type
    """,
    "DELETE FROM counts WHERE count <= 0",
    """
    UPDATE errors SET fingerprint = moving.fingerprint, content =
        CASE WHEN moving.grouping IS NULL
        THEN json_remove(json_set(content, '$.fp', moving.fingerprint), '$.group')
        ELSE json_set(content, '$.fp', moving.fingerprint, '$.group', json(moving.grouping)) END
    FROM temp.moving WHERE errors.error_id = moving.error_id
    """,
    """
    UPDATE groups SET count = groups.count - gone.count
    FROM (SELECT was, count(*) AS count FROM temp.moving GROUP BY 1) AS gone WHERE groups.fingerprint = gone.was
    """,
    "DELETE FROM groups WHERE count <= 0 AND fingerprint IN (SELECT was FROM temp.moving)",
    """
    UPDATE groups SET
        first_seen = (SELECT min(timestamp) FROM errors WHERE errors.fingerprint = groups.fingerprint),
        severity = (SELECT max(severity) FROM errors WHERE errors.fingerprint = groups.fingerprint),
        last_seen = newest.timestamp, last_error_id = newest.error_id, error_type = newest.error_type,
        error_message = newest.message, stack = newest.stack
    FROM (SELECT fingerprint, max(timestamp) AS timestamp, error_id, error_type,
                 json_extract(content, '$.msg') AS message, stack
          FROM errors WHERE fingerprint IN (SELECT was FROM temp.moving) GROUP BY fingerprint) AS newest
    WHERE groups.fingerprint = newest.fingerprint
    """,
    """
    INSERT INTO temp.batch
    SELECT errors.error_id, timestamp, severity, errors.fingerprint, error_type, stack, process,
           json_extract(content, '$.msg'), json_extract(content, '$.logger'), content
    FROM temp.moving JOIN errors ON errors.error_id = moving.error_id
    """,
)
_TEMPORARY = (
    """
    CREATE TEMP TABLE batch (
        error_id TEXT PRIMARY KEY, timestamp INTEGER, severity INTEGER, fingerprint TEXT, error_type TEXT,
        stack TEXT, process TEXT, message TEXT, logger_name TEXT, content TEXT
    )
    """,
    """
    CREATE TEMP TABLE moving (
        error_id TEXT PRIMARY KEY, fingerprint TEXT, grouping TEXT, was TEXT, was_grouping TEXT
    )
    """,
)
_GROUPS = """
    SELECT fingerprint, error_type, error_message, severity, logger_name,
           json_extract(stacks.content, '$.site[0]'), json_extract(stacks.content, '$.site[1]'),
           count, first_seen, last_seen, last_error_id
    FROM groups LEFT JOIN stacks ON stacks.name = groups.stack
"""
_ERRORS = """
    SELECT errors.position, errors.content, stacks.content, processes.content FROM errors
    LEFT JOIN stacks ON stacks.name = errors.stack
    LEFT JOIN processes ON processes.process = errors.process
"""


class SQLiteStore:
    """See `registry.Store` for the contract.

    One connection, used by one thread at a time. It is not carried over a fork: the child opens its
    own and leaves the inherited one alone (sqlite.org/howtocorrupt, 2.6).
    """

    def __init__(self, url: StoreURL) -> None:
        self.url = str(url)
        self._path = url.path
        self._abandoned: list[sqlite3.Connection | None] = []
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()

    @property
    def exists(self) -> bool:
        """Whether the file is there; a registry that never was is empty, and asking does not make it."""
        return os.path.exists(self._path)

    def ingest(self, batch: Batch) -> int:
        with self._transaction() as execute:
            known = self._offset(execute, batch.journal)
            if known > batch.start:
                return known
            damaged = batch.damaged
            if batch.frames and not _add(execute, batch.frames):
                # One that no version of ours wrote, or a later one did, must not hold up all the others.
                damaged += sum(not _add(execute, [frame]) for frame in batch.frames)
            execute(
                "INSERT INTO journals VALUES (?, ?, ?) ON CONFLICT (journal) DO UPDATE SET "
                "offset = excluded.offset, damaged = damaged + excluded.damaged",
                (batch.journal, batch.end, damaged),
            )
        return batch.end

    def checkpoint(self, journal: str) -> int:
        with self._reading() as execute:
            return self._offset(execute, journal)

    def forget(self, journal: str) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def count_by_severity(self, since: datetime | None, at_least: ErrorSeverity) -> dict[ErrorSeverity, int]:
        sql, parameters = _counted("severity", since, at_least)
        with self._reading() as execute:
            rows = execute(f"{sql} ORDER BY 1 DESC", parameters)
            return {ErrorSeverity(severity): count for severity, count in rows}

    def count_by_type(self, since: datetime | None, at_least: ErrorSeverity, limit: int) -> dict[str, int]:
        sql, parameters = _counted("error_type", since, at_least)
        with self._reading() as execute:
            return dict(execute(f"{sql} ORDER BY 2 DESC, 1 LIMIT ?", (*parameters, limit)))

    def errors(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        fingerprint: str | None = None,
        limit: int = 10,
    ) -> list[ErrorContext]:
        where = "errors.timestamp >= ? AND errors.severity >= ?"
        parameters: list[Any] = [_start(since), int(at_least)]
        if fingerprint is not None:
            members = _members(fingerprint, self._merged())
            where += f" AND errors.fingerprint IN ({_marks(members)})"
            parameters += members
        order = "ORDER BY errors.timestamp DESC, errors.position DESC LIMIT ?"
        return [context for _, context in self._select(f"WHERE {where} {order}", [*parameters, limit])]

    def errors_after(self, position: int, limit: int = 100) -> tuple[int, list[ErrorContext]]:
        if position < 0:
            with self._reading() as execute:
                return execute("SELECT coalesce(max(position), 0) FROM errors").fetchone()[0], []
        found = self._select("WHERE errors.position > ? ORDER BY errors.position LIMIT ?", [position, limit])
        return (found[-1][0] if found else position), [context for _, context in found]

    def groups(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        limit: int = 50,
    ) -> list[ErrorGroup]:
        roots = self._merged()
        with self._reading() as execute:
            rows = execute(
                f"{_GROUPS} WHERE last_seen >= ? AND severity >= ? ORDER BY last_seen DESC LIMIT ?",
                (_start(since), int(at_least), limit + len(roots)),
            )
            # The first row of a merged group is its latest: that one speaks for all.
            latest: dict[str, ErrorGroup] = {}
            for row in rows:
                latest.setdefault(roots.get(row[0], row[0]), _group(row))
            return [self._whole(execute, root, group, roots) for root, group in list(latest.items())[:limit]]

    def group(self, fingerprint: str) -> ErrorGroup | None:
        roots = self._merged()
        root = roots.get(fingerprint, fingerprint)
        with self._reading() as execute:
            row = execute(
                f"{_GROUPS} WHERE fingerprint IN ({_marks(members := _members(root, roots))}) "
                "ORDER BY last_seen DESC LIMIT 1",
                members,
            ).fetchone()
            return None if row is None else self._whole(execute, root, _group(row), roots)

    def find(self, id_prefix: str) -> ErrorContext:
        # Everything that begins with the prefix lies between it and it with the last digit raised.
        found = self._select(
            "WHERE errors.error_id >= ? AND errors.error_id < ? ORDER BY errors.error_id LIMIT 2",
            [id_prefix.lower(), id_prefix.lower() + "g"],
        )
        if len(found) != 1:
            problem = "more than one error has an id that begins with" if found else "no error has the id"
            raise ErrorNotFound(f"{problem} {id_prefix!r} in {self.url}")
        return found[0][1]

    def merge(self, target: str, fingerprints: Sequence[str], at: datetime) -> None:
        roots = self._merged()
        root = roots.get(target, target)
        with self._transaction() as execute:
            for fingerprint in fingerprints:
                member = roots.get(fingerprint, fingerprint)
                if member != root:
                    execute("INSERT INTO merges VALUES (?, ?, ?)", (member, root, to_microseconds(at)))

    def unmerge(self, fingerprints: Sequence[str]) -> int:
        with self._transaction() as execute:
            return sum(execute("DELETE FROM merges WHERE fingerprint = ?", (each,)).rowcount for each in fingerprints)

    def move(self, moves: Sequence[Move], at: datetime) -> None:
        rows = [
            (move.error_id, move.fingerprint, None if move.grouping is None else wire.dumps(move.grouping))
            for move in moves
        ]
        with self._transaction() as execute:
            execute(
                "INSERT INTO temp.moving (error_id, fingerprint, grouping) SELECT json_extract(value, '$[0]'), "
                "json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?)",
                (wire.dumps(rows),),
            )
            _move(execute)
            execute(
                "INSERT INTO moves SELECT ?, error_id, was, was_grouping FROM temp.moving WHERE true "
                "ON CONFLICT DO NOTHING",
                (to_microseconds(at),),
            )
            execute("DELETE FROM temp.moving")

    def undo_move(self) -> int:
        with self._transaction() as execute:
            latest = execute("SELECT max(moved_at) FROM moves").fetchone()[0]
            execute(
                "INSERT INTO temp.moving (error_id, fingerprint, grouping) "
                "SELECT error_id, fingerprint, grouping FROM moves WHERE moved_at = ?",
                (latest,),
            )
            _move(execute)
            execute("DELETE FROM temp.moving")
            return int(execute("DELETE FROM moves WHERE moved_at = ?", (latest,)).rowcount)

    def sightings(self, error_id: str) -> list[Sighting]:
        with self._reading() as execute:
            rows = execute("SELECT content FROM sightings WHERE error_id = ? ORDER BY timestamp", (error_id,))
            return [wire.decode_sighting(json.loads(content)) for (content,) in rows]

    def attempts(self, error_id: str) -> list[RecoveryAttempt]:
        with self._reading() as execute:
            rows = execute(
                "SELECT content FROM attempts WHERE error_id = ? ORDER BY started_at, attempt_id", (error_id,)
            )
            return [wire.decode_attempt(json.loads(content)) for (content,) in rows]

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._pid == os.getpid():
                connection.close()

    def _select(self, clauses: str, parameters: Sequence[Any]) -> list[tuple[int, ErrorContext]]:
        with self._reading() as execute:
            return [
                (
                    position,
                    wire.decode_error(json.loads(error), json.loads(stack or "{}"), json.loads(process or "null")),
                )
                for position, error, stack, process in execute(_ERRORS + clauses, parameters)
            ]

    def _merged(self) -> dict[str, str]:
        """For each group that is shown as part of another: the one it is shown in."""
        with self._reading() as execute:
            targets = dict(execute("SELECT fingerprint, target FROM merges"))
        roots = {}
        for fingerprint, target in targets.items():
            while target in targets:
                target = targets[target]
            roots[fingerprint] = target
        return roots

    def _whole(self, execute: Any, root: str, latest: ErrorGroup, roots: dict[str, str]) -> ErrorGroup:
        """The group *root* with all that is merged into it; *latest* speaks for it."""
        members = _members(root, roots)
        if len(members) == 1:
            return latest
        counted = execute(
            f"SELECT sum(count), min(first_seen), max(severity) FROM groups WHERE fingerprint IN ({_marks(members)})",
            members,
        ).fetchone()
        return replace(
            latest,
            fingerprint=root,
            count=counted[0],
            first_seen=from_microseconds(counted[1]),
            severity=ErrorSeverity(counted[2]),
            merged=tuple(members[1:]),
        )

    def _offset(self, execute: Any, journal: str) -> int:
        row = execute("SELECT offset FROM journals WHERE journal = ?", (journal,)).fetchone()
        return int(row[0]) if row else 0

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        with self._told(), self._lock:
            if self._connection is None and not self.exists:
                with contextlib.closing(_prepared(":memory:")) as empty:
                    yield empty.execute
            else:
                yield self._connect().execute

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._told(), self._lock:
            connection = self._connect()
            # IMMEDIATE: a deferred transaction that reads and then writes
            # fails with SQLITE_BUSY instead of waiting for its turn.
            connection.execute("BEGIN IMMEDIATE")
            try:
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
            raise StoreError(f"{self.url}: {_explained(error)}") from error

    def _connect(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # One reference is leaked on purpose: closing it here would drop the parent's locks.
            self._abandoned.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is None:
            self._connection = _open(self._path)
        return self._connection


def _add(execute: Any, frames: Sequence[str]) -> bool:
    """Add *frames* to all tables; False, and nothing is added, if one of them is not what it should be."""
    document = f"[{','.join(frames)}]"
    execute("SAVEPOINT frames")
    try:
        execute(_STAGE, (document,))
        for statement in (*_INGEST, *_COUNT):
            execute(statement)
        for statement in _OTHERS:
            execute(statement, (document,))
        if execute("SELECT EXISTS (SELECT 1 FROM temp.moving)").fetchone()[0]:
            _move(execute)
            execute("DELETE FROM temp.moving")
    except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.OperationalError) and "JSON" not in str(error):
            raise  # the disk is full, the file is locked: the frames are not to blame
        execute("ROLLBACK TO frames")
        return False
    finally:
        execute("RELEASE frames")
    return True


def _move(execute: Any) -> None:
    """Give the errors in temp.moving their new fingerprints; the table is left with what was moved."""
    for statement in (*_LEAVE, *_COUNT):
        execute(statement)


def _open(path: str) -> sqlite3.Connection:
    refuse_network(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Nobody but SQLite opens a database that is there: to close any descriptor of it drops the locks of
    # all connections of the process, and another one then deletes the log under them (howtocorrupt, 2.2).
    with contextlib.suppress(FileExistsError):
        # Before SQLite makes it with the umask's permissions: error texts are nobody else's business.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        if os.stat(path).st_size == 1:  # to SQLite, that is an empty one
            raise sqlite3.DatabaseError(_FOREIGN)
        return _prepared(path)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        raise sqlite3.DatabaseError(_FOREIGN) from error


def _prepared(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a journal is removed once it is in here, so what is committed must be on the disk.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        _migrate(connection)
        for statement in _TEMPORARY:
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        taken = connection.execute("PRAGMA user_version").fetchone()[0]
        if taken > len(STEPS):
            raise sqlite3.DatabaseError(f"it was made by a newer version of llama_logging (schema {taken})")
        for step in STEPS[taken:]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _counted(column: str, since: datetime | None, at_least: ErrorSeverity) -> tuple[str, list[Any]]:
    """Counts by *column*: whole minutes from the rollups, the minute *since* falls into from the errors."""
    start = _start(since)
    first_whole = -(-start // _MINUTE)
    sql = f"""
        SELECT {column}, sum(count) FROM (
            SELECT {column}, count FROM counts WHERE minute >= ? AND severity >= ?
            UNION ALL
            SELECT {column}, 1 FROM errors WHERE timestamp >= ? AND timestamp < ? AND severity >= ?
        ) GROUP BY 1"""
    return sql, [first_whole, int(at_least), start, first_whole * _MINUTE, int(at_least)]


def _start(since: datetime | None) -> int:
    return 0 if since is None else to_microseconds(since)


def _members(root: str, roots: dict[str, str]) -> list[str]:
    """*root* and the groups that are shown in it."""
    return [root, *sorted(fingerprint for fingerprint, target in roots.items() if target == root)]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _group(row: Sequence[Any]) -> ErrorGroup:
    fingerprint, error_type, message, severity, logger, module, function, count, first, last, error_id = row
    return ErrorGroup(
        fingerprint=fingerprint,
        error_type=error_type,
        error_message=message,
        severity=ErrorSeverity(severity),
        logger_name=logger,
        source=f"{module or '?'}.{function or '?'}",
        count=count,
        first_seen=from_microseconds(first),
        last_seen=from_microseconds(last),
        last_error_id=error_id,
    )


def _explained(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror or error} ({error.filename})" if error.filename else str(error)
    return str(error)
