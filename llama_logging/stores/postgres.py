"""The registry in PostgreSQL, for fleets: many machines, one registry."""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from llama_logging import wire
from llama_logging.context import to_microseconds
from llama_logging.exceptions import MissingExtraError, StoreError
from llama_logging.retention import Retention
from llama_logging.stores import pruning, words
from llama_logging.stores.arriving import Arrived, Error
from llama_logging.stores.copying import COPY, rows
from llama_logging.stores.postgres_schema import DAYS, FIRST_DAY, LAST_DAY, STEPS, TEMPORARY
from llama_logging.stores.postgres_words import Words
from llama_logging.stores.sql import SQLStore
from llama_logging.stores.statements import DAY, MINUTE, Execute, only
from llama_logging.stores.urls import NEEDED, StoreURL, without_schema

try:
    import psycopg
    from psycopg import conninfo, pq
    from psycopg.pq.abc import PGconn
except ImportError as error:
    raise MissingExtraError(f"{NEEDED} ({error})") from error

P = ParamSpec("P")
R = TypeVar("R")

LIFETIME = 3_600.0
"""Seconds after which a connection is made anew: its temporary tables, which nobody else may vacuum, keep the server
from freezing the transactions that came after them."""
STATEMENT_TIMEOUT = 60
"""Seconds for one statement."""
LOCK_TIMEOUT = 15
"""Seconds to wait for other writers."""
IDLE_TIMEOUT = 15
"""Seconds after which a client that is stopped in the midst of a transaction holds up the others no longer."""
DROP_TIMEOUT = 2
"""Seconds to wait for readers before a day is dropped: new ones wait behind it."""
COMMIT_TIMEOUT = 15
"""Seconds to wait until what was written is safe, on synchronous standbys too."""
_DEFAULTS: dict[str, str | int | None] = {
    "application_name": "llama_logging",
    "client_encoding": "utf8",
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_UNWRITABLE = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
# Two may bring the same errors at once: who comes second finds them when it tries again.
_UNDONE = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,
)
# A number that is there twice is not among them: no frame brings one along, a sequence that was left behind does, as in
# a logical copy.
_WRONG_FRAME = (
    psycopg.DataError,
    psycopg.errors.CheckViolation,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ProgramLimitExceeded,
)
_RETRIES = (0.05, 0.2, 0.5)
"""Seconds to wait before each new try of a transaction that PostgreSQL asks to try again."""
# What psycopg has prepared is kept by the session, under names that each client gives.
_POOLED = (psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName)
_WHOLE = "a pooler must give whole sessions (pool_mode = session)"
_OLDEST = 130_000
"""PostgreSQL 13."""

_INGESTION, _INDEXING, _MIGRATION = 1, 2, 3
_SWEEP_AFTER = 500
# Bytes that an error takes in the indexes (measured); a stack takes less.
_INDEXED = 250

