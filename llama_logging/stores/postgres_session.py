"""A connection to a registry in PostgreSQL: how it is opened, what begins and ends a transaction, what may go wrong."""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from llama_logging.exceptions import MissingExtraError, StoreError
from llama_logging.stores.postgres_making import (
    AS_LONG_AS_IT_TAKES,
    MAKING,
    Refused,
    make,
    make_empty,
    refuse_newer,
    taken,
)
from llama_logging.stores.postgres_schema import STEPS, TEMPORARY
from llama_logging.stores.statements import Execute
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
IDLE_TIMEOUT = 10
"""Seconds after which a client that is stopped in the midst of a transaction holds up the others no longer."""
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

INGESTION, INDEXING, _MIGRATION = 1, 2, 3
"""What one transaction at a time may do."""

# What a session needs to write. A journal is removed once it is in here, so what is committed must be on the disk.
_READY = f"""
    {TEMPORARY};
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SELECT pg_backend_pid()
"""

# Of whom the server has heard nothing for a while. No timeout of its own ends one that was stopped between statements
# sent without waiting, or after the Flush with which psycopg asks what they gave. As who has logged in: a role that all
# act as may end none of their sessions.
_END_STOPPED = """
    BEGIN; SET LOCAL ROLE NONE;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE wait_event = 'ClientRead' AND state_change < clock_timestamp() - interval '{seconds} s'
        AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) AND pid IN (
            SELECT pid FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND objid = {key}
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        );
    COMMIT
"""

# What a child of a fork must not close, nor let be collected: the connection is its parent's.
_abandoned: list[object] = []


