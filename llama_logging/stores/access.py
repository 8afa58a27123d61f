"""How the parts of SQLStore reach its tables: what is left to SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from llama_logging.context import to_microseconds
from llama_logging.registry.origins import EVERYWHERE
from llama_logging.stores import counting, words
from llama_logging.stores.arriving import Arrived, Error, Shape
from llama_logging.stores.statements import Execute
from llama_logging.stores.temporary import Row, Table


class SQLAccess:
    """What a store's subclass gives.

    Its `_reading` and `_transaction` give an Execute; the temporary tables are there in both.
    """

    url: str
    version = 0
    origin = EVERYWHERE

    @property
    def exists(self) -> bool:
        """Whether there is a registry; one that never was is empty, and asking does not make it."""
        return True

    @property
    def may_write(self) -> bool:
        """Whether this process may change anything in it."""
        return True

    def _reading(self) -> contextlib.AbstractContextManager[Execute]:
        raise NotImplementedError

    def _transaction(self) -> contextlib.AbstractContextManager[Execute]:
        raise NotImplementedError

    def _ingestion(self) -> contextlib.AbstractContextManager[Execute]:
        """The transaction in which a batch comes in: it has its journal before it is `_alone`."""
        return self._transaction()

    def _together(self) -> contextlib.AbstractContextManager[object]:
        """In it, statements may be sent without waiting for what they give."""
        return contextlib.nullcontext()

    def _bring(self, execute: Execute, errors: Sequence[Error], numbers: Mapping[Shape, int]) -> None:
        """Send *errors*, which are to be kept, where that takes long: nobody waits for it yet."""

    def _alone(self, execute: Execute) -> None:
        """Wait until no other transaction turns groups, where one may."""

    def _now(self, execute: Execute) -> int:
        """By the clock that decides, in microseconds since the epoch."""
        return to_microseconds(datetime.now(UTC))

    def _attempt(self, execute: Execute, arrived: Arrived) -> bool:
        """`_add`, all or nothing; False if the database refuses what is in one of the frames."""
        raise NotImplementedError

    def _fill(self, execute: Execute, table: Table, rows: Sequence[Row]) -> None:
        """Put *rows* into the temporary *table*."""
        raise NotImplementedError

    def _place(self, execute: Execute) -> None:
        """Add what is new of groups to them, and find where in the registry all that was told is."""
        for statement in (counting.GROUPS, *counting.PLACED):
            execute(statement)

    def _keep(self, execute: Execute, errors: Sequence[Error], numbers: Mapping[Shape, int]) -> None:
        """Add *errors*, whose shapes have these *numbers*, and are there with their groups, stacks and processes."""
        raise NotImplementedError

    def _size(self, execute: Execute) -> int:
        """Bytes of the whole registry."""
        raise NotImplementedError

    def _disk(self, execute: Execute) -> int:
        """Bytes on the disk, without looking into the tables."""
        raise NotImplementedError

    def _problems(self, execute: Execute) -> list[str]:
        """What a check of the database itself finds."""
        raise NotImplementedError

    def _clock(self, execute: Execute) -> tuple[float, str]:
        """Seconds on a clock that all who share the registry have, and a name for what it counts from."""
        raise NotImplementedError

    def _index(self) -> words.Index:
        """The index of words."""
        raise NotImplementedError
