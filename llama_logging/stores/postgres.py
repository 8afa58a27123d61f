"""The registry in PostgreSQL, for fleets: many machines, one registry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain

from llama_logging.context import to_microseconds
from llama_logging.retention import Retention
from llama_logging.runtime.native import breathe
from llama_logging.stores import postgres_days, pruning, words
from llama_logging.stores.arriving import Arrived, Error, Shape
from llama_logging.stores.postgres_arrays import arrays, unnested
from llama_logging.stores.postgres_schema import STEPS
from llama_logging.stores.postgres_session import INDEXING, INGESTION, Session, retried
from llama_logging.stores.postgres_words import Words
from llama_logging.stores.sql import SQLStore
from llama_logging.stores.statements import DAY, Execute, only, parts
from llama_logging.stores.temporary import TOLD_OF, Row, Table
from llama_logging.stores.urls import StoreURL

_SWEEP_AFTER = 500
# Bytes that an error takes in the indexes (measured); a stack takes less.
_INDEXED = 250

_ARRIVED = {
    **{"shape": "INTEGER", "error_id": "TEXT", "timestamp": "BIGINT", "message": "TEXT", "partial": "INTEGER"},
    **{"details": "INTEGER", "content": "TEXT"},
}
_KEEP = f"""
    INSERT INTO errors (error_id, timestamp, severity, group_id, error_type, message, stack, process,
                        partial, details, content)
    SELECT arrived.error_id, arrived.timestamp, shapes.severity, shapes.group_id, shapes.error_type, arrived.message,
           shapes.stack, shapes.process, arrived.partial, arrived.details, arrived.content
    FROM {unnested(_ARRIVED, "current_setting(?)")} WITH ORDINALITY AS arrived ({", ".join(_ARRIVED)}, place)
    JOIN shapes ON shapes.shape = arrived.shape
    ORDER BY arrived.place
