"""The tables in which what comes in is told to the database, within one transaction.

What is counted, and what is new, is told in a few rows, and everything after that is a few statements over all of them.
"""

from __future__ import annotations

from llama_logging.stores.statements import Execute

BATCH = """
    CREATE TEMP TABLE batch (
        place BIGINT, kind TEXT, error_id TEXT, attempt_id TEXT, timestamp BIGINT, severity INTEGER, fingerprint TEXT,
        name TEXT, release TEXT, service TEXT, environment TEXT, module TEXT, function TEXT, strategy TEXT, status TEXT,
        duration DOUBLE PRECISION, pending INTEGER, content TEXT
    )
"""
"""Of what came in, one row for each frame that is no error: see `arriving`."""
TOLD = """
    CREATE TEMP TABLE told (
        fingerprint TEXT, stack TEXT, process TEXT, origin BIGINT, minute BIGINT, severity INTEGER, error_type TEXT,
        amount BIGINT, errors BIGINT, first_seen BIGINT, last_seen BIGINT
    )
"""
"""How often errors of one place were there in a minute; `errors` are those of which more is there than a count. `stack`
and `process` are names."""
NEWS = """
    CREATE TEMP TABLE news (
        fingerprint TEXT, count BIGINT, severity INTEGER, first_seen BIGINT, last_seen BIGINT, first_process TEXT,
        error_id TEXT, error_type TEXT, error_message TEXT, logger_name TEXT, stack TEXT, last_process TEXT
    )
"""
"""What there is new of each group: how often, how bad, since when, and what its newest error says."""
MOVING = """
    CREATE TEMP TABLE moving (
        error_id TEXT PRIMARY KEY, fingerprint TEXT, regrouped TEXT, position BIGINT, was BIGINT, was_regrouped TEXT
    )
"""
"""Errors that go into another group; `was` is the one they are in."""
TURNED = "CREATE TEMP TABLE turned (group_id BIGINT, kind TEXT, at BIGINT, detail TEXT)"
"""Groups whose state changes with this batch."""
TEMPORARY = (BATCH, TOLD, NEWS, MOVING, TURNED)


def clear(execute: Execute) -> None:
    """Forget what came in and what was told of it."""
    for table in ("batch", "told", "news"):
        execute(f"DELETE FROM {table}")
