"""What the temporary tables tell, as rows of those that stay: what is referred to, what is counted, what else came."""

from __future__ import annotations

from llama_logging.stores.statements import DAY, MINUTE, UNITS

EACH_UNIT = " UNION ALL ".join(f"SELECT {unit} AS unit" for unit in UNITS)

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
# The name is there once or not at all: of nothing, max() is NULL.
FOUND = """
    UPDATE shapes SET
        stack = (SELECT id FROM stacks WHERE stacks.name = shapes.stack_name),
        (process, origin, release) = (
            SELECT max(id), coalesce(max(origin), 0), coalesce(max(release), '')
            FROM processes WHERE processes.name = shapes.process_name
        )
"""
GROUPS = f"""
    INSERT INTO groups (fingerprint, error_type, error_message, severity, logger_name, stack, count,
                        first_seen, last_seen, last_error_id, first_release, last_release)
    SELECT news.fingerprint, newest.error_type, news.error_message, news.severity, newest.logger_name, newest.stack,
           news.count, news.first_seen, news.last_seen, news.error_id, first.release, newest.release
    FROM news JOIN shapes AS first ON first.shape = news.first_shape
    JOIN shapes AS newest ON newest.shape = news.last_shape
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
PLACED = (
    "UPDATE shapes SET group_id = (SELECT id FROM groups WHERE groups.fingerprint = shapes.fingerprint)",
    """
    INSERT INTO placed
    SELECT group_id, stack, process, origin, release, severity, error_type,
           minute, amount, errors, first_seen, last_seen
    FROM told JOIN shapes ON shapes.shape = told.shape
    """,
)

RELEASES = """
    INSERT INTO releases (release, first_seen)
    SELECT release, min(first_seen) FROM placed WHERE release <> '' GROUP BY release ORDER BY release
    ON CONFLICT (release) DO UPDATE SET first_seen = excluded.first_seen
    WHERE excluded.first_seen < releases.first_seen
"""

USES = tuple(
    f"""
    INSERT INTO {one}_uses (id, count, last_seen)
    SELECT used.id, sum(used.errors), max(used.last_seen)
    FROM (
        SELECT {one} AS id, errors, last_seen FROM placed WHERE {one} IS NOT NULL
        UNION ALL
        SELECT {many}.id, 0, CAST(? AS BIGINT)
        FROM batch JOIN {many} ON {many}.name = batch.name WHERE batch.kind = '{definition}'
    ) AS used GROUP BY 1 ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET
        count = {one}_uses.count + excluded.count,
        last_seen = CASE WHEN excluded.last_seen > {one}_uses.last_seen THEN excluded.last_seen
                         ELSE {one}_uses.last_seen END
    """
    for one, many, definition in (("stack", "stacks", "stack"), ("process", "processes", "open"))
)
"""In how many errors stacks and processes are, and when they were last heard of; these take now, for definitions."""
COUNTED = (("counts", "minute", 1), ("day_counts", "day", DAY // MINUTE))
COUNTS = (
    *(
        f"""
        INSERT INTO {table} (group_id, {step}, origin, count)
        SELECT group_id, minute / {minutes}, origin, sum(amount) FROM placed GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (group_id, {step}, origin) DO UPDATE SET count = {table}.count + excluded.count
        """
        for table, step, minutes in COUNTED
    ),
    """
    INSERT INTO group_origins (group_id, origin, count, severity, first_seen, last_seen)
    SELECT group_id, origin, sum(amount), max(severity), min(first_seen), max(last_seen)
    FROM placed GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (group_id, origin) DO UPDATE SET
        count = group_origins.count + excluded.count,
        severity = CASE WHEN excluded.severity > group_origins.severity THEN excluded.severity
                        ELSE group_origins.severity END,
        first_seen = CASE WHEN excluded.first_seen < group_origins.first_seen THEN excluded.first_seen
                          ELSE group_origins.first_seen END,
        last_seen = CASE WHEN excluded.last_seen > group_origins.last_seen THEN excluded.last_seen
                         ELSE group_origins.last_seen END
    """,
)
"""Of groups: how often, by minute, by day, and where."""


def totals(told: str) -> tuple[str, str]:
    """What adds the rows of *told* to the totals, and to those by origin."""
    return (
        f"""
        INSERT INTO totals (unit, bucket, severity, error_type, count)
        SELECT units.unit, told.minute / units.unit, told.severity, told.error_type, sum(told.amount)
        FROM {told} CROSS JOIN ({EACH_UNIT}) AS units
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (unit, bucket, severity, error_type) DO UPDATE SET count = totals.count + excluded.count
        """,
        f"""
        INSERT INTO origin_totals (origin, unit, bucket, severity, error_type, count)
        SELECT told.origin, units.unit, told.minute / units.unit, told.severity, told.error_type, sum(told.amount)
        FROM {told} CROSS JOIN ({EACH_UNIT}) AS units
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (origin, unit, bucket, severity, error_type)
            DO UPDATE SET count = origin_totals.count + excluded.count
        """,
    )


TOTALS = totals("""(
    SELECT origin, minute, severity, error_type, sum(amount) AS amount FROM placed GROUP BY 1, 2, 3, 4
) AS told""")
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
