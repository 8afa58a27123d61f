"""The tables in which what comes in is told to the database, within one transaction.

What is counted, and what is new, is told in a few rows, and everything after that is a few statements over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llama_logging.stores.statements import Execute


class Table:
    """A table that is filled from here.

    Args:
        name: What it is called.
        told: The columns that are told, in their order, with the type that each has in SQLite.
        found: Those that the database finds by these.
    """

    def __init__(self, name: str, told: str, found: str = "") -> None:
        self.name = name
        self.columns = {column: kind for column, _, kind in (each.partition(" ") for each in told.split(", "))}
        self.definition = f"CREATE TEMP TABLE {name} ({', '.join(filter(None, (told, found)))})"


Row = Sequence[Any]
"""A value for each column that is told."""
Fill = Callable[[Execute, Table, Sequence[Row]], None]
"""As SQLAccess has it."""

BATCH = Table(
    "batch",
    "place BIGINT, kind TEXT, error_id TEXT, attempt_id TEXT, timestamp BIGINT, severity INTEGER, fingerprint TEXT, "
    "name TEXT, release TEXT, service TEXT, environment TEXT, module TEXT, function TEXT, strategy TEXT, status TEXT, "
    "duration DOUBLE PRECISION, pending INTEGER, content TEXT",
)
"""Of what came in, one row for each frame that is no error: see `arriving`."""
SHAPES = Table(
    "shapes",
    "shape INTEGER PRIMARY KEY, fingerprint TEXT, stack_name TEXT, process_name TEXT, severity INTEGER, "
    "error_type TEXT, logger_name TEXT",
    "group_id BIGINT, stack BIGINT, process BIGINT, origin BIGINT, release TEXT",
)
"""What errors of one place have in common (see `arriving`), by number, and where that is in the registry."""
TOLD = Table("told", "shape INTEGER, minute BIGINT, amount BIGINT, errors BIGINT, first_seen BIGINT, last_seen BIGINT")
"""How often errors of a shape were there in a minute; `errors` are those of which more is there than a count."""
NEWS = Table(
    "news",
    "fingerprint TEXT, count BIGINT, severity INTEGER, first_seen BIGINT, last_seen BIGINT, first_shape INTEGER, "
    "last_shape INTEGER, error_id TEXT, error_message TEXT",
)
"""What there is new of each group: how often, how bad, since when, and what its newest error says."""
PLACED = """
    CREATE TEMP TABLE placed (
        group_id BIGINT, stack BIGINT, process BIGINT, origin BIGINT, release TEXT, severity INTEGER, error_type TEXT,
        minute BIGINT, amount BIGINT, errors BIGINT, first_seen BIGINT, last_seen BIGINT
    )
"""
"""The rows of TOLD with what their shapes are in the registry."""
MOVING = """
    CREATE TEMP TABLE moving (
        error_id TEXT PRIMARY KEY, fingerprint TEXT, regrouped TEXT, position BIGINT, was BIGINT, was_regrouped TEXT
    )
"""
"""Errors that go into another group; `was` is the one they are in."""
TURNED = "CREATE TEMP TABLE turned (group_id BIGINT, kind TEXT, at BIGINT, detail TEXT)"
"""Groups whose state changes with this batch."""
_FILLED = (BATCH, SHAPES, TOLD, NEWS)
TEMPORARY = (*(table.definition for table in _FILLED), PLACED, MOVING, TURNED)
TOLD_OF = (*(table.name for table in _FILLED), "placed")
"""The names of those that tell of what came in."""


def clear(execute: Execute) -> None:
    """Forget what came in and what was told of it."""
    for name in TOLD_OF:
        execute(f"DELETE FROM {name}")
