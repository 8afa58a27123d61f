"""Whether a thing may be acted on: decided from what is known of it, wherever that is kept."""

from __future__ import annotations

from dataclasses import replace

from llama_logging.registry.attempts import Denial, DenialReason, Lease, Policy, ScopeState
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import counted

LONGEST_REST = 300.0
"""Seconds; the rest after a failure doubles with each, up to this, or is the `cooldown` that was asked for."""
LONGEST_OPEN = 1_800.0
"""Seconds that a breaker stays open at most."""


def asked(
    state: ScopeState, owner: str, seconds: float, policy: Policy, now: float
) -> tuple[Lease | Denial, ScopeState]:
    """What *owner* is answered who wants to act for so many seconds, and what is known then.

    Args:
        now: On the clock that `state.incidents` are told on.
    """
    if state.leased_for and state.owner != owner:
        return Denial(DenialReason.BUSY, f"{state.owner} is at it", state.leased_for), state
    if state.rests_for and state.status is OutcomeStatus.RECOVERED:
        told = f"it was just recovered: {state.detail}"
        return Denial(DenialReason.RECOVERED, told, state.rests_for, over_for=state.over_for), state
    if state.rests_for:
        return Denial(DenialReason.COOLDOWN, f"it failed a moment ago: {state.detail}", state.rests_for), state
    if state.open_for:
        told = f"it has failed {counted(state.failures, 'time')} in a row"
        return Denial(DenialReason.OPEN, told, state.open_for), state
    recent = tuple(moment for moment in state.incidents if moment > now - policy.period)
    ours = state.owner == owner
    # What a lost owner has begun may be gone on with beyond the budget, but not by one after the other: perhaps it is
    # the recovery itself that ends them.
    if not ours and len(recent) >= policy.attempts + bool(state.owner):
        within = f"within {policy.period:g} s"
        told = f"{counted(len(recent), f'incident {within} is', f'incidents {within} are')} all that is allowed"
        wait = recent[0] + policy.period - now
        denial = Denial(DenialReason.BUDGET, told, wait, escalate=not state.escalated)
        return denial, replace(state, incidents=recent, escalated=True)
    lost = "" if ours else state.owner
    incidents = recent if ours else (*recent, now)
    granted = replace(
        state,
        token=state.token + 1,
        owner=owner,
        leased_for=seconds,
        over_for=0.0,
        incidents=incidents,
        escalated=False,
    )
    return Lease(state.scope, granted.token, lost), granted


def ended(state: ScopeState, status: OutcomeStatus, detail: str, policy: Policy) -> ScopeState:
    """What is known after a lease that ended so."""
    failed = status is OutcomeStatus.FAILED
    failures = state.failures + 1 if failed else 0
    # 30: a number with a thousand bits is no float any more.
    doubled = policy.cooldown * 2 ** min(failures - 1, 30) if failed else 0.0
    rest = max(policy.cooldown, min(LONGEST_REST, doubled))
    beyond = min(failures - policy.failures, 30)
    return replace(
        state,
        owner="",
        leased_for=0.0,
        over_for=0.0,
        failures=failures,
        rests_for=rest,
        open_for=min(LONGEST_OPEN, policy.open_for * 2**beyond) if failed and beyond >= 0 else 0.0,
        status=status,
        detail=detail,
    )
