"""The tables of the registry in SQLite, in numbered steps; `PRAGMA user_version` tells how many were taken.

groups     all occurrences with one fingerprint, counted; `root` is the group it is shown in, if merged
errors     one row for each error whose details are kept; `content` is what its journal frame says besides
stacks     what errors of one place share; `content` is its journal frame
processes  who logged; `content` is the first frame of its journals; frames are numbered, so gaps show
stack_uses, process_uses  how many kept errors have each, and when the newest of them was
origins    services and environments, of which each process has one; 0 stands for that of processes unknown
releases   when each release was first seen: that is their order
counts     errors by group, minute and origin; day_counts by day, for what looks back over weeks
totals     errors by minute, hour and day, severity and type: summaries cost the same at any number of errors;
           origin_totals by origin besides
group_origins  of each group from where it came: how often, how bad, when
changes    what became of a group: the history that is shown, and what is alerted on
sightings  who else logged an error; `content` is the journal frame
attempts   recovery attempts; `content` is the audit frame
journals   how much of each journal is in here
scopes     things that recovery acts on: who is at it, how often, how it ended
moves      errors that a new grouping has put into another group, and the one they were in
incidents  what went wrong with the registry itself
registry   its own id, how far the index of words goes, and how far each rule of reports has looked
outbox     what is to be sent outside, and was: one row for each report and channel
channels   how sending goes: of each channel its failures, and until when it is left alone
quotas     reports by hour, of each rule and channel that may have only so many
predictions         what was announced, what was done about it, and what became of it
prediction_quality  how good predictions are: of each day, process, group and horizon the last word
"""

