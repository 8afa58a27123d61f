"""Errors of which something is there already: themselves, or what was said before their own code had spoken."""

from __future__ import annotations

from collections.abc import Sequence

from llama_logging.capture.seen import SAME_FOR
from llama_logging.stores.arriving import Error
from llama_logging.stores.counting import EACH_UNIT, totals
from llama_logging.stores.statements import LONGEST, MINUTE, ORIGIN, Execute, marks, only, parts

HAS_KNOWN = """
    SELECT EXISTS (SELECT 1 FROM errors WHERE error_id BETWEEN ? AND ? AND timestamp BETWEEN ? AND ?)
"""
"""Whether anything is there whose id and moment lie between these: mostly nothing does, and none need be looked for."""
_SAME_HOURS = 6
"""Characters with which ids begin that were made within 4.7 hours. Between others lies all that there is."""
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

_SAME_SPAN = int(SAME_FOR * 1_000_000)
"""So far apart, in microseconds, are at most the moments at which two processes have logged one exception."""
AGAIN_SPAN = f"""
    SELECT min(timestamp) - {_SAME_SPAN}, max(timestamp) FROM batch WHERE kind = 'again' AND severity > 0
"""
"""Where in time the errors lie that were logged once more."""
_STORED = "errors.error_id = raised.error_id AND errors.timestamp >= ? AND errors.timestamp <= ?"
_AGAIN = "(SELECT error_id, max(severity) AS severity FROM batch WHERE kind = 'again' GROUP BY error_id) AS raised"
_WORSE = f"{_AGAIN} JOIN errors ON {_STORED} AND raised.severity > errors.severity"
HAS_WORSE = f"SELECT EXISTS (SELECT 1 FROM {_WORSE})"
RAISE = (
    *totals(
        f"""(
            SELECT errors.timestamp / {MINUTE} AS minute, errors.error_type, {ORIGIN} AS origin, signs.amount,
                   CASE WHEN signs.amount > 0 THEN raised.severity ELSE errors.severity END AS severity
            FROM {_WORSE} CROSS JOIN (SELECT 1 AS amount UNION ALL SELECT -1) AS signs
        ) AS told"""
    ),
    *(
        f"""
        DELETE FROM {table} WHERE count = 0 AND (unit, bucket) IN (
            SELECT units.unit, errors.timestamp / {MINUTE} / units.unit FROM {_WORSE} CROSS JOIN ({EACH_UNIT}) AS units
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


def unknown(execute: Execute, errors: Sequence[Error]) -> tuple[Sequence[Error], Sequence[Error]]:
    """Those of *errors* that are not there yet, each once, and those that are, and whose own code has now spoken."""
    errors = _once(errors)
    if not errors:
        return errors, ()
    ids, moments = [error[0] for error in errors], [error[1] for error in errors]
    lowest, highest, span = min(ids), max(ids), (min(moments) - _SAME_SPAN, max(moments) + _SAME_SPAN)
    if lowest[:_SAME_HOURS] == highest[:_SAME_HOURS] and not only(execute(HAS_KNOWN, (lowest, highest, *span))):
        return errors, ()
    is_partial: dict[str, int] = {}
    for some in parts(ids):
        is_partial.update(execute(KNOWN.format(marks(some)), (*some, *span)).fetchall())
    spoken = [error for error in errors if is_partial.get(error[0]) and not error[4]]
    return [error for error in errors if error[0] not in is_partial], spoken


def _once(errors: Sequence[Error]) -> Sequence[Error]:
    """Of an error that is there twice, the whole one, else the first, stays."""
    if len({error[0] for error in errors}) == len(errors):
        return errors
    best: dict[str, Error] = {}
    for error in errors:
        if error[0] not in best or best[error[0]][4] > error[4]:
            best[error[0]] = error
    return [error for error in errors if best[error[0]] is error]


def speak(execute: Execute, spoken: Sequence[Error]) -> None:
    """Have errors that are there say what their own code has now said, where they may belong to another group."""
    for error_id, moment, shape, message, _, details, content in spoken:
        said, moved, changed = SPOKEN
        execute(said, (message[:LONGEST], error_id, shape.fingerprint))
        execute(moved, (shape.fingerprint, error_id, moment))
        execute(changed, (content, message, details, error_id, moment))


def make_worse(execute: Execute, span: Sequence[int]) -> None:
    """Give errors that were logged once more as something worse, within that *span*, that severity."""
    if only(execute(HAS_WORSE, span)):
        for statement in RAISE:
            execute(statement, span)
