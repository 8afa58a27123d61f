"""How what comes in becomes rows: the statements both stores run, in order, within one transaction.

What is counted, and what is new, is told to the database in temporary tables, and everything after that is a few
statements over all of their rows. They are kept to what SQLite 3.34 and PostgreSQL both understand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Protocol, TypeVar

from llama_logging.context import to_microseconds
from llama_logging.seen import SAME_FOR

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
AT_ONCE = 128
"""Rows in one statement, and errors between two moments in which other threads get the interpreter: some 0.3 ms."""

_UNITS = " UNION ALL ".join(f"SELECT {unit} AS unit" for unit in UNITS)

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

STACKS = (
    """
    INSERT INTO stacks (name, module, function, content)
    SELECT name, min(module), min(function), min(content) FROM batch WHERE kind = 'stack' GROUP BY name ORDER BY name
    ON CONFLICT (name) DO NOTHING
    """,
    """
    INSERT INTO origins (service, environment)
    SELECT DISTINCT service, environment FROM batch WHERE kind = 'open' ORDER BY 1, 2
    ON CONFLICT (service, environment) DO NOTHING
    """,
    """
    INSERT INTO processes (name, release, origin, content)
    SELECT batch.name, min(batch.release), min(origins.id), min(batch.content)
    FROM batch JOIN origins ON origins.service = batch.service AND origins.environment = batch.environment
    WHERE batch.kind = 'open' GROUP BY batch.name ORDER BY batch.name
    ON CONFLICT (name) DO NOTHING
    """,
)

_WITHIN = "errors.error_id BETWEEN ? AND ? AND errors.timestamp BETWEEN ? AND ?"
HAS_KNOWN = f"SELECT EXISTS (SELECT 1 FROM errors WHERE {_WITHIN})"
"""Whether anything is there whose id and moment lie between these: mostly nothing does, and none need be looked for."""
KNOWN = "SELECT error_id, partial FROM errors WHERE error_id IN ({}) AND timestamp BETWEEN ? AND ?"
"""Which errors are there already, and whether their own code was still to speak."""
SPOKEN = (
    # The group it is in says so, too, if nothing came after it. A rule may have another for it, by what it says.
    """
    UPDATE groups SET error_message = ? WHERE last_error_id = ? AND fingerprint = ?
    """,
    """
    INSERT INTO moving (error_id, fingerprint, regrouped)
    SELECT errors.error_id, told.fingerprint, NULL
    FROM (SELECT CAST(? AS TEXT) AS fingerprint) AS told, errors JOIN groups ON groups.id = errors.group_id
    WHERE errors.error_id = ? AND errors.timestamp = ? AND groups.fingerprint <> told.fingerprint
    """,
    """
    UPDATE errors SET content = ?, message = ?, partial = 0, details = ? WHERE error_id = ? AND timestamp = ?
    """,
)
"""Of an error that is there already, and has now said all."""

PLACED = "UPDATE told SET origin = coalesce((SELECT origin FROM processes WHERE processes.name = told.process), 0)"
RELEASES = """
    INSERT INTO releases (release, first_seen)
    SELECT processes.release, min(told.first_seen)
    FROM told JOIN processes ON processes.name = told.process
    WHERE processes.release <> '' GROUP BY processes.release ORDER BY processes.release
    ON CONFLICT (release) DO UPDATE SET first_seen = excluded.first_seen
    WHERE excluded.first_seen < releases.first_seen
