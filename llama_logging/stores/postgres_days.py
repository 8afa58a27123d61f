"""Errors in PostgreSQL have a table for each day, and so have their words: a day that is over is dropped as a whole.

Of days long ago several share one. Each table makes the next one slower to make, and each is locked with its indexes by
whoever asks for errors of all time: of 1,500, a server as it comes has no memory to note so many locks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from llama_logging.stores import pruning
from llama_logging.stores.postgres_schema import DAYS, FIRST_DAY, LAST_DAY
from llama_logging.stores.statements import DAY, MINUTE, Execute, only

DROP_TIMEOUT = 2
"""Seconds to wait for readers before a day is dropped: new ones wait behind it."""
SHARED = 32
"""So many days may share a table, a power of two, once they are as many days ago."""

_NAMES = ", ".join(
    f"'errors_' || day / {size} * {size} || '_' || (day / {size} * {size} + {size - 1})"
    for size in (2**power for power in range(1, SHARED.bit_length()))
)
_TODAY = "extract(epoch FROM clock_timestamp())::bigint / 86400"
_MISSING = f"""
    SELECT day, {_TODAY} FROM (
        SELECT minute / {DAY // MINUTE} AS day FROM told WHERE errors > 0
        UNION SELECT {_TODAY} + ahead FROM generate_series(0, 1) AS ahead
    ) AS days
    WHERE day >= {FIRST_DAY} AND day < {LAST_DAY}
        AND NOT EXISTS (
            SELECT 1 FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
            WHERE inhparent = 'errors'::regclass AND relname = ANY (ARRAY['errors_' || day, {_NAMES}]::name[]) OFFSET 0
        )
    ORDER BY day
"""
# By name: to go through all that are there takes each batch a millisecond where they are 300. OFFSET has PostgreSQL
# look for each by itself.
# A search asks the tables of days themselves.
_READERS = """
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = 'errors'::regclass AND privilege_type = 'SELECT'
"""


def make(execute: Execute) -> None:
    """Make those that errors which came in need, and tomorrow's."""
    missing = execute(_MISSING).fetchall()
    if not missing:
        return
    made = {day for _, first, last in execute(DAYS).fetchall() for day in range(first, last + 1)}
    readers = [role for (role,) in execute(_READERS).fetchall()]
    for day, today in missing:
        if day not in made:
            days = _sharing(day, made, today - SHARED)
            made.update(days)
            _make(execute, days, readers)


def _sharing(day: int, made: Container[int], before: int) -> range:
    """The days that get a table with *day*: as many as may, all *before* that one, and none of those that are *made*.

    >>> _sharing(70, {66}, before=100), _sharing(70, {66}, before=72), _sharing(70, {}, before=70)
    (range(68, 72), range(68, 72), range(70, 71))
    >>> _sharing(70, {}, before=100)
    range(64, 96)
    """
    days, size = range(day, day + 1), 2
    while size <= SHARED:
        more = range(day // size * size, (day // size + 1) * size)
        if more[-1] >= before or any(each in made for each in more):
            break
        days, size = more, size * 2
    return days


def _make(execute: Execute, days: range, readers: Sequence[str]) -> None:
    name = str(days[0]) if len(days) == 1 else f"{days[0]}_{days[-1]}"
    for table in ("errors", "error_words"):
        # Made apart and then attached: a lock that no reader meets.
        execute(f"CREATE TABLE {table}_{name} (LIKE {table} INCLUDING DEFAULTS)")
        bounds = f"FROM ({days[0] * DAY}) TO ({(days[-1] + 1) * DAY})"
        execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_{name} FOR VALUES {bounds}")
    for role in readers:
        execute(f"GRANT SELECT ON errors_{name}, error_words_{name} TO {role}")


def drop_old(execute: Execute, before: int, alone: Callable[[Execute], object]) -> int:
    """Drop the oldest table whose errors are all older than that.

    Args:
        before: Microseconds since the epoch.
        alone: Waits until nobody else indexes words.

    Returns:
        How many errors they were.
    """
    for name, _, last in execute(DAYS).fetchall():
        if (last + 1) * DAY > before:
            break
        errors = f"errors_{name}"
        for table in ("sightings", "attempts"):
            execute(f"DELETE FROM {table} WHERE error_id IN (SELECT error_id FROM {errors})")
        count = int(only(execute(f"SELECT count(*) FROM {errors}")))
        pruning.leave(execute, errors)
        _drop(execute, name, alone)
        if count:
            return count
    return 0


def drop_empty(execute: Execute, before: int, alone: Callable[[Execute], object]) -> None:
    """As `drop_old`, those of which nothing is left."""
    for name, _, last in execute(DAYS).fetchall():
        any_left = f"SELECT EXISTS (SELECT 1 FROM errors_{name})"
        if (last + 1) * DAY <= before and not only(execute(any_left)):
            _drop(execute, name, alone)


def _drop(execute: Execute, name: str, alone: Callable[[Execute], object]) -> None:
    # In the order in which a search locks them; whoever indexes does so in the other.
    alone(execute)
    execute(f"SET LOCAL lock_timeout = '{DROP_TIMEOUT}s'")
    execute(f"DROP TABLE error_words_{name}, errors_{name}")
