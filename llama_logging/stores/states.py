"""What becomes of groups with what came: new, back although resolved, too many for a mute."""

from __future__ import annotations

from llama_logging.stores.statements import MINUTE, Execute

_TOUCHED = """
    FROM placed JOIN groups AS own ON own.id = placed.group_id
    JOIN groups AS shown ON shown.id = coalesce(own.root, own.id)
"""
_MEMBERS = "SELECT id FROM groups AS member WHERE member.id = shown.id OR member.root = shown.id"
# Asked once, before any row is looked at.
_ANY = "EXISTS (SELECT 1 FROM groups WHERE groups.state = 'resolved')"
BEGUN = """
    INSERT INTO turned
    SELECT DISTINCT groups.id, 'new', groups.first_seen, groups.first_release
    FROM placed JOIN groups ON groups.id = placed.group_id
    WHERE NOT EXISTS (SELECT 1 FROM changes WHERE changes.group_id = groups.id)
"""
STATES = (
    BEGUN,
    # Back, although resolved: by the order in which releases were first seen, where a release is named. That of one
    # in which no error came, and so it should be for the one that has the fix, is the moment of the decision.
    f"""
    INSERT INTO turned
    SELECT shown.id, 'regressed', max(placed.last_seen), max(placed.release)
    {_TOUCHED}
    LEFT JOIN releases AS seen ON seen.release = placed.release
    LEFT JOIN releases AS fixed ON fixed.release = shown.resolved_in
    WHERE {_ANY} AND shown.state = 'resolved' AND placed.last_seen > shown.state_at
        AND (shown.resolved_in = '' OR placed.release = ''
             OR (shown.resolved_after = 0 AND placed.release = shown.resolved_in)
             OR seen.first_seen > coalesce(fixed.first_seen, shown.state_at))
    GROUP BY shown.id
    """,
)
IS_MUTED = "EXISTS (SELECT 1 FROM groups WHERE state = 'muted')"
"""To be asked before UNMUTE, for which PostgreSQL opens the tables of all days."""
# Of the minute of the decision only what came after it; counts do not tell.
UNMUTE = f"""
    INSERT INTO turned
    SELECT shown.id, 'unmuted', max(placed.last_seen), 'it came too often'
    {_TOUCHED}
    WHERE shown.state = 'muted'
    GROUP BY shown.id, shown.muted_count, shown.muted_period, shown.state_at
    HAVING (
        SELECT coalesce(sum(counts.count), 0) FROM counts
        WHERE counts.group_id IN ({_MEMBERS}) AND counts.minute > shown.state_at / {MINUTE}
            AND counts.minute > (max(placed.last_seen) - shown.muted_period) / {MINUTE}
    ) + (
        SELECT count(*) FROM errors
        WHERE errors.group_id IN ({_MEMBERS}) AND errors.timestamp > shown.state_at
            AND errors.timestamp < (shown.state_at / {MINUTE} + 1) * {MINUTE}
            AND shown.state_at / {MINUTE} > (max(placed.last_seen) - shown.muted_period) / {MINUTE}
    ) >= shown.muted_count
"""
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


def turn(execute: Execute, now: int) -> None:
    """Give groups the states that what came makes of them, and the time."""
    execute(UNMUTE_AT, (now,))
    for statement in TURN:
        execute(statement)