"""

REMEMBER = """
    INSERT INTO registry (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

GROUPS = f"""
    INSERT INTO groups (fingerprint, error_type, error_message, severity, logger_name, stack, count,
                        first_seen, last_seen, last_error_id, first_release, last_release)
    SELECT fingerprint, error_type, error_message, severity, logger_name, stacks.id, count,
           first_seen, last_seen, error_id, coalesce(began.release, ''), coalesce(processes.release, '')
    FROM news
    LEFT JOIN stacks ON stacks.name = news.stack LEFT JOIN processes ON processes.name = news.last_process
    LEFT JOIN processes AS began ON began.name = news.first_process
    ORDER BY news.fingerprint
    ON CONFLICT (fingerprint) DO UPDATE SET
        count = groups.count + excluded.count,
        severity = CASE WHEN excluded.severity > groups.severity THEN excluded.severity ELSE groups.severity END,
        {
    ", ".join(
        f"{column} = CASE WHEN excluded.first_seen < groups.first_seen THEN excluded.{column} ELSE groups.{column} END"
        for column in ("first_seen", "first_release")
    )
},
        {
    ", ".join(
        f"{column} = CASE WHEN (excluded.last_seen >= groups.last_seen OR groups.last_error_id = '') "
        f"AND excluded.last_error_id <> '' THEN excluded.{column} ELSE groups.{column} END"
        for column in ("error_type", "error_message", "stack", "last_error_id", "last_release")
    )
},
        last_seen = CASE WHEN excluded.last_seen > groups.last_seen THEN excluded.last_seen ELSE groups.last_seen END
"""

USES = tuple(
    f"""
    INSERT INTO {one}_uses (id, count, last_seen)
    SELECT {many}.id, sum(used.errors), max(used.last_seen)
    FROM (
        SELECT {one} AS name, errors, last_seen FROM told
        UNION ALL SELECT name, 0, CAST(? AS BIGINT) FROM batch WHERE kind = '{definition}'
    ) AS used JOIN {many} ON {many}.name = used.name GROUP BY 1 ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET
        count = {one}_uses.count + excluded.count,
        last_seen = CASE WHEN excluded.last_seen > {one}_uses.last_seen THEN excluded.last_seen
                         ELSE {one}_uses.last_seen END
    """
    for one, many, definition in (("stack", "stacks", "stack"), ("process", "processes", "open"))
)
"""In how many errors stacks and processes are, and when they were last heard of; these take now, for definitions."""
_COUNTED = (("counts", "minute", 1), ("day_counts", "day", DAY // MINUTE))
COUNTS = tuple(
    f"""
    INSERT INTO {table} (group_id, {step}, origin, count)
    SELECT groups.id, told.minute / {minutes}, told.origin, sum(told.amount)
    FROM told JOIN groups ON groups.fingerprint = told.fingerprint GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (group_id, {step}, origin) DO UPDATE SET count = {table}.count + excluded.count
    """
    for table, step, minutes in _COUNTED
)
ORIGINS = """
    INSERT INTO group_origins (group_id, origin, count, severity, first_seen, last_seen)
    SELECT groups.id, told.origin, sum(told.amount), max(told.severity), min(told.first_seen), max(told.last_seen)
    FROM told JOIN groups ON groups.fingerprint = told.fingerprint GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (group_id, origin) DO UPDATE SET
        count = group_origins.count + excluded.count,
        severity = CASE WHEN excluded.severity > group_origins.severity THEN excluded.severity
                        ELSE group_origins.severity END,
        first_seen = CASE WHEN excluded.first_seen < group_origins.first_seen THEN excluded.first_seen
                          ELSE group_origins.first_seen END,
        last_seen = CASE WHEN excluded.last_seen > group_origins.last_seen THEN excluded.last_seen
                         ELSE group_origins.last_seen END
"""


def _totals(told: str) -> tuple[str, str]:
    """What adds the rows of *told* to the totals, and to those by origin."""
    return (
        f"""
        INSERT INTO totals (unit, bucket, severity, error_type, count)
        SELECT units.unit, told.minute / units.unit, told.severity, told.error_type, sum(told.amount)
        FROM {told} CROSS JOIN ({_UNITS}) AS units
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (unit, bucket, severity, error_type) DO UPDATE SET count = totals.count + excluded.count
        """,
        f"""
        INSERT INTO origin_totals (origin, unit, bucket, severity, error_type, count)
        SELECT told.origin, units.unit, told.minute / units.unit, told.severity, told.error_type, sum(told.amount)
        FROM {told} CROSS JOIN ({_UNITS}) AS units
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (origin, unit, bucket, severity, error_type)
            DO UPDATE SET count = origin_totals.count + excluded.count
        """,
    )


TOTALS = _totals("told")
ORIGIN = "coalesce((SELECT origin FROM processes WHERE processes.id = errors.process), 0)"
"""Of an error; 0 is that of errors whose process is not known."""

AGAIN_SPAN = f"""
    SELECT min(timestamp) - {int(SAME_FOR * 1_000_000)}, max(timestamp) FROM batch WHERE kind = 'again' AND severity > 0
"""
"""Where in time the errors lie that were logged once more."""
_STORED = "errors.error_id = raised.error_id AND errors.timestamp >= ? AND errors.timestamp <= ?"
_AGAIN = "(SELECT error_id, max(severity) AS severity FROM batch WHERE kind = 'again' GROUP BY error_id) AS raised"
_WORSE = f"{_AGAIN} JOIN errors ON {_STORED} AND raised.severity > errors.severity"
HAS_WORSE = f"SELECT EXISTS (SELECT 1 FROM {_WORSE})"
RAISE = (
    *_totals(
        f"""(
            SELECT errors.timestamp / {MINUTE} AS minute, errors.error_type, {ORIGIN} AS origin, signs.amount,
                   CASE WHEN signs.amount > 0 THEN raised.severity ELSE errors.severity END AS severity
            FROM {_WORSE} CROSS JOIN (SELECT 1 AS amount UNION ALL SELECT -1) AS signs
        ) AS told"""
    ),
    *(
        f"""
        DELETE FROM {table} WHERE count = 0 AND (unit, bucket) IN (
            SELECT units.unit, errors.timestamp / {MINUTE} / units.unit FROM {_WORSE} CROSS JOIN ({_UNITS}) AS units
        )
        """
        for table in ("totals", "origin_totals")
    ),
    f"""
    UPDATE groups SET severity = worst.severity
    FROM (SELECT errors.group_id, max(raised.severity) AS severity FROM {_WORSE} GROUP BY 1) AS worst
    WHERE groups.id = worst.group_id AND groups.severity < worst.severity
    """,
    f"""
    UPDATE group_origins SET severity = worst.severity
    FROM (SELECT errors.group_id, {ORIGIN} AS origin, max(raised.severity) AS severity FROM {_WORSE} GROUP BY 1, 2)
        AS worst
    WHERE group_origins.group_id = worst.group_id AND group_origins.origin = worst.origin
        AND group_origins.severity < worst.severity
    """,
    f"UPDATE errors SET severity = raised.severity FROM {_AGAIN} WHERE {_STORED} AND raised.severity > errors.severity",
)
"""Errors that a later layer logged as something worse; these, and whether there are any, take the ends of that span."""

_TOUCHED = """
    FROM told JOIN groups AS own ON own.fingerprint = told.fingerprint
    JOIN groups AS shown ON shown.id = coalesce(own.root, own.id)
"""
_MEMBERS = "SELECT id FROM groups AS member WHERE member.id = shown.id OR member.root = shown.id"
# Asked once, before any row is looked at.
_ANY = "EXISTS (SELECT 1 FROM groups WHERE groups.state = '{}')"
STATES = (
    """
    INSERT INTO turned
    SELECT DISTINCT groups.id, 'new', groups.first_seen, groups.first_release
    FROM told JOIN groups ON groups.fingerprint = told.fingerprint
    WHERE NOT EXISTS (SELECT 1 FROM changes WHERE changes.group_id = groups.id)
    """,
    # Back, although resolved: by the order in which releases were first seen, where a release is named. That of one
    # in which no error came, and so it should be for the one that has the fix, is the moment of the decision.
    f"""
    INSERT INTO turned
    SELECT shown.id, 'regressed', max(told.last_seen), max(coalesce(processes.release, ''))
    {_TOUCHED}
    LEFT JOIN processes ON processes.name = told.process
    LEFT JOIN releases AS seen ON seen.release = processes.release
    LEFT JOIN releases AS fixed ON fixed.release = shown.resolved_in
    WHERE {_ANY.format("resolved")} AND shown.state = 'resolved' AND told.last_seen > shown.state_at
        AND (shown.resolved_in = '' OR coalesce(processes.release, '') = ''
             OR (shown.resolved_after = 0 AND processes.release = shown.resolved_in)
             OR seen.first_seen > coalesce(fixed.first_seen, shown.state_at))
    GROUP BY shown.id
    """,
    # Of the minute of the decision only what came after it; counts do not tell.
    f"""
    INSERT INTO turned
    SELECT shown.id, 'unmuted', max(told.last_seen), 'it came too often'
    {_TOUCHED}
    WHERE {_ANY.format("muted")} AND shown.state = 'muted'
    GROUP BY shown.id, shown.muted_count, shown.muted_period, shown.state_at
    HAVING (
        SELECT coalesce(sum(counts.count), 0) FROM counts
        WHERE counts.group_id IN ({_MEMBERS}) AND counts.minute > shown.state_at / {MINUTE}
            AND counts.minute > (max(told.last_seen) - shown.muted_period) / {MINUTE}
    ) + (
        SELECT count(*) FROM errors
        WHERE errors.group_id IN ({_MEMBERS}) AND errors.timestamp > shown.state_at
            AND errors.timestamp < (shown.state_at / {MINUTE} + 1) * {MINUTE}
            AND shown.state_at / {MINUTE} > (max(told.last_seen) - shown.muted_period) / {MINUTE}
    ) >= shown.muted_count
    """,
)
UNMUTE_AT = """
    INSERT INTO turned
    SELECT id, 'unmuted', muted_until, 'the time was up' FROM groups
    WHERE state = 'muted' AND muted_until IS NOT NULL AND muted_until <= ?
"""
TURN = (
    """
    INSERT INTO changes (group_id, at, kind, by, detail)
    SELECT group_id, CASE WHEN kind = 'new' THEN min(at) ELSE max(at) END, kind, '', max(detail)
    FROM turned GROUP BY group_id, kind ORDER BY group_id
    """,
    """
    UPDATE groups SET
        state = CASE WHEN turned.kind = 'regressed' THEN 'regressed' ELSE 'open' END, state_at = turned.at,
        resolved_in = '', resolved_after = 0, muted_until = NULL, muted_count = NULL, muted_period = NULL
    FROM turned WHERE groups.id = turned.group_id AND turned.kind <> 'new'
    """,
    "DELETE FROM turned",
)

OTHERS = (
    """
    INSERT INTO sightings (error_id, timestamp, content)
    SELECT error_id, timestamp, content FROM batch WHERE kind = 'again'
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO attempts (attempt_id, error_id, fingerprint, strategy, started_at, pending, status, duration, content)
    SELECT attempt_id, error_id, fingerprint, strategy, timestamp, pending, status, duration, content
    FROM (
        SELECT batch.*, row_number() OVER (PARTITION BY attempt_id ORDER BY pending, place DESC) AS turn
        FROM batch WHERE kind = 'audit'
    ) AS told WHERE turn = 1
    ON CONFLICT (attempt_id) DO UPDATE SET
        content = excluded.content, pending = excluded.pending, status = excluded.status, duration = excluded.duration
    WHERE attempts.pending = 1
    """,
)

# Errors in `moving` leave their groups, and enter others as new ones do.
LEAVE = (
    # A subselect and not FROM: SQLite would go through all errors there are.
    """
    UPDATE moving SET (position, was, was_regrouped) =
        (SELECT position, group_id, regrouped FROM errors WHERE errors.error_id = moving.error_id)
    """,
    """
    DELETE FROM moving WHERE was IS NULL
        OR fingerprint = (SELECT groups.fingerprint FROM groups WHERE groups.id = moving.was)
    """,
    *(
        statement
        for table, step, minutes in _COUNTED
        for statement in (
            f"""
            UPDATE {table} SET count = {table}.count - gone.count
            FROM (SELECT moving.was, errors.timestamp / {minutes * MINUTE} AS {step}, {ORIGIN} AS origin,
                         count(*) AS count
                  FROM moving JOIN errors ON errors.position = moving.position GROUP BY 1, 2, 3) AS gone
            WHERE {table}.group_id = gone.was AND {table}.{step} = gone.{step} AND {table}.origin = gone.origin
            """,
            f"DELETE FROM {table} WHERE count <= 0 AND group_id IN (SELECT was FROM moving)",
        )
    ),
    """
    UPDATE groups SET count = groups.count - gone.count
    FROM (SELECT was, count(*) AS count FROM moving GROUP BY 1) AS gone WHERE groups.id = gone.was
    """,
    f"""
    UPDATE group_origins SET count = group_origins.count - gone.count
    FROM (SELECT moving.was, {ORIGIN} AS origin, count(*) AS count
          FROM moving JOIN errors ON errors.position = moving.position GROUP BY 1, 2) AS gone
    WHERE group_origins.group_id = gone.was AND group_origins.origin = gone.origin
    """,
    "DELETE FROM group_origins WHERE count <= 0 AND group_id IN (SELECT was FROM moving)",
)
MOVED = f"""
    SELECT errors.error_id, errors.timestamp, moving.fingerprint, coalesce(stacks.name, ''),
           coalesce(processes.name, ''), errors.severity, errors.error_type, groups.logger_name,
           substr(errors.message, 1, {LONGEST})
    FROM moving JOIN errors ON errors.position = moving.position JOIN groups ON groups.id = moving.was
    LEFT JOIN stacks ON stacks.id = errors.stack LEFT JOIN processes ON processes.id = errors.process
    ORDER BY errors.position
"""
"""These, as `arriving` has errors that come in."""
ENTER = (
    """
    UPDATE errors SET group_id = groups.id, regrouped = moving.regrouped
    FROM moving JOIN groups ON groups.fingerprint = moving.fingerprint
    WHERE errors.position = moving.position
    """,
    # What was evicted took its moment along: the first one then stays as it was told.
    """
    UPDATE groups SET
        first_seen = CASE WHEN groups.count = rest.count THEN rest.first_seen ELSE groups.first_seen END,
        severity = CASE WHEN groups.count = rest.count THEN rest.worst ELSE groups.severity END,
        last_seen = rest.timestamp, last_error_id = rest.error_id, error_type = rest.error_type,
        error_message = rest.message, stack = rest.stack
    FROM (
        SELECT errors.*, count(*) OVER own AS count, min(timestamp) OVER own AS first_seen,
               max(severity) OVER own AS worst,
               row_number() OVER (PARTITION BY group_id ORDER BY timestamp DESC, position DESC) AS turn
        FROM errors WHERE group_id IN (SELECT was FROM moving) WINDOW own AS (PARTITION BY group_id)
    ) AS rest WHERE rest.turn = 1 AND groups.id = rest.group_id
    """,
    f"""
    UPDATE group_origins SET
        first_seen = CASE WHEN group_origins.count = rest.count THEN rest.first_seen ELSE group_origins.first_seen END,
        severity = CASE WHEN group_origins.count = rest.count THEN rest.worst ELSE group_origins.severity END,
        last_seen = rest.last_seen
    FROM (
        SELECT group_id, {ORIGIN} AS origin, count(*) AS count, min(timestamp) AS first_seen,
               max(timestamp) AS last_seen, max(severity) AS worst
        FROM errors WHERE group_id IN (SELECT was FROM moving) GROUP BY 1, 2
    ) AS rest WHERE group_origins.group_id = rest.group_id AND group_origins.origin = rest.origin
    """,
)


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


def fill(execute: Execute, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Put *rows* into *table*, many by one statement.

    Of one row for each statement SQLite gives the interpreter back and waits for it again at every row: 31 rows a
    second beside a busy main thread (measured; this way 27 thousand). Each number of rows is a statement that is
    prepared once, so they are powers of two.
    """
    insert, one = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ", f"({marks(columns)})"
    begin, number = 0, AT_ONCE
    while begin < len(rows):
        while number > len(rows) - begin:
            number //= 2
        some = rows[begin : begin + number]
        execute(insert + ", ".join([one] * number), list(chain.from_iterable(some)))
        begin += number


def only(answer: Any) -> Any:
    """The one value of an *answer* that has no more."""
    return answer.fetchone()[0]


def start_of(since: datetime | None) -> int:
    """The microseconds at which *since* begins; None is all time."""
    return 0 if since is None else to_microseconds(since)
