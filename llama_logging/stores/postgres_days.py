"""Errors in PostgreSQL have a table for each day, and so have their words: a day that is over is dropped as a whole."""

from __future__ import annotations

from collections.abc import Callable

from llama_logging.stores import pruning
from llama_logging.stores.postgres_schema import DAYS, FIRST_DAY, LAST_DAY
from llama_logging.stores.statements import DAY, MINUTE, Execute, only

DROP_TIMEOUT = 2
"""Seconds to wait for readers before a day is dropped: new ones wait behind it."""

_MISSING = f"""
    SELECT day FROM (
        SELECT minute / {DAY // MINUTE} AS day FROM told WHERE errors > 0
        UNION SELECT extract(epoch FROM clock_timestamp())::bigint / 86400 + ahead FROM generate_series(0, 1) AS ahead
    ) AS days
    WHERE day >= {FIRST_DAY} AND day < {LAST_DAY} AND day NOT IN (SELECT day FROM ({DAYS}) AS made) ORDER BY day
"""
# A search asks the tables of days themselves.
_READERS = """
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = 'errors'::regclass AND privilege_type = 'SELECT'
"""


def make(execute: Execute) -> None:
    """Make those that errors which came in need, and tomorrow's."""
    for (day,) in execute(_MISSING).fetchall():
        for table in ("errors", "error_words"):
            # Made apart and then attached: a lock that no reader meets.
            execute(f"CREATE TABLE {table}_{day} (LIKE {table} INCLUDING DEFAULTS)")
            bounds = f"FROM ({day * DAY}) TO ({(day + 1) * DAY})"
            execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_{day} FOR VALUES {bounds}")
        for (role,) in execute(_READERS).fetchall():
            execute(f"GRANT SELECT ON errors_{day}, error_words_{day} TO {role}")


def drop_old(execute: Execute, before: int, alone: Callable[[Execute], object]) -> int:
    """Drop the oldest day whose errors are all older than that.

    Args:
        before: Microseconds since the epoch.
        alone: Waits until nobody else indexes words.

    Returns:
        How many errors they were.
    """
    for (day,) in execute(DAYS).fetchall():
        if (day + 1) * DAY > before:
            break
        errors = f"errors_{day}"
        for table in ("sightings", "attempts"):
            execute(f"DELETE FROM {table} WHERE error_id IN (SELECT error_id FROM {errors})")
        count = int(only(execute(f"SELECT count(*) FROM {errors}")))
        pruning.leave(execute, errors)
        _drop(execute, day, alone)
        if count:
            return count
    return 0


def drop_empty(execute: Execute, before: int, alone: Callable[[Execute], object]) -> None:
    """As `drop_old`, those of which nothing is left."""
    for (day,) in execute(DAYS).fetchall():
        any_left = f"SELECT EXISTS (SELECT 1 FROM errors_{day})"
        if (day + 1) * DAY <= before and not only(execute(any_left)):
            _drop(execute, day, alone)


def _drop(execute: Execute, day: int, alone: Callable[[Execute], object]) -> None:
    # In the order in which a search locks them; whoever indexes does so in the other.
    alone(execute)
    execute(f"SET LOCAL lock_timeout = '{DROP_TIMEOUT}s'")
    execute(f"DROP TABLE error_words_{day}, errors_{day}")