# Whether something is there is asked of the catalogue's tables: to_regclass() may answer from before the wait for a
# lock, as it was when the transaction began.
_EXISTS = """
    SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ?), EXISTS (
        SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = ? AND relname = 'registry')
"""
# PostgreSQL 17 may end transactions that take long: one that brings a registry up to date would never get through.
_AS_LONG_AS_IT_TAKES = """
    SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) <> '0'
"""
# Whatever is usual in the database: it takes as long as it takes, and sees what others did that it waited for.
_MAKING = f"""
    BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; {_AS_LONG_AS_IT_TAKES};
    SET LOCAL standard_conforming_strings = on
"""
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_MISSING_DAYS = f"""
    SELECT day FROM (
        SELECT minute / {DAY // MINUTE} AS day FROM told WHERE errors > 0
        UNION SELECT extract(epoch FROM clock_timestamp())::bigint / 86400 + ahead FROM generate_series(0, 1) AS ahead
    ) AS days
    WHERE day >= {FIRST_DAY} AND day < {LAST_DAY} AND day NOT IN (SELECT day FROM ({DAYS}) AS made) ORDER BY day
"""
_KEEP = """
    INSERT INTO errors (error_id, timestamp, severity, group_id, error_type, message, stack, process,
                        partial, details, content)
    SELECT arrived.error_id, arrived.timestamp, arrived.severity, groups.id, arrived.error_type, arrived.message,
           stacks.id, processes.id, arrived.partial, arrived.details, arrived.content
    FROM arrived JOIN groups ON groups.fingerprint = arrived.fingerprint
    LEFT JOIN stacks ON stacks.name = arrived.stack LEFT JOIN processes ON processes.name = arrived.process
    ORDER BY arrived.place
"""
# A search asks the tables of days themselves.
_READERS = """
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = 'errors'::regclass AND privilege_type = 'SELECT'
"""
_TABLES = (
    "groups", "group_origins", "stack_uses", "process_uses", "origins", "processes", "releases", "counts", "day_counts",
    "totals", "origin_totals", "changes", "sightings", "attempts", "journals", "scopes", "moves", "incidents",
    "group_words", "registry",
)  # fmt: skip

# What a child of a fork must not close, nor let be collected: the connection is its parent's.
_abandoned: list[object] = []


