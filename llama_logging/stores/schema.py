"""The tables of the registry, in numbered steps; `PRAGMA user_version` tells how many were taken.

groups     all occurrences with one fingerprint, counted
errors     one row for each error; `content` is its journal frame
stacks     what errors of one place share; `content` is its journal frame
processes  who logged; `content` is the first frame of its journals
counts     errors by minute, group, severity and type: summaries cost the same at any number of errors
sightings  who else logged an error; `content` is the journal frame
attempts   recovery attempts; `content` is the audit frame
journals   how much of each journal is in here
merges     groups that are shown as part of another, by hand; the group's own rows stay as they are
moves      errors that a new grouping has put into another group, and the one they were in
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
    CREATE TABLE merges (
        fingerprint TEXT PRIMARY KEY,
        target      TEXT NOT NULL,
        merged_at   INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE moves (
        moved_at    INTEGER NOT NULL,
        error_id    TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        grouping    TEXT,
        PRIMARY KEY (moved_at, error_id)
    ) WITHOUT ROWID
    """,
)
