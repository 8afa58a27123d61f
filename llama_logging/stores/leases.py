"""Who may act on a thing, how often, and when it is left alone: one row for each scope, shared by all processes.

A lease has an owner, an end, and a token that grows with every lease; whoever comes with an older
token is refused. Moments are those of one clock for all who share the registry: of the machine since
it was started (another boot makes every lease, rest and count void), or of the database server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llama_logging.registry import leasing
from llama_logging.registry.attempts import PRUNING, SENDING, Denial, Lease, Policy, ScopeState
from llama_logging.stores.statements import REMEMBER, Execute, only
from llama_logging.tried import OutcomeStatus

_COLUMNS = (
    "scope, boot, token, owner, expires_at, incidents, failures, rest_until, open_until, escalated, status, detail"
)
_KEPT = 90 * 86_400.0
"""Seconds for which a scope is known that nobody acts on: things of a machine have its name, and with each container
that is started come others."""

_DROPPED = "dropped_token"
_NONE = ScopeState(scope="", status=OutcomeStatus.NONE)


def acquire(
    execute: Execute, scope: str, owner: str, seconds: float, policy: Policy, now: float, boot: str
) -> Lease | Denial:
    """Lease *scope* to *owner* for so many seconds, or say why not."""
    before = read(execute, scope, now, boot)
    answer, after = leasing.asked(before, owner, seconds, policy, now)
    if after is not before:
        _write(execute, after, now, boot)
    return answer


def renew(execute: Execute, lease: Lease, seconds: float, now: float, boot: str) -> bool:
    """Prolong *lease*; False if another has it meanwhile."""
    state = read(execute, lease.scope, now, boot)
    if state.token != lease.token:
        return False
    _write(execute, replace(state, leased_for=seconds), now, boot)
    return True


def finish(
    execute: Execute, lease: Lease, status: OutcomeStatus, detail: str, policy: Policy, now: float, boot: str
) -> bool:
    """End *lease* with what came of it; False, and nothing changes, if another has it meanwhile."""
    state = read(execute, lease.scope, now, boot)
    if state.token != lease.token:
        return False
    _write(execute, leasing.ended(state, status, detail, policy), now, boot)
    return True


def read(execute: Execute, scope: str, now: float, boot: str) -> ScopeState:
    """What is known of *scope*."""
    row = execute(f"SELECT {_COLUMNS} FROM scopes WHERE scope = ?", (scope,)).fetchone()
    return replace(_NONE, scope=scope, token=_dropped(execute)) if row is None else _state(row, now, boot)


def every(execute: Execute, now: float, boot: str) -> list[ScopeState]:
    """What is known of all scopes."""
    asked = f"SELECT {_COLUMNS} FROM scopes WHERE scope NOT LIKE ? AND scope NOT LIKE ? ORDER BY scope"
    return [_state(row, now, boot) for row in execute(asked, (f"{SENDING}%", f"{PRUNING}%")).fetchall()]


def forget(execute: Execute, scope: str) -> None:
    """Have *scope* as new, but for its token, which must go on growing."""
    execute("UPDATE scopes SET boot = '', token = token + 1 WHERE scope = ?", (scope,))


def drop_unused(execute: Execute, now: float, boot: str) -> None:
    """Drop what nobody has acted on for long, and what is of another boot, and so says nothing but its token.

    That goes on growing should the thing be acted on again: beyond every one that was dropped.
    """
    those = "WHERE boot NOT IN ('', ?) OR (expires_at < ? AND rest_until < ? AND open_until < ?)"
    parameters = boot, *[now - _KEPT] * 3
    highest = only(execute(f"SELECT max(token) FROM scopes {those}", parameters))
    if highest is not None:
        execute(REMEMBER, (_DROPPED, str(max(highest, _dropped(execute)))))
        execute(f"DELETE FROM scopes {those}", parameters)


def _dropped(execute: Execute) -> int:
    """The highest token of all that were dropped."""
    row = execute("SELECT value FROM registry WHERE name = ?", (_DROPPED,)).fetchone()
    return int(row[0]) if row else 0


def _state(row: Sequence[Any], now: float, boot: str) -> ScopeState:
    scope, made, token, owner, expires, incidents, failures, rest, opened, escalated, status, detail = row
    if made != boot:
        return replace(_NONE, scope=scope, token=token)
    return ScopeState(
        scope=scope,
        status=OutcomeStatus(status),
        detail=detail,
        token=token,
        owner=owner,
        leased_for=max(0.0, expires - now),
        over_for=max(0.0, now - expires),
        incidents=tuple(json.loads(incidents)),
        failures=failures,
        rests_for=max(0.0, rest - now),
        open_for=max(0.0, opened - now),
        escalated=bool(escalated),
    )


def _write(execute: Execute, state: ScopeState, now: float, boot: str) -> None:
    values = (
        state.scope,
        boot,
        state.token,
        state.owner,
        now + state.leased_for,
        json.dumps(state.incidents),
        state.failures,
        now + state.rests_for,
        now + state.open_for,
        int(state.escalated),
        state.status.value,
        state.detail[:1000],
    )
    columns = _COLUMNS.split(", ")
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    execute(
        f"INSERT INTO scopes ({_COLUMNS}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT (scope) DO UPDATE SET {changes}",
        values,
    )