def _retried(method: Callable[Concatenate[PostgresStore, P], R]) -> Callable[Concatenate[PostgresStore, P], R]:
    """*method*, called again if PostgreSQL has undone its transaction for the sake of another."""

    @functools.wraps(method)
    def call(self: PostgresStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        for delay in _RETRIES:
            try:
                return method(self, *args, **kwargs)
            except StoreError as error:
                if not isinstance(error.__cause__, _UNDONE):
                    raise
            time.sleep(delay)
        return method(self, *args, **kwargs)

    return call


class PostgresStore(SQLStore):
    """See `registry.Store` for the contract.

    One connection, used by one thread at a time, opened by the first call and again by the next call
    after it was lost; a forked child opens its own. The tables are in a schema of their own. It is no
    matter which of several hosts is the primary, or becomes it.
    """

    version = len(STEPS)

    def __init__(self, url: StoreURL) -> None:
        self.url = str(url)
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._since = 0.0
        self._backend: int | None = None
        self._made = False
        self._writes = False
        self._staged = 0
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._words = Words(lambda: self._begun(_INDEXING), lambda: self.may_write)

    @property
    def exists(self) -> bool:
        with self._told(), self._lock:
            self._connect()
            return self._made

    @property
    def behind(self) -> int:
        with self._told(), self._lock:
            taken = self._taken(self._open())
            return len(STEPS) - taken if taken is not None else 0

    @property
    def may_write(self) -> bool:
        with self._reading() as execute:
            return bool(
                only(execute("SELECT has_table_privilege('error_words', 'INSERT') AND NOT pg_is_in_recovery()"))
            )

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    # --- transactions

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Execute]:
        # One view for all of its statements, and nothing that a standby or a role that may only read would refuse.
        with self._told(), self._lock, self._ended(self._connect()) as connection:
            if connection.info.transaction_status == pq.TransactionStatus.INTRANS:
                yield _execute(connection)  # a question that is part of another
                return
            if self._made:
                begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._settings()}; SELECT pg_backend_pid()"
                self._same_session(*_last(connection.execute(begin.encode())))
            else:
                connection.execute(f"{_MAKING}; SET LOCAL search_path = pg_temp".encode())
                for step in STEPS:
                    connection.execute(step.encode())
            yield _execute(connection)
            connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Execute]:
        with self._begun(_INGESTION) as execute:
            yield execute

    @contextlib.contextmanager
    def _ingestion(self) -> Iterator[Execute]:
        with self._begun() as execute:
            yield execute
        if self._staged > _SWEEP_AFTER and self._connection is not None and not self._connection.closed:
            # Nobody else does it for temporary tables. ON COMMIT DELETE ROWS costs more, 4 ms each time, and
            # in the transaction that others wait for.
            with self._told(), self._lock:
                self._connection.execute("VACUUM arrived, batch, told, news")
            self._staged = 0

    @contextlib.contextmanager
    def _begun(self, turn: int | None = None) -> Iterator[Execute]:
        """A transaction, begun when it is its *turn*."""
        with self._told(), self._lock, self._ended(self._connect()) as connection:
            if not self._made:
                self._migrate(connection)
            if not self._writes:
                connection.execute(TEMPORARY.encode())
                # A journal is removed once it is in here, so what is committed must be on the disk.
                connection.execute(_DURABLE)
                self._writes = True
            self._begin(connection)
            execute = _execute(connection)
            if turn is not None:
                self._wait(execute, turn)
            yield execute
            _commit(connection)
            if connection.prepare_threshold is None:  # see `_attempt`
                connection.close()

    def _begin(self, connection: psycopg.Connection[Any]) -> None:
        """In one message to the server, which also tells whether a newer version has brought it up to date."""
        cursor = connection.execute(
            # Not READ WRITE: who has a server read only, as its disk is about to be full, means us, too.
            f"BEGIN ISOLATION LEVEL READ COMMITTED; {self._settings()}; {_AS_LONG_AS_IT_TAKES}; "
            # Shared: only one who would bring it up to date waits, until this transaction is over.
            f"SELECT pg_advisory_xact_lock_shared({_MIGRATION}, {self._key}); "
            "SELECT pg_backend_pid(), value FROM registry WHERE name = 'version'".encode()
        )
        backend, version = _last(cursor)
        self._same_session(backend)
        _refuse_newer(int(version))

    def _same_session(self, backend: int) -> None:
        """Refuse another than before: what is prepared in it under a name may be another client's statement."""
        if self._backend not in (None, backend):
            raise psycopg.NotSupportedError(f"it is another session than before; {_WHOLE}")
        self._backend = backend

    @contextlib.contextmanager
    def _ended(self, connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
        """No transaction is left open behind it."""
        try:
            yield connection
        except BaseException as error:
            # After one of its own errors it may be one to a server that has become a standby.
            if not isinstance(error, psycopg.Error):
                with contextlib.suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
            if connection.info.transaction_status != pq.TransactionStatus.IDLE:
                connection.close()
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, OSError) as error:
            raise StoreError(f"{self.url}: {_explained(error, self._url.secrets)}") from error

    def _settings(self) -> str:
        """What holds in a transaction, and only there."""
        return (
            f"SET LOCAL search_path = {self._url.schema}; "
            f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}s'; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'; "
            f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s'; SET LOCAL jit = off"
        )

    def _wait(self, execute: Execute, turn: int) -> None:
        execute(f"SELECT pg_advisory_xact_lock({turn}, {self._key})")

    @functools.cached_property
    def _key(self) -> int:
        return zlib.crc32(self._url.schema.encode()) - 2**31

    # --- frames come in

    def _claim(self, execute: Execute, journal: str) -> int:
        # A row that is not there cannot be locked, and two that ingest the same journal must take turns.
        execute("INSERT INTO journals VALUES (?, 0, 0, '') ON CONFLICT DO NOTHING", (journal,))
        return int(only(execute('SELECT "offset" FROM journals WHERE journal = ? FOR UPDATE', (journal,))))

    def _send(self, errors: Sequence[Error]) -> None:
        if not errors:
            return
        lines = rows(errors)
        self._staged += len(errors)
        connection = self._connection
        assert connection is not None
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(lines)

    def _attempt(self, execute: Execute, arrived: Arrived) -> bool:
        assert self._connection is not None
        execute("SAVEPOINT frames")
        try:
            self._add(execute, arrived)
        except _WRONG_FRAME:
            # psycopg takes for prepared what a pipeline was to prepare after the statement that failed.
            self._connection.prepare_threshold = None
            execute("ROLLBACK TO frames")
            return False
        execute("RELEASE frames")
        return True

    def _fill(self, execute: Execute, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        # As one parameter: psycopg takes longer for each of many than the server for all that it does with them.
        if rows:
            told = wire.dumps([dict(zip(columns, row, strict=True)) for row in rows])
            execute(f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, ?)", (told,))

    def _keep(self, execute: Execute, errors: Sequence[Error]) -> None:
        self._make_days(execute)
        execute(_KEEP)
        execute("DELETE FROM arrived")

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        assert self._connection is not None
        pipeline = self._connection.pipeline()
        pipeline.__enter__()
        try:
            yield
        except BaseException:
            # Told of it, psycopg would say in the application's log that it ignores what fails besides.
            with contextlib.suppress(psycopg.Error):
                pipeline.__exit__(None, None, None)
            raise
        pipeline.__exit__(None, None, None)

    def _alone(self, execute: Execute) -> None:
        # Errors are followed in the order of their positions, so they must be committed in that order: what comes now
        # is done by one writer at a time, until its transaction ends. A row of the day's totals would make them wait
        # for each other anyway. What takes a slow client long, sending the errors, came before.
        self._wait(execute, _INGESTION)

    def _now(self, execute: Execute) -> int:
        # Of one clock, the server's: those of a fleet do not agree.
        return int(only(execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")))

    def _clock(self, execute: Execute) -> tuple[float, str]:
        now = only(execute("SELECT extract(epoch FROM clock_timestamp())::double precision"))
        return float(now), "postgresql"

    def _make_days(self, execute: Execute) -> None:
        for (day,) in execute(_MISSING_DAYS).fetchall():
            for table in ("errors", "error_words"):
                # Made apart and then attached: a lock that no reader meets.
                execute(f"CREATE TABLE {table}_{day} (LIKE {table} INCLUDING DEFAULTS)")
                bounds = f"FROM ({day * DAY}) TO ({(day + 1) * DAY})"
                execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_{day} FOR VALUES {bounds}")
            for (role,) in execute(_READERS).fetchall():
                execute(f"GRANT SELECT ON errors_{day}, error_words_{day} TO {role}")

    # --- upkeep

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        if retention.period is not None:
            count = self._drop_days(to_microseconds(at) - int(retention.period * 1_000_000))
            if count:
                return count
        count = super().prune(retention, at, limit)
        if not count:
            self._drop_empty(to_microseconds(at) - DAY)
        return count

    def _drop_days(self, before: int) -> int:
        """Drop the oldest day whose errors are all older than that; how many they were."""
        with self._transaction() as execute:
            for (day,) in execute(DAYS).fetchall():
                if (day + 1) * DAY > before:
                    break
                errors = f"errors_{day}"
                for table in ("sightings", "attempts"):
                    execute(f"DELETE FROM {table} WHERE error_id IN (SELECT error_id FROM {errors})")
                count = int(only(execute(f"SELECT count(*) FROM {errors}")))
                pruning.leave(execute, errors)
                self._drop(execute, day)
                if count:
                    return count
        return 0

    def _drop_empty(self, before: int) -> None:
        """Drop the days of which nothing is left."""
        with self._transaction() as execute:
            for (day,) in execute(DAYS).fetchall():
                any_left = f"SELECT EXISTS (SELECT 1 FROM errors_{day})"
                if (day + 1) * DAY <= before and not only(execute(any_left)):
                    self._drop(execute, day)

    def _drop(self, execute: Execute, day: int) -> None:
        # In the order in which a search locks them; whoever indexes does so in the other.
        self._wait(execute, _INDEXING)
        execute(f"SET LOCAL lock_timeout = '{DROP_TIMEOUT}s'")
        execute(f"DROP TABLE error_words_{day}, errors_{day}")

    def _size(self, execute: Execute) -> int:
        """What is in use: what was deleted is used again and not given back."""
        tables = ", ".join(f"('{table}')" for table in _TABLES)
        rest = execute(
            f"SELECT (SELECT sum(pg_total_relation_size(name::regclass)) FROM (VALUES {tables}) AS t (name)) + "
            "(SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('error_words'))"
        )
        size, stacks = int(only(rest)), int(only(execute("SELECT count(*) FROM stacks")))
        for table, order, count in (("errors", "position", pruning.kept(execute)), ("stacks", "id", stacks)):
            newest = f"SELECT * FROM {table} ORDER BY {order} DESC LIMIT 1000"
            width = only(execute(f"SELECT avg(pg_column_size(newest.*)) FROM ({newest}) AS newest"))
            size += int(count * (float(width or 0) + _INDEXED))
        return size

    def _disk(self, execute: Execute) -> int:
        total = (
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
            "WHERE relnamespace = to_regnamespace(?) AND relkind = 'r'"
        )
        return int(only(execute(total, (self._url.schema,))))

    def _problems(self, execute: Execute) -> list[str]:
        rows = execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
            "WHERE relnamespace = to_regnamespace(?) AND NOT indisvalid",
            (self._url.schema,),
        )
        return [f"index {row[0]} is not valid" for row in rows]

    def _index(self) -> words.Index:
        return self._words

    # --- the connection

    def _connect(self) -> psycopg.Connection[Any]:
        connection = self._open()
        if not self._made:
            taken = self._taken(connection)
            if taken is not None and taken < len(STEPS):
                self._bring_up_to_date(connection, taken)
            self._made = taken is not None
        return connection

    def _open(self) -> psycopg.Connection[Any]:
        if self._pid != os.getpid():
            _abandoned.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is not None and time.monotonic() - self._since > LIFETIME and self._is_idle():
            self.close()
        if self._connection is None or self._connection.closed:
            self._connection, self._since, self._backend = self._opened(), time.monotonic(), None
            self._made = self._writes = False
        return self._connection

    def _bring_up_to_date(self, connection: psycopg.Connection[Any], taken: int) -> None:
        try:
            with self._ended(connection):
                self._migrate(connection)
        except _UNWRITABLE as error:
            raise psycopg.NotSupportedError(
                f"it was made by an earlier version of llama_logging (schema {taken}, this one has {len(STEPS)}); "
                f"somebody who may write, on the primary, must open it first: {error}"
            ) from error

    def _is_idle(self) -> bool:
        assert self._connection is not None
        return self._connection.info.transaction_status == pq.TransactionStatus.IDLE

    def _opened(self) -> psycopg.Connection[Any]:
        given = conninfo.conninfo_to_dict(without_schema(self._url))
        defaults = dict(_DEFAULTS)
        if "," in f"{given.get('host', '')}{given.get('port', '')}":
            defaults["target_session_attrs"] = "read-write"
        connection = psycopg.connect(conninfo.make_conninfo("", **{**defaults, **given}), autocommit=True)
        version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
        if version < _OLDEST or encoding != "UTF8":
            connection.close()
            needed = f"PostgreSQL {_OLDEST // 10_000} or later, with encoding UTF8"
            raise psycopg.NotSupportedError(f"it is {version // 10_000} with encoding {encoding}; needed is {needed}")
        return connection

    def _taken(self, connection: psycopg.Connection[Any]) -> int | None:
        """How many steps of the schema were taken; None if there is no registry."""
        schema = self._url.schema
        if not _execute(connection)(_EXISTS, (schema, schema)).fetchone()[1]:
            return None
        row = connection.execute(f"SELECT value FROM {schema}.registry WHERE name = 'version'".encode()).fetchone()
        taken = int(row[0]) if row else 0
        _refuse_newer(taken)
        return taken

    def _migrate(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"{_MAKING}; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'".encode())
        self._wait(_execute(connection), _MIGRATION)
        taken = self._taken(connection)
        schema = self._url.schema
        # Asked for first: IF NOT EXISTS wants the right to make it also where it is there.
        if not only(_execute(connection)(_EXISTS, (schema, schema))):
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        connection.execute(f"SET LOCAL search_path = {schema}".encode())
        for step in STEPS[taken or 0 :]:
            connection.execute(step.encode())
        connection.execute("UPDATE registry SET value = %s WHERE name = 'version'", (str(len(STEPS)),))
        _commit(connection)
        self._made = True

    ingest = _retried(SQLStore.ingest)
    forget = _retried(SQLStore.forget)
    resolve = _retried(SQLStore.resolve)
    mute = _retried(SQLStore.mute)
    reopen = _retried(SQLStore.reopen)
    merge = _retried(SQLStore.merge)
    unmerge = _retried(SQLStore.unmerge)
    move = _retried(SQLStore.move)
    undo_move = _retried(SQLStore.undo_move)
    delete = _retried(SQLStore.delete)
    note = _retried(SQLStore.note)
    accept = _retried(SQLStore.accept)
    acquire = _retried(SQLStore.acquire)
    renew = _retried(SQLStore.renew)
    finish = _retried(SQLStore.finish)
    forget_scope = _retried(SQLStore.forget_scope)
    remember = _retried(SQLStore.remember)
    predicted = _retried(SQLStore.predicted)
    resolve_predictions = _retried(SQLStore.resolve_predictions)
    settle_predictions = _retried(SQLStore.settle_predictions)
    rate_predictions = _retried(SQLStore.rate_predictions)


def _last(cursor: psycopg.Cursor[Any]) -> Any:
    """The row that the last of several statements gave."""
    while cursor.nextset():
        pass
    return cursor.fetchone()


def _refuse_newer(taken: int) -> None:
    if taken > len(STEPS):
        raise psycopg.NotSupportedError(f"it was made by a newer version of llama_logging (schema {taken})")


def _execute(connection: psycopg.Connection[Any]) -> Execute:
    def execute(sql: str, parameters: Sequence[Any] = ()) -> Any:
        if not parameters:
            return connection.execute(sql.encode())
        translated = _translated if len(sql) < _LONG else _translated.__wrapped__
        return connection.execute(translated(sql), parameters)

    return execute


_LONG = 10_000
"""Characters of a statement that is not kept: it names what it is asked for, and is not asked again."""


@functools.lru_cache(512)
def _translated(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _commit(connection: psycopg.Connection[Any]) -> None:
    """End the transaction, and know for sure that it is safe.

    With a synchronous standby, a commit waits for it. Were the wait cancelled, as statement_timeout
    does, the commit would be told as done, and lost with its server. So nothing is cancelled: one that
    takes too long is left behind with its connection, and done once the standby is back; nobody sees
    it before.

    Raises:
        psycopg.OperationalError: If it is not known to be.
    """
    pgconn: PGconn = connection.pgconn
    pgconn.send_query(b"SET LOCAL statement_timeout = 0; COMMIT")
    pgconn.flush()
    deadline = time.monotonic() + COMMIT_TIMEOUT
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while pgconn.is_busy():
            if not selector.select(max(0, deadline - time.monotonic())):
                connection.close()
                raise psycopg.OperationalError(f"no word that it is safe within {COMMIT_TIMEOUT} seconds")
            pgconn.consume_input()
    results = list(iter(pgconn.get_result, None))
    for result in results:
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
    if not results or results[-1].command_status != b"COMMIT":
        raise psycopg.OperationalError("the transaction was not committed")


def _explained(error: Exception, secrets: Sequence[str]) -> str:
    """In one line: what libpq says has many. And without *secrets*, whatever it says of the URL."""
    said = str(error)
    for secret in secrets:
        said = said.replace(secret, "***")
    if isinstance(error, _POOLED):
        said += f"; {_WHOLE}"
    if isinstance(error, _UNWRITABLE):
        said = f"here it may only be read, as on a standby or by a role that has no more rights: {said}"
    return " ".join(said.split()) or type(error).__name__