def retried(method: Callable[P, R]) -> Callable[P, R]:
    """*method* of a store, called again if PostgreSQL has undone its transaction for the sake of another."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for delay in _RETRIES:
            try:
                return method(*args, **kwargs)
            except StoreError as error:
                if not isinstance(error.__cause__, _UNDONE):
                    raise
            time.sleep(delay)
        return method(*args, **kwargs)

    return call


class Session:
    """One connection, used by one thread at a time, opened by the first use and again by the next after it was lost.

    A forked child opens its own. The registry's tables are in a schema of their own. It is no matter which of
    several hosts is the primary, or becomes it.

    Raises:
        StoreError: From any method, whatever PostgreSQL or the network does.
    """

    def __init__(self, url: StoreURL) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._since = 0.0
        # Of the connection: the process that serves it, whether it has found a registry, and is ready to write.
        self._backend: int | None = None
        self._made = self._writes = False
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._key = zlib.crc32(url.schema.encode()) - 2**31

    def finds_registry(self) -> bool:
        """Whether there is one."""
        with self._told(), self._lock:
            self._connect()
            return self._made

    def steps_behind(self) -> int:
        """How many steps of the schema the registry lacks, which the next use takes; 0 where there is none."""
        with self._told(), self._lock:
            steps = taken(_execute(self._open()), self._url.schema)
            return len(STEPS) - steps if steps is not None else 0

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    # --- transactions

    @contextlib.contextmanager
    def reading(self) -> Iterator[Execute]:
        """A transaction that sees one state, in which a standby or a role that may only read would refuse nothing."""
        with self._told(), self._lock, self._ended(self._connect()) as connection:
            execute = _execute(connection)
            if connection.info.transaction_status == pq.TransactionStatus.INTRANS:
                yield execute  # a question that is part of another
                return
            if self._made:
                begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._settings()}; SELECT pg_backend_pid()"
                self._same_session(*_last(execute(begin)))
            else:
                execute(MAKING)
                make_empty(execute)
            yield execute
            execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self, turn: int | None = None) -> Iterator[Execute]:
        """A transaction, begun when it is its *turn*, and safe on the disk once it has ended."""
        with self._told(), self._lock, self._ended(self._connect()) as connection:
            execute = _execute(connection)
            if not self._made:
                self._make(connection)
            if not self._writes:
                self._same_session(*_last(execute(_READY)))
                self._writes = True
            self._begin(execute)
            if turn is not None:
                self.wait(execute, turn)
            yield execute
            _commit(connection)
            if connection.prepare_threshold is None:  # see `attempt`
                connection.close()

    def wait(self, execute: Execute, turn: int) -> None:
        """Wait until no other transaction has this *turn*; this one has it until it ends."""
        execute(f"SELECT pg_advisory_xact_lock({turn}, {self._key})")

    def attempt(self, execute: Execute, add: Callable[[], object]) -> bool:
        """Within a transaction, *add* all or nothing; False if PostgreSQL refuses what is to be added."""
        execute("SAVEPOINT frames")
        try:
            add()
        except _WRONG_FRAME:
            # psycopg takes for prepared what a pipeline was to prepare after the statement that failed.
            self._open_one.prepare_threshold = None
            execute("ROLLBACK TO frames")
            return False
        execute("RELEASE frames")
        return True

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Within a transaction, in it statements are sent without waiting for what they give."""
        pipeline = self._open_one.pipeline()
        pipeline.__enter__()
        try:
            yield
        except BaseException:
            # Told of it, psycopg would say in the application's log that it ignores what fails besides.
            with contextlib.suppress(psycopg.Error):
                pipeline.__exit__(None, None, None)
            raise
        pipeline.__exit__(None, None, None)

    def sweep(self, tables: str) -> None:
        """Free what was deleted from temporary *tables*: nobody else does."""
        if self._connection is not None and not self._connection.closed:
            with self._told(), self._lock:
                # To give the file back to the disk takes four times as long, and the next batch needs it.
                _execute(self._connection)(f"VACUUM (TRUNCATE FALSE) {tables}")

    def _begin(self, execute: Execute) -> None:
        """In one message to the server, which also tells whether a newer version has brought it up to date."""
        # Not READ WRITE: who has a server read only, as its disk is about to be full, means us, too.
        # The lock is shared: only one who would bring it up to date waits, until this transaction is over.
        cursor = execute(
            f"BEGIN ISOLATION LEVEL READ COMMITTED; {self._settings()}; {AS_LONG_AS_IT_TAKES}; "
            f"SELECT pg_advisory_xact_lock_shared({_MIGRATION}, {self._key}); "
            "SELECT pg_backend_pid(), value FROM registry WHERE name = 'version'"
        )
        backend, version = _last(cursor)
        self._same_session(backend)
        refuse_newer(int(version))

    def _same_session(self, backend: int) -> None:
        """Refuse another than before: what is prepared in it under a name may be another client's statement."""
        if self._backend not in (None, backend):
            raise Refused(f"it is another session than before; {_WHOLE}")
        self._backend = backend

    @contextlib.contextmanager
    def _ended(self, connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
        """No transaction is left open behind it."""
        try:
            yield connection
        except BaseException as error:
            # After one of its own errors it may be one to a server that has become a standby.
            if not isinstance(error, (psycopg.Error, Refused)):
                with contextlib.suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
            if connection.info.transaction_status != pq.TransactionStatus.IDLE:
                connection.close()
            if isinstance(error, psycopg.errors.LockNotAvailable):
                self._end_stopped()
            raise

    def _end_stopped(self) -> None:
        """End the sessions of clients that have their turn and were stopped: the others have waited long enough."""
        with contextlib.suppress(psycopg.Error, Refused), self._ended(self._open()) as connection:
            _execute(connection)(_END_STOPPED.format(seconds=IDLE_TIMEOUT, key=self._key % 2**32))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, OSError, Refused) as error:
            raise StoreError(f"{self._url}: {_explained(error, self._url.secrets)}") from error

    def _settings(self) -> str:
        """What holds in a transaction, and only there."""
        return (
            f"SET LOCAL search_path = {self._url.schema}; "
            f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}s'; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'; "
            f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s'; SET LOCAL jit = off; "
            "SET LOCAL array_nulls = on; SET LOCAL extra_float_digits = 1"
        )

    # --- the connection

    @property
    def _open_one(self) -> psycopg.Connection[Any]:
        """That of the transaction under way."""
        assert self._connection is not None
        return self._connection

    def _connect(self) -> psycopg.Connection[Any]:
        """One that is open, the registry up to date if there is one."""
        connection = self._open()
        if not self._made:
            steps = taken(_execute(connection), self._url.schema)
            if steps is not None and steps < len(STEPS):
                self._bring_up_to_date(connection, steps)
            self._made = steps is not None
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

    def _is_idle(self) -> bool:
        return self._open_one.info.transaction_status == pq.TransactionStatus.IDLE

    def _opened(self) -> psycopg.Connection[Any]:
        given = conninfo.conninfo_to_dict(without_schema(self._url))
        defaults = dict(_DEFAULTS)
        if _has_standbys(given):
            defaults["target_session_attrs"] = "read-write"
        connection = psycopg.connect(conninfo.make_conninfo("", **{**defaults, **given}), autocommit=True)
        version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
        if version < _OLDEST or encoding != "UTF8":
            connection.close()
            needed = f"PostgreSQL {_OLDEST // 10_000} or later, with encoding UTF8"
            raise Refused(f"it is {version // 10_000} with encoding {encoding}; needed is {needed}")
        return connection

    def _bring_up_to_date(self, connection: psycopg.Connection[Any], steps: int) -> None:
        try:
            with self._ended(connection):
                self._make(connection)
        except _UNWRITABLE as error:
            raise Refused(
                f"it was made by an earlier version of llama_logging (schema {steps}, this one has {len(STEPS)}); "
                f"somebody who may write, on the primary, must open it first: {error}"
            ) from error

    def _make(self, connection: psycopg.Connection[Any]) -> None:
        execute = _execute(connection)
        execute(f"{MAKING}; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
        self.wait(execute, _MIGRATION)
        make(execute, self._url.schema)
        _commit(connection)
        self._made = True


def _has_standbys(given: Mapping[str, object]) -> bool:
    """Whether several hosts are *given*, or by the environment or its service, and not which of them is meant."""
    usual = {option.keyword: option.val or b"" for option in pq.Conninfo.get_defaults()}
    hosts, ports = (given.get(name, usual.get(name.encode())) for name in ("host", "port"))
    return "," in f"{hosts!r}{ports!r}" and usual.get(b"target_session_attrs") == b"any"


def _last(cursor: psycopg.Cursor[Any]) -> Any:
    """The row that the last of several statements gave."""
    while cursor.nextset():
        pass
    return cursor.fetchone()


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
    if isinstance(error, psycopg.Error) and error.diag.message_primary:  # what follows shows a piece of our statement
        said = "; ".join(filter(None, (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint)))
    for secret in secrets:
        said = said.replace(secret, "***")
    if isinstance(error, _POOLED):
        said += f"; {_WHOLE}"
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        said = f"here it may only be read, as on a standby: {said}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        said = f"the role lacks a right ('Rights' in docs/postgresql.md lists those it needs): {said}"
    return " ".join(said.split()) or type(error).__name__