"""
# Settings of one's own need no table, and are forgotten with the transaction. They would be sent back as they are.
_BRING = f"SELECT {', '.join(['set_config(?, ?, true) IS NULL'] * len(_ARRIVED))}"
_TABLES = (
    "groups", "group_origins", "stack_uses", "process_uses", "origins", "processes", "releases", "counts", "day_counts",
    "totals", "origin_totals", "changes", "sightings", "attempts", "journals", "scopes", "moves", "incidents",
    "group_words", "registry",
)  # fmt: skip


class PostgresStore(SQLStore):
    """See `registry.Store` for the contract, and `Session` for how it is reached."""

    version = len(STEPS)

    def __init__(self, url: StoreURL) -> None:
        self.url = str(url)
        self._schema = url.schema
        self._session = Session(url)
        self._staged = 0
        self._words = Words(partial(self._session.writing, INDEXING), lambda: self.may_write)

    @property
    def exists(self) -> bool:
        return self._session.finds_registry()

    @property
    def behind(self) -> int:
        return self._session.steps_behind()

    @property
    def may_write(self) -> bool:
        with self._reading() as execute:
            return bool(
                only(execute("SELECT has_table_privilege('error_words', 'INSERT') AND NOT pg_is_in_recovery()"))
            )

    def close(self) -> None:
        self._session.close()

    def _reading(self) -> contextlib.AbstractContextManager[Execute]:
        return self._session.reading()

    def _transaction(self) -> contextlib.AbstractContextManager[Execute]:
        return self._session.writing(INGESTION)

    # --- frames come in

    @contextlib.contextmanager
    def _ingestion(self) -> Iterator[Execute]:
        with self._session.writing() as execute:
            yield execute
        if self._staged > _SWEEP_AFTER:
            # ON COMMIT DELETE ROWS costs more, 4 ms each time, and in the transaction that others wait for.
            self._session.sweep(", ".join(f"pg_temp.{name}" for name in (*TOLD_OF, "moving", "turned")))
            self._staged = 0

    def _claim(self, execute: Execute, journal: str) -> int:
        # A row that is not there cannot be locked, and two that ingest the same journal must take turns. In one
        # statement: between two the row may be gone.
        claim = (
            "INSERT INTO journals VALUES (?, 0, 0, '') "
            'ON CONFLICT (journal) DO UPDATE SET journal = excluded.journal RETURNING "offset"'
        )
        return int(only(execute(claim, (journal,))))

    def _attempt(self, execute: Execute, arrived: Arrived) -> bool:
        return self._session.attempt(execute, partial(self._add, execute, arrived))

    def _fill(self, execute: Execute, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            self._staged += len(rows)
            insert = f"INSERT INTO {table.name} ({', '.join(table.columns)}) SELECT * FROM {unnested(table.columns)}"
            execute(insert, arrays(rows, table.columns))

    def _place(self, execute: Execute) -> None:
        with _among_few(execute):
            super()._place(execute)

    def _bring(self, execute: Execute, errors: Sequence[Error], numbers: Mapping[Shape, int]) -> None:
        for part, some in enumerate(parts(errors)):
            rows = [(numbers[shape], error_id, moment, *rest) for error_id, moment, shape, *rest in some]
            execute(_BRING, list(chain.from_iterable(zip(_settings(part), arrays(rows, _ARRIVED), strict=True))))
            breathe()

    def _keep(self, execute: Execute, errors: Sequence[Error], numbers: Mapping[Shape, int]) -> None:
        postgres_days.make(execute)
        with _among_few(execute):
            for part, _ in enumerate(parts(errors)):
                execute(_KEEP, _settings(part))

    def _together(self) -> contextlib.AbstractContextManager[object]:
        return self._session.together()

    def _alone(self, execute: Execute) -> None:
        # Errors are followed in the order of their positions, so they must be committed in that order: what comes now
        # is done by one writer at a time, until its transaction ends. A row of the day's totals would make them wait
        # for each other anyway. What takes a slow client long, sending the errors, came before.
        self._session.wait(execute, INGESTION)

    def _now(self, execute: Execute) -> int:
        # Of one clock, the server's: those of a fleet do not agree.
        return int(only(execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")))

    def _clock(self, execute: Execute) -> tuple[float, str]:
        now = only(execute("SELECT extract(epoch FROM clock_timestamp())::double precision"))
        return float(now), "postgresql"

    # --- upkeep

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        now, alone = to_microseconds(at), partial(self._session.wait, turn=INDEXING)
        if retention.period is not None:
            with self._transaction() as execute:
                count = postgres_days.drop_old(execute, now - int(retention.period * 1_000_000), alone)
            if count:
                return count
        count = super().prune(retention, at, limit)
        if not count:
            with self._transaction() as execute:
                postgres_days.drop_empty(execute, now - DAY, alone)
        return count

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
        return int(only(execute(total, (self._schema,))))

    def _problems(self, execute: Execute) -> list[str]:
        rows = execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
            "WHERE relnamespace = to_regnamespace(?) AND NOT indisvalid",
            (self._schema,),
        )
        return [f"index {row[0]} is not valid" for row in rows]

    def _index(self) -> words.Index:
        return self._words

    ingest = retried(SQLStore.ingest)
    forget = retried(SQLStore.forget)
    rewind = retried(SQLStore.rewind)
    resolve = retried(SQLStore.resolve)
    mute = retried(SQLStore.mute)
    reopen = retried(SQLStore.reopen)
    merge = retried(SQLStore.merge)
    unmerge = retried(SQLStore.unmerge)
    move = retried(SQLStore.move)
    undo_move = retried(SQLStore.undo_move)
    delete = retried(SQLStore.delete)
    note = retried(SQLStore.note)
    accept = retried(SQLStore.accept)
    acquire = retried(SQLStore.acquire)
    renew = retried(SQLStore.renew)
    finish = retried(SQLStore.finish)
    forget_scope = retried(SQLStore.forget_scope)
    remember = retried(SQLStore.remember)
    predicted = retried(SQLStore.predicted)
    resolve_predictions = retried(SQLStore.resolve_predictions)
    settle_predictions = retried(SQLStore.settle_predictions)
    rate_predictions = retried(SQLStore.rate_predictions)


@contextlib.contextmanager
def _among_few(execute: Execute) -> Iterator[None]:
    """In it, statements join nothing but temporary tables.

    These were empty when they were swept. PostgreSQL takes them for that, and would go through all rows for each.
    """
    execute("SET LOCAL enable_nestloop = off")
    yield
    execute("SET LOCAL enable_nestloop TO DEFAULT")


def _settings(part: int) -> list[str]:
    """The names under which a *part* of the errors is brought, column by column."""
    return [f"llama_logging.{column}_{part}" for column in _ARRIVED]
