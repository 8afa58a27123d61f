"""The registry in one SQLite file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain

from llama_logging import process
from llama_logging.retention import Retention
from llama_logging.stores import words
from llama_logging.stores.arriving import Arrived, Error, Shape
from llama_logging.stores.schema import STEPS
from llama_logging.stores.sql import SQLStore
from llama_logging.stores.sqlite_session import Session
from llama_logging.stores.sqlite_words import Words
from llama_logging.stores.statements import Execute, marks, only, parts
from llama_logging.stores.temporary import Row, Table
from llama_logging.stores.urls import StoreURL

_AT_ONCE = 128
"""Rows in one statement."""

_COLUMNS = (
    *("error_id", "timestamp", "severity", "error_type", "message", "partial", "details", "content"),
    *("group_id", "stack", "process"),
)
"""Of `errors`."""


class SQLiteStore(SQLStore):
    """See `registry.Store` for the contract, and `Session` for how it is reached.

    Args:
        url: Where it is.
        reading: Whether nothing is to be done to it, not even to mend it.
    """

    version = len(STEPS)

    def __init__(self, url: StoreURL, *, reading: bool = False) -> None:
        self.url = str(url)
        self._session = Session(url, reads_only=reading, moved=lambda at, detail: self.note(at, "corrupt", detail))
        self._words = Words(self._transaction, lambda: self.may_write)

    @property
    def exists(self) -> bool:
        return self._session.exists

    @property
    def behind(self) -> int:
        return self._session.steps_behind()

    @property
    def may_write(self) -> bool:
        return self._session.may_write

    def sync(self) -> None:
        self._session.sync()

    def close(self) -> None:
        self._session.close()

    def _reading(self) -> contextlib.AbstractContextManager[Execute]:
        return self._session.reading()

    def _transaction(self) -> contextlib.AbstractContextManager[Execute]:
        return self._session.writing()

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        count = super().prune(retention, at, limit)
        if count:
            with self._transaction() as execute:
                self._words.forget(execute)
            self._session.reclaim()
        return count

    def _attempt(self, execute: Execute, arrived: Arrived) -> bool:
        return self._session.attempt(execute, partial(self._add, execute, arrived))

    def _keep(self, execute: Execute, errors: Sequence[Error], numbers: Mapping[Shape, int]) -> None:
        places = {place[0]: place[1:] for place in execute("SELECT shape, group_id, stack, process FROM shapes")}
        for some in parts(errors, _AT_ONCE):
            rows = [
                (
                    *(error_id, moment, shape.severity, shape.error_type, message, partial, details, content),
                    *places[numbers[shape]],
                )
                for error_id, moment, shape, message, partial, details, content in some
            ]
            _insert(execute, "errors", _COLUMNS, rows)

    def _fill(self, execute: Execute, table: Table, rows: Sequence[Row]) -> None:
        _insert(execute, table.name, tuple(table.columns), rows)

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


def _insert(execute: Execute, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Put *rows* into *table*; many by one statement.

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
