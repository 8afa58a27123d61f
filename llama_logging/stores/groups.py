"""Groups as they are shown: each with all that is merged into it. The contract: registry.groups.Groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from llama_logging.context import ErrorSeverity, from_microseconds
from llama_logging.registry.groups import ErrorGroup, GroupState, Order
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.origins import Within
from llama_logging.stores.statements import Execute, listed, marks, only, parts, start_of

_GROUPS = """
    SELECT groups.id, groups.fingerprint, groups.error_type, groups.error_message, groups.severity,
           groups.logger_name, stacks.module, stacks.function, groups.count, groups.first_seen, groups.last_seen,
           groups.last_error_id, groups.first_release, groups.last_release, groups.root, groups.state,
           groups.state_at, groups.resolved_in, groups.muted_until, groups.muted_count, groups.muted_period
    FROM groups LEFT JOIN stacks ON stacks.id = groups.stack
"""

# CROSS JOIN: SQLite would go through all groups of the origin, for fifty of them.
_THESE = "FROM groups CROSS JOIN group_origins"
_TOLD = ", ".join(
    f"{how}(group_origins.{what}) AS {what}"
    for how, what in (("sum", "count"), ("max", "severity"), ("min", "first_seen"), ("max", "last_seen"))
)
"""How a group was somewhere, of all places that are asked about."""
_WHOLES = 200
"""Groups of which it is asked at once how they are somewhere."""

_OF_ALL = {"last_seen": "max(groups.last_seen)", "first_seen": "min(groups.first_seen)", "count": "sum(groups.count)"}
"""What a merged group is ordered by."""


class SQLGroups(SQLAccess):
    """Part of SQLStore."""

    def groups(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        state: GroupState | None = None,
        search: str = "",
        order: Order = "last_seen",
        limit: int = 50,
        offset: int = 0,
    ) -> list[ErrorGroup]:
        if search and self.exists:
            self._index().catch_up()
        with self._reading() as execute:
            roots, now, within = _roots(execute), self._now(execute), Within(execute, self.origin)
            merged = sorted({*roots, *roots.values()})
            by = list(dict.fromkeys((order, "last_seen")))
            bounds, which, parameters = [start_of(since), int(at_least)], "", list[Any]()
            if state is not None:
                condition, parameters = _in(state, now)
                which += f" AND {condition}"
            if search:
                matching = self._index().groups(execute, search) if self.exists else ()
                which += f" AND shown.id IN ({listed(sorted({roots.get(each, each) for each in matching}))})"
            if within.narrow:
                there = _there(within) if merged else _alone_there(within)
                rows = execute(
                    f"{there} SELECT shown.id FROM there JOIN groups AS shown ON shown.id = there.id "
                    f"WHERE true{which} AND there.last_seen >= ? AND there.severity >= ? "
                    f"ORDER BY {', '.join(f'there.{each} DESC' for each in by)}, shown.id DESC LIMIT ? OFFSET ?",
                    (*parameters, *bounds, limit, offset),
                ).fetchall()
                return _as_there(execute, within, _wholes(execute, [row[0] for row in rows], roots, now))
            alone = f"{which} AND shown.id NOT IN ({listed(merged)})" if merged else which
            # What is skipped is no more than a number.
            found: list[Sequence[Any]] = execute(
                f"SELECT {', '.join(f'shown.{each}' for each in by)}, shown.id FROM groups AS shown "
                f"WHERE shown.count > 0 AND shown.last_seen >= ? AND shown.severity >= ?{alone} "
                f"ORDER BY {', '.join(f'shown.{each} DESC' for each in by)}, shown.id DESC LIMIT ?",
                (*bounds, *parameters, offset + limit),
            ).fetchall()
            if merged:
                found += execute(
                    f"SELECT {', '.join(_OF_ALL[each] for each in by)}, shown.id FROM groups "
                    "JOIN groups AS shown ON shown.id = coalesce(groups.root, groups.id) "
                    f"WHERE groups.count > 0 AND groups.id IN ({listed(merged)}){which} GROUP BY shown.id "
                    "HAVING max(groups.last_seen) >= ? AND max(groups.severity) >= ?",
                    (*parameters, *bounds),
                ).fetchall()
                found.sort(key=tuple, reverse=True)
            return _wholes(execute, [row[-1] for row in found[offset : offset + limit]], roots, now)

    def group(self, fingerprint: str) -> ErrorGroup | None:
        with self._reading() as execute:
            members = members_of(execute, fingerprint)
            row = execute(
                f"{_GROUPS} WHERE groups.count > 0 AND groups.id IN ({marks(members)}) "
                "ORDER BY groups.last_seen DESC LIMIT 1",
                members,
            ).fetchone()
            if row is None:
                return None
            whole = _whole(execute, members[0], row, _roots(execute), self._now(execute))
            within = Within(execute, self.origin)
            return next(iter(_as_there(execute, within, [whole])), None) if within.narrow else whole


def members_of(execute: Execute, fingerprint: str) -> list[int]:
    """The group that errors with *fingerprint* are shown in, then those merged into it; empty if there is none."""
    row = execute("SELECT coalesce(root, id) FROM groups WHERE fingerprint = ?", (fingerprint,)).fetchone()
    if row is None:
        return []
    return [row[0], *(each[0] for each in execute("SELECT id FROM groups WHERE root = ? ORDER BY id", (row[0],)))]


def _alone_there(within: Within) -> str:
    """As `_there`, where no group is merged into another."""
    if len(within.origins) == 1:  # nothing is to be added up, and the index gives them in their order
        told, order = "count, severity, first_seen, last_seen", ""
    else:
        told, order = _TOLD, " GROUP BY group_id"
    return f"WITH there AS (SELECT group_id AS id, {told} FROM group_origins WHERE true{within.counted}{order})"


def _there(within: Within, names: Sequence[str] | None = None) -> str:
    """The groups that were seen there, or *names* of them, with what is merged into them: how often, and when."""
    tables = "FROM group_origins JOIN groups ON groups.id = group_origins.group_id WHERE true"
    if names is not None:
        tables = f"{_THESE} WHERE group_origins.group_id = groups.id AND groups.fingerprint IN ({marks(names)})"
    return f"""
        WITH there AS (
            SELECT coalesce(groups.root, groups.id) AS id, {_TOLD}
            {tables} AND groups.count > 0{within.counted} GROUP BY 1
        )
    """


def _as_there(execute: Execute, within: Within, groups: Sequence[ErrorGroup]) -> list[ErrorGroup]:
    """*groups* as far as they were seen there: counts, moments, and what the newest error there says."""
    told = []
    for part in parts(groups, _WHOLES):
        shown_in = {name: group.fingerprint for group in part for name in (group.fingerprint, *group.merged)}
        names = list(shown_in)
        seen = {
            row[0]: row[1:]
            for row in execute(
                f"{_there(within, names)} SELECT fingerprint, there.count, there.severity, there.first_seen, "
                "there.last_seen FROM there JOIN groups ON groups.id = there.id",
                names,
            )
        }
        # The newest comes last, and stays.
        spoken = {shown_in[row[0]]: row[1:4] for row in execute(_speaking(within, names), names)}
        for group in part:
            if group.fingerprint in seen:
                count, severity, first_seen, last_seen = seen[group.fingerprint]
                # What came last may only be counted, or its details be gone.
                newest = spoken.get(group.fingerprint) or _newest_there(execute, within, group, last_seen)
                told.append(
                    replace(
                        group,
                        count=int(count),
                        severity=ErrorSeverity(severity),
                        first_seen=from_microseconds(first_seen),
                        last_seen=from_microseconds(last_seen),
                        last_error_id=newest[0],
                        error_type=newest[1],
                        error_message=newest[2],
                    )
                )
    return told


def _speaking(within: Within, names: Sequence[str]) -> str:
    """What asks for the errors that came last there, of the groups *names*."""
    return (
        f"SELECT groups.fingerprint, error_id, errors.error_type, message {_THESE} JOIN errors "
        "ON errors.group_id = group_origins.group_id AND errors.timestamp = group_origins.last_seen "
        f"WHERE group_origins.group_id = groups.id AND groups.fingerprint IN ({marks(names)})"
        f"{within.counted}{within.error} "
        "ORDER BY errors.timestamp, errors.position"
    )


def _newest_there(execute: Execute, within: Within, group: ErrorGroup, last_seen: int) -> Sequence[str]:
    """Id, type and message of the group's newest error that is kept, there; no id and no message if none is.

    Args:
        last_seen: When something came there the last time.
    """
    names = [group.fingerprint, *group.merged]
    row: Sequence[str] | None = execute(
        "SELECT error_id, error_type, message FROM errors WHERE group_id IN "
        f"(SELECT id FROM groups WHERE fingerprint IN ({marks(names)})) AND timestamp <= ?{within.error} "
        "ORDER BY timestamp DESC, position DESC LIMIT 1",
        (*names, last_seen),
    ).fetchone()
    return row or ("", group.error_type, "")


def _roots(execute: Execute) -> dict[int, int]:
    """For each group that is shown as part of another: the one it is shown in."""
    return dict(execute("SELECT id, root FROM groups WHERE root IS NOT NULL").fetchall())


def _in(state: GroupState, now: int) -> tuple[str, list[Any]]:
    """What holds of the groups in *state*: a mute is over with its time, also if no batch has come to write that."""
    if state is GroupState.OPEN:
        return "(shown.state = 'open' OR shown.muted_until <= ?)", [now]
    if state is GroupState.MUTED:
        return "shown.state = 'muted' AND (shown.muted_until > ? OR shown.muted_until IS NULL)", [now]
    return "shown.state = ?", [state.value]


def _wholes(execute: Execute, chosen: Sequence[int], roots: Mapping[int, int], now: int) -> list[ErrorGroup]:
    """The groups *chosen*, each with all that is merged into it; the latest speaks for all."""
    latest: dict[int, Sequence[Any]] = {}
    wanted = set(chosen)
    for part in parts([*chosen, *(member for member, root in roots.items() if root in wanted)]):
        for row in execute(f"{_GROUPS} WHERE groups.count > 0 AND groups.id IN ({marks(part)})", part):
            root = roots.get(row[0], row[0])
            latest[root] = max(row, latest.get(root, row), key=lambda row: (row[10], row[0]))
    # One may have been deleted since it was chosen.
    return [_whole(execute, root, latest[root], roots, now) for root in chosen if root in latest]


def _whole(execute: Execute, root: int, latest: Sequence[Any], roots: Mapping[int, int], now: int) -> ErrorGroup:
    """The group *root* with all that is merged into it; *latest* speaks for it."""
    group = _group(latest, now)
    members = [root, *(member for member, target in roots.items() if target == root)]
    if len(members) == 1:
        return group
    among = f"FROM groups WHERE count > 0 AND id IN ({marks(members)})"
    counted = execute(f"SELECT sum(count), min(first_seen), max(severity) {among}", members).fetchone()
    first = execute(f"SELECT first_release {among} ORDER BY first_seen, id LIMIT 1", members)
    own = _group(execute(f"{_GROUPS} WHERE groups.id = ?", (root,)).fetchone(), now)
    names = execute(f"SELECT fingerprint FROM groups WHERE id IN ({marks(members[1:])}) ORDER BY 1", members[1:])
    return replace(
        group,
        fingerprint=own.fingerprint,
        count=int(counted[0]),
        first_seen=from_microseconds(counted[1]),
        severity=ErrorSeverity(counted[2]),
        merged=tuple(row[0] for row in names),
        first_release=only(first),
        state=own.state,
        state_at=own.state_at,
        resolved_in=own.resolved_in,
        muted_until=own.muted_until,
        muted_count=own.muted_count,
        muted_period=own.muted_period,
    )


def _group(row: Sequence[Any], now: int) -> ErrorGroup:
    (_, fingerprint, error_type, message, severity, logger, module, function, count, first_seen, last_seen, error_id,
     first_release, last_release, _, state, state_at, resolved_in, until, muted_count, period) = row  # fmt: skip
    if until is not None and until <= now:
        # As the next batch will have it.
        state, state_at, until, muted_count, period = GroupState.OPEN.value, until, None, None, None
    return ErrorGroup(
        fingerprint=fingerprint,
        error_type=error_type,
        error_message=message,
        severity=ErrorSeverity(severity),
        logger_name=logger,
        source=f"{module or '?'}.{function or '?'}",
        count=count,
        first_seen=from_microseconds(first_seen),
        last_seen=from_microseconds(last_seen),
        last_error_id=error_id,
        first_release=first_release,
        last_release=last_release,
        state=GroupState(state),
        state_at=from_microseconds(state_at) if state_at else None,
        resolved_in=resolved_in,
        muted_until=None if until is None else from_microseconds(until),
        muted_count=muted_count,
        muted_period=None if period is None else period / 1_000_000,
    )
