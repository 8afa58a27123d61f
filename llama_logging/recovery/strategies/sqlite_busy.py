"""Waits for an SQLite file that somebody has locked."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.naming import on_host
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True)
class SqliteBusy(Strategy):
    """Waits until the file can be written, then moves what waits in its WAL into it.

    A WAL that could not be moved for long makes every reader slow, and so the next lock longer.
    """

    name: ClassVar[str] = "sqlite.busy"
    option_names: ClassVar[tuple[str, ...]] = ("database",)
    database: Path

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `database`, the path of the file."""
        return cls(Path(options.required("database", as_text)).absolute())

    @property
    def scope(self) -> str:
        """The file."""
        return on_host(f"sqlite:{self.database}")

    @property
    def intent(self) -> str:
        """Names the file."""
        return f"wait until {self.database} can be written"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Take the write lock and give it back; checkpoint as far as that waits for nobody."""
        try:
            problem = deadline.wait_for(self._problem, delay=0.05, longest=1.0)
        except sqlite3.Error as error:
            problem = f"{self.database}: {error}"
        return verdict(problem, f"{self.database} can be written")

    def _problem(self, deadline: Deadline) -> str:
        # mode=rw: a file that is not there must not be made. timeout 0: the waiting is the deadline's.
        address = f"{self.database.as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.OperationalError as error:
                # The low byte is the primary code: SQLITE_BUSY_SNAPSHOT and others are kinds of it.
                if error.sqlite_errorcode & 0xFF not in _PASSING:
                    raise
                return f"{self.database}: {error}"
        return ""
