"""What the statements of all parts have in common. They are kept to what SQLite 3.34 and PostgreSQL both understand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from llama_logging.context import to_microseconds

T = TypeVar("T")


class Execute(Protocol):
    """Runs one statement, its parameters marked by `?`; what it gives can be iterated and has `rowcount`."""

    def __call__(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...


MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Microseconds."""
UNITS = (1, 60, 1440)
"""Minutes for which totals are kept: minute, hour, day."""

END = 253_370_764_800_000_000
"""The year 9999, in microseconds since the epoch: what is later has no local time everywhere."""
MOST = 10**12
"""So many errors may be counted at once."""
LONGEST = 1_000
"""Characters of its newest error's message that a group keeps: it outlives the error, and there may be many groups."""
_AT_ONCE = 500
"""SQLite 3.31 takes 999 parameters."""

REMEMBER = """
    INSERT INTO registry (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

ORIGIN = "coalesce((SELECT origin FROM processes WHERE processes.id = errors.process), 0)"
"""Of an error; 0 is that of errors whose process is not known."""


def marks(values: Sequence[Any]) -> str:
    """A question mark for each of *values*, as `IN` wants them; NULL for none."""
    return ", ".join("?" * len(values)) or "NULL"


def listed(numbers: Sequence[int]) -> str:
    """*numbers* as they are: to send ten thousand parameters takes longer than all the rest of a search (measured)."""
    return ", ".join(map(str, numbers)) or "NULL"


def parts(values: Sequence[T], size: int = _AT_ONCE) -> Iterator[Sequence[T]]:
    """*values* in parts that one statement can take."""
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


def only(answer: Any) -> Any:
    """The one value of an *answer* that has no more."""
    return answer.fetchone()[0]


def start_of(since: datetime | None) -> int:
    """The microseconds at which *since* begins; None is all time."""
    return 0 if since is None else to_microseconds(since)