STEPS = (
    """
    CREATE TABLE groups (
        fingerprint   TEXT PRIMARY KEY,
        error_type    TEXT NOT NULL,
        error_message TEXT NOT NULL,
        severity      INTEGER NOT NULL,
        logger_name   TEXT NOT NULL,
        stack         TEXT NOT NULL,
        count         INTEGER NOT NULL,
        first_seen    INTEGER NOT NULL,
        last_seen     INTEGER NOT NULL,
        last_error_id TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX groups_last_seen ON groups (last_seen);

    CREATE TABLE errors (
        position    INTEGER PRIMARY KEY AUTOINCREMENT,
        error_id    TEXT NOT NULL UNIQUE,
        timestamp   INTEGER NOT NULL,
        severity    INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        error_type  TEXT NOT NULL,
        stack       TEXT NOT NULL,
        process     TEXT NOT NULL,
        content     TEXT NOT NULL
    );
    CREATE INDEX errors_timestamp ON errors (timestamp);
    CREATE INDEX errors_fingerprint ON errors (fingerprint, timestamp);

    CREATE TABLE stacks (name TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE processes (process TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE counts (
        minute      INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        severity    INTEGER NOT NULL,
        error_type  TEXT NOT NULL,
        count       INTEGER NOT NULL,
        PRIMARY KEY (minute, fingerprint, severity, error_type)
    ) WITHOUT ROWID;

    CREATE TABLE sightings (
        error_id  TEXT NOT NULL,
        timestamp INTEGER NOT NULL,
        content   TEXT NOT NULL,
        PRIMARY KEY (error_id, timestamp, content)
    ) WITHOUT ROWID;

    CREATE TABLE attempts (
        attempt_id TEXT PRIMARY KEY,
        error_id   TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        content    TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX attempts_error ON attempts (error_id, started_at);

    CREATE TABLE journals (
        journal TEXT PRIMARY KEY,
        offset  INTEGER NOT NULL,
        damaged INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE groups RENAME TO old_groups;
    ALTER TABLE errors RENAME TO old_errors;
    ALTER TABLE stacks RENAME TO old_stacks;
    ALTER TABLE processes RENAME TO old_processes;
    ALTER TABLE counts RENAME TO old_counts;
    ALTER TABLE attempts RENAME TO old_attempts;
    ALTER TABLE journals RENAME TO old_journals;
    DROP INDEX groups_last_seen;
    DROP INDEX errors_timestamp;
    DROP INDEX errors_fingerprint;
    DROP INDEX attempts_error;

    CREATE TABLE groups (
        id             INTEGER PRIMARY KEY,
        fingerprint    TEXT NOT NULL UNIQUE,
        error_type     TEXT NOT NULL,
        error_message  TEXT NOT NULL,
        severity       INTEGER NOT NULL,
        logger_name    TEXT NOT NULL,
        stack          INTEGER,
        count          INTEGER NOT NULL,
        first_seen     INTEGER NOT NULL,
        last_seen      INTEGER NOT NULL,
        last_error_id  TEXT NOT NULL,
        first_release  TEXT NOT NULL,
        last_release   TEXT NOT NULL,
        root           INTEGER,
        state          TEXT NOT NULL DEFAULT 'open',
        state_at       INTEGER NOT NULL DEFAULT 0,
        resolved_in    TEXT NOT NULL DEFAULT '',
        resolved_after INTEGER NOT NULL DEFAULT 0,
        muted_until    INTEGER,
        muted_count    INTEGER,
        muted_period   INTEGER
    );
    CREATE INDEX groups_last_seen ON groups (last_seen);
    CREATE INDEX groups_root ON groups (root) WHERE root IS NOT NULL;

    CREATE TABLE stacks (
        id       INTEGER PRIMARY KEY,
        name     TEXT NOT NULL UNIQUE,
        module   TEXT NOT NULL,
        function TEXT NOT NULL,
        content  TEXT NOT NULL
    );
    CREATE TABLE processes (
        id          INTEGER PRIMARY KEY,
        name        TEXT NOT NULL UNIQUE,
        release     TEXT NOT NULL,
        frames      INTEGER NOT NULL DEFAULT 0,
        last_number INTEGER NOT NULL DEFAULT 0,
        content     TEXT NOT NULL
    );
    CREATE TABLE releases (release TEXT PRIMARY KEY, first_seen INTEGER NOT NULL) WITHOUT ROWID;

    CREATE TABLE errors (
        position   INTEGER PRIMARY KEY AUTOINCREMENT,
        error_id   TEXT NOT NULL UNIQUE,
        timestamp  INTEGER NOT NULL,
        severity   INTEGER NOT NULL,
        group_id   INTEGER NOT NULL,
        error_type TEXT NOT NULL,
        message    TEXT NOT NULL,
        stack      INTEGER,
        process    INTEGER,
        partial    INTEGER NOT NULL,
        details    INTEGER NOT NULL,
        regrouped  TEXT,
        content    TEXT NOT NULL
    );
    CREATE INDEX errors_severity ON errors (severity, timestamp);
    CREATE INDEX errors_group ON errors (group_id, timestamp);

    CREATE TABLE counts (
        group_id INTEGER NOT NULL,
        minute   INTEGER NOT NULL,
        count    INTEGER NOT NULL,
        PRIMARY KEY (group_id, minute)
    ) WITHOUT ROWID;
    CREATE TABLE totals (
        unit       INTEGER NOT NULL,
        bucket     INTEGER NOT NULL,
        severity   INTEGER NOT NULL,
        error_type TEXT NOT NULL,
        count      INTEGER NOT NULL,
        PRIMARY KEY (unit, bucket, severity, error_type)
    ) WITHOUT ROWID;

    CREATE TABLE changes (
        id       INTEGER PRIMARY KEY,
        group_id INTEGER NOT NULL,
        at       INTEGER NOT NULL,
        kind     TEXT NOT NULL,
        by       TEXT NOT NULL,
        detail   TEXT NOT NULL
    );
    CREATE INDEX changes_group ON changes (group_id, id);

    CREATE TABLE attempts (
        attempt_id TEXT PRIMARY KEY,
        error_id   TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        pending    INTEGER NOT NULL,
        content    TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX attempts_error ON attempts (error_id, started_at);

    CREATE TABLE journals (
        journal TEXT PRIMARY KEY,
        "offset" INTEGER NOT NULL,
        damaged INTEGER NOT NULL,
        process TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;

    CREATE TABLE moves (
        moved_at INTEGER NOT NULL,
        error_id TEXT NOT NULL,
        group_id INTEGER NOT NULL,
        regrouped TEXT,
        PRIMARY KEY (moved_at, error_id)
    ) WITHOUT ROWID;

    CREATE TABLE incidents (at INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
    CREATE TABLE registry (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    INSERT INTO registry VALUES
        ('id', lower(hex(randomblob(8)))), ('errors indexed', '0'), ('groups indexed', '0'),
        ('damaged', (SELECT CAST(coalesce(sum(damaged), 0) AS TEXT) FROM old_journals));

    INSERT INTO stacks (name, module, function, content)
    SELECT name, coalesce(json_extract(content, '$.site[0]'), ''), coalesce(json_extract(content, '$.site[1]'), ''),
           content FROM old_stacks;
    INSERT INTO processes (name, release, content)
    SELECT process, coalesce(json_extract(content, '$.release'), ''), content FROM old_processes;
    INSERT INTO releases
    SELECT release, min(timestamp) FROM old_errors JOIN processes ON processes.name = old_errors.process
    WHERE release <> '' GROUP BY release;
    INSERT INTO groups (fingerprint, error_type, error_message, severity, logger_name, stack, count, first_seen,
                        last_seen, last_error_id, first_release, last_release)
    SELECT fingerprint, error_type, error_message, severity, logger_name, stacks.id, count, first_seen,
           last_seen, last_error_id, '', ''
    FROM old_groups LEFT JOIN stacks ON stacks.name = old_groups.stack ORDER BY first_seen;
    INSERT INTO errors (position, error_id, timestamp, severity, group_id, error_type, message, stack, process,
                        partial, details, content)
    SELECT position, error_id, timestamp, old_errors.severity, groups.id, old_errors.error_type,
           json_extract(old_errors.content, '$.msg'), stacks.id, processes.id,
           coalesce(json_extract(old_errors.content, '$.partial'), 0),
           coalesce(json_type(old_errors.content, '$.ctx'), json_type(old_errors.content, '$.crumbs'),
                    json_type(old_errors.content, '$.locals'), '') <> '',
           json_remove(old_errors.content, '$.k', '$.id', '$.ts', '$.sev', '$.fp', '$.type', '$.msg', '$.stack',
                       '$.proc', '$.n', '$.crc')
    FROM old_errors JOIN groups ON groups.fingerprint = old_errors.fingerprint
    LEFT JOIN stacks ON stacks.name = old_errors.stack LEFT JOIN processes ON processes.name = old_errors.process
    ORDER BY position;
    INSERT INTO counts SELECT groups.id, minute, sum(old_counts.count)
    FROM old_counts JOIN groups ON groups.fingerprint = old_counts.fingerprint GROUP BY 1, 2;
    INSERT INTO totals SELECT unit, minute / unit, severity, error_type, sum(count)
    FROM old_counts JOIN (SELECT 1 AS unit UNION SELECT 60 UNION SELECT 1440) WHERE true GROUP BY 1, 2, 3, 4;
    INSERT INTO changes (group_id, at, kind, by, detail) SELECT id, first_seen, 'new', '', '' FROM groups;
    INSERT INTO attempts
    SELECT attempt_id, error_id, started_at, json_extract(content, '$.status') = 'pending', content FROM old_attempts;
    INSERT INTO journals SELECT journal, "offset", damaged, '' FROM old_journals;
    DROP TABLE old_errors;
    DROP TABLE old_groups;
    DROP TABLE old_stacks;
    DROP TABLE old_processes;
    DROP TABLE old_counts;
    DROP TABLE old_attempts;
    DROP TABLE old_journals
    """,
    """
    CREATE TABLE scopes (
        scope      TEXT PRIMARY KEY,
        boot       TEXT NOT NULL,
        token      INTEGER NOT NULL,
        owner      TEXT NOT NULL,
        expires_at REAL NOT NULL,
        incidents  TEXT NOT NULL,
        failures   INTEGER NOT NULL,
        rest_until REAL NOT NULL,
        open_until REAL NOT NULL,
        escalated  INTEGER NOT NULL,
        status     TEXT NOT NULL,
        detail     TEXT NOT NULL
    ) WITHOUT ROWID;

    ALTER TABLE attempts RENAME TO old_attempts;
    DROP INDEX attempts_error;
    CREATE TABLE attempts (
        attempt_id  TEXT PRIMARY KEY,
        error_id    TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        strategy    TEXT NOT NULL,
        started_at  INTEGER NOT NULL,
        pending     INTEGER NOT NULL,
        status      TEXT NOT NULL,
        duration    REAL NOT NULL,
        content     TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX attempts_error ON attempts (error_id, started_at);
    CREATE INDEX attempts_group ON attempts (fingerprint, strategy);
    CREATE INDEX attempts_started ON attempts (started_at);
    INSERT INTO attempts
    SELECT attempt_id, error_id, coalesce(json_extract(content, '$.fingerprint'), ''),
           coalesce(json_extract(content, '$.strategy'), ''), started_at, pending,
           coalesce(json_extract(content, '$.status'), ''), coalesce(json_extract(content, '$.duration'), 0), content
    FROM old_attempts;
    DROP TABLE old_attempts
    """,
    """
    CREATE TABLE outbox (
        id          INTEGER PRIMARY KEY,
        delivery_id TEXT NOT NULL UNIQUE,
        channel     TEXT NOT NULL,
        about       TEXT NOT NULL,
        created_at  INTEGER NOT NULL,
        due_at      INTEGER NOT NULL,
        ended_at    INTEGER,
        status      TEXT NOT NULL,
        tries       INTEGER NOT NULL,
        held_back   INTEGER NOT NULL,
        failure     TEXT NOT NULL,
        content     TEXT NOT NULL,
        UNIQUE (channel, about)
    );
    CREATE INDEX outbox_due ON outbox (channel, due_at) WHERE ended_at IS NULL;
    CREATE TABLE channels (
        channel   TEXT PRIMARY KEY,
        sent      INTEGER NOT NULL,
        sent_at   INTEGER,
        failures  INTEGER NOT NULL,
        failure   TEXT NOT NULL,
        failed_at INTEGER,
        due_at    INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE quotas (
        name   TEXT NOT NULL,
        hour   INTEGER NOT NULL,
        passed INTEGER NOT NULL,
        held   INTEGER NOT NULL,
        told   INTEGER NOT NULL,
        PRIMARY KEY (name, hour)
    ) WITHOUT ROWID;
    CREATE INDEX groups_state ON groups (state, muted_until)
    """,
    """
    CREATE TABLE predictions (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        prediction_id TEXT NOT NULL UNIQUE,
        at            INTEGER NOT NULL,
        until         INTEGER NOT NULL,
        fingerprint   TEXT NOT NULL,
        horizon       REAL NOT NULL,
        probability   REAL NOT NULL,
        usual         REAL NOT NULL,
        persistence   REAL NOT NULL,
        hazard        REAL NOT NULL,
        threshold     REAL NOT NULL,
        hits          INTEGER NOT NULL,
        announced     INTEGER NOT NULL,
        precursors    TEXT NOT NULL,
        action        TEXT NOT NULL,
        fate          TEXT NOT NULL,
        error_id      TEXT NOT NULL,
        lead          REAL,
        followed      INTEGER,
        host          TEXT NOT NULL,
        service       TEXT NOT NULL,
        process       TEXT NOT NULL
    );
    CREATE INDEX predictions_open ON predictions (until) WHERE followed IS NULL;
    CREATE INDEX predictions_at ON predictions (at);
    CREATE TABLE prediction_quality (
        day         INTEGER NOT NULL,
        role        TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        horizon     REAL NOT NULL,
        at          INTEGER NOT NULL,
        content     TEXT NOT NULL,
        PRIMARY KEY (day, role, fingerprint, horizon)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE stack_uses (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, last_seen INTEGER NOT NULL);
    CREATE INDEX stack_uses_none ON stack_uses (last_seen) WHERE count = 0;
    INSERT INTO stack_uses
    SELECT stacks.id, coalesce(told.count, 0), coalesce(told.last_seen, 0) FROM stacks LEFT JOIN (
        SELECT stack, count(*) AS count, max(timestamp) AS last_seen FROM errors GROUP BY stack
    ) AS told ON told.stack = stacks.id;
    CREATE TABLE process_uses (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, last_seen INTEGER NOT NULL);
    CREATE INDEX process_uses_none ON process_uses (last_seen) WHERE count = 0;
    INSERT INTO process_uses
    SELECT processes.id, coalesce(told.count, 0), coalesce(told.last_seen, 0) FROM processes LEFT JOIN (
        SELECT process, count(*) AS count, max(timestamp) AS last_seen FROM errors GROUP BY process
    ) AS told ON told.process = processes.id;
    CREATE INDEX groups_stack ON groups (stack)
    """,
    """
    CREATE TABLE day_counts (
        group_id INTEGER NOT NULL,
        day      INTEGER NOT NULL,
        count    INTEGER NOT NULL,
        PRIMARY KEY (group_id, day)
    ) WITHOUT ROWID;
    INSERT INTO day_counts SELECT group_id, minute / 1440, sum(count) FROM counts GROUP BY 1, 2
    """,
    # Words are indexed anew: of one table for all errors nothing could go, and those of groups could not be read.
    """
    DROP TABLE IF EXISTS group_words;
    DROP TABLE IF EXISTS error_words;
    CREATE TABLE group_texts (id INTEGER PRIMARY KEY, words TEXT NOT NULL);
    UPDATE registry SET value = '0' WHERE name IN ('groups indexed', 'errors indexed')
    """,
    # Counts by service and environment, too. What is kept tells where it came from; of the rest that is not known.
    """
    CREATE TABLE origins (
        id          INTEGER PRIMARY KEY,
        service     TEXT NOT NULL,
        environment TEXT NOT NULL,
        UNIQUE (service, environment)
    );
    INSERT INTO origins VALUES (0, '', '');
    INSERT OR IGNORE INTO origins (service, environment)
    SELECT DISTINCT coalesce(json_extract(content, '$.service'), ''),
                    coalesce(json_extract(content, '$.environment'), '')
    FROM processes;
    ALTER TABLE processes ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;
    UPDATE processes SET origin = (
        SELECT origins.id FROM origins
        WHERE origins.service = coalesce(json_extract(processes.content, '$.service'), '')
            AND origins.environment = coalesce(json_extract(processes.content, '$.environment'), '')
    );
    CREATE TABLE group_origins (
        group_id   INTEGER NOT NULL,
        origin     INTEGER NOT NULL,
        count      INTEGER NOT NULL,
        severity   INTEGER NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen  INTEGER NOT NULL,
        PRIMARY KEY (group_id, origin)
    ) WITHOUT ROWID;
    CREATE INDEX group_origins_last_seen ON group_origins (origin, last_seen);

    ALTER TABLE counts RENAME TO old_counts;
    DROP TABLE day_counts;
    CREATE TABLE counts (
        group_id INTEGER NOT NULL,
        minute   INTEGER NOT NULL,
        origin   INTEGER NOT NULL,
        count    INTEGER NOT NULL,
        PRIMARY KEY (group_id, minute, origin)
    ) WITHOUT ROWID;
    CREATE TABLE day_counts (
        group_id INTEGER NOT NULL,
        day      INTEGER NOT NULL,
        origin   INTEGER NOT NULL,
        count    INTEGER NOT NULL,
        PRIMARY KEY (group_id, day, origin)
    ) WITHOUT ROWID;
    CREATE TABLE origin_totals (
        origin     INTEGER NOT NULL,
        unit       INTEGER NOT NULL,
        bucket     INTEGER NOT NULL,
        severity   INTEGER NOT NULL,
        error_type TEXT NOT NULL,
        count      INTEGER NOT NULL,
        PRIMARY KEY (origin, unit, bucket, severity, error_type)
    ) WITHOUT ROWID;
    INSERT INTO counts
    SELECT group_id, timestamp / 60000000,
           coalesce((SELECT origin FROM processes WHERE processes.id = errors.process), 0), count(*)
    FROM errors GROUP BY 1, 2, 3;
    INSERT INTO counts
    SELECT old_counts.group_id, old_counts.minute, 0, old_counts.count - coalesce(kept.count, 0)
    FROM old_counts LEFT JOIN (SELECT group_id, minute, sum(count) AS count FROM counts GROUP BY 1, 2) AS kept
        ON kept.group_id = old_counts.group_id AND kept.minute = old_counts.minute
    WHERE old_counts.count <> coalesce(kept.count, 0)
    ON CONFLICT (group_id, minute, origin) DO UPDATE SET count = counts.count + excluded.count;
    INSERT INTO day_counts SELECT group_id, minute / 1440, origin, sum(count) FROM counts GROUP BY 1, 2, 3;
    INSERT INTO origin_totals (unit, bucket, severity, error_type, origin, count)
    SELECT 1, timestamp / 60000000, severity, error_type,
           coalesce((SELECT origin FROM processes WHERE processes.id = errors.process), 0), count(*)
    FROM errors GROUP BY 1, 2, 3, 4, 5;
    INSERT INTO origin_totals (unit, bucket, severity, error_type, origin, count)
    SELECT 1, totals.bucket, totals.severity, totals.error_type, 0, totals.count - coalesce(kept.count, 0)
    FROM totals LEFT JOIN (
        SELECT bucket, severity, error_type, sum(count) AS count FROM origin_totals GROUP BY 1, 2, 3
    ) AS kept ON kept.bucket = totals.bucket AND kept.severity = totals.severity
        AND kept.error_type = totals.error_type
    WHERE totals.unit = 1 AND totals.count <> coalesce(kept.count, 0)
    ON CONFLICT (origin, unit, bucket, severity, error_type)
        DO UPDATE SET count = origin_totals.count + excluded.count;
    INSERT INTO origin_totals (unit, bucket, severity, error_type, origin, count)
    SELECT units.unit, bucket / units.unit, severity, error_type, origin, sum(count)
    FROM origin_totals CROSS JOIN (SELECT 60 AS unit UNION ALL SELECT 1440) AS units
    WHERE origin_totals.unit = 1 GROUP BY 1, 2, 3, 4, 5;
    INSERT INTO group_origins
    SELECT counted.group_id, counted.origin, counted.count, coalesce(kept.severity, groups.severity),
           coalesce(kept.first_seen, groups.first_seen), coalesce(kept.last_seen, groups.last_seen)
    FROM (SELECT group_id, origin, sum(count) AS count FROM day_counts GROUP BY 1, 2) AS counted
    JOIN groups ON groups.id = counted.group_id LEFT JOIN (
        SELECT group_id, coalesce((SELECT origin FROM processes WHERE processes.id = errors.process), 0) AS origin,
               max(severity) AS severity, min(timestamp) AS first_seen, max(timestamp) AS last_seen
        FROM errors GROUP BY 1, 2
    ) AS kept ON kept.group_id = counted.group_id AND kept.origin = counted.origin;
    DROP TABLE old_counts
    """,
)
