"""What recovery may act on, and what it has tried."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from llama_logging.tried import OutcomeStatus, RecoveryAttempt

SENDING, PRUNING = "report:", "retention:"
"""Scopes that begin so are of our own work, and no things that recovery acts on."""
_ALWAYS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often a thing may be acted on.

    Attributes:
        attempts, period: So many incidents within so many seconds.
        cooldown: Seconds for which it is left alone after one; doubled with each failure in a row.
        failures: After so many in a row nobody acts for `open_for` seconds, doubled with each more.
    """

    attempts: int = 3
    period: float = 1_800.0
    cooldown: float = 30.0
    failures: int = 3
    open_for: float = 60.0

    @classmethod
    def of_turns(cls, pause: float = 0.0) -> Policy:
        """For our own work, which one of all processes does at a time: as often as it comes up, or after a *pause*."""
        return cls(attempts=_ALWAYS, period=0.0, cooldown=pause, failures=_ALWAYS)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act on a thing, alone.

    Attributes:
        token: Larger than that of every lease of the scope before.
        lost_owner: Who had it and never came back; empty if nobody.
    """

    scope: str
    token: int
    lost_owner: str = ""


class DenialReason(enum.StrEnum):
    """Why somebody may not act.

    `busy`: another is at it. `recovered`: another has just done it. `cooldown`: it was tried in vain a
    moment ago. `open`: it was tried in vain too often. `budget`: it happened too often.
    """

    BUSY = "busy"
    RECOVERED = "recovered"
    COOLDOWN = "cooldown"
    OPEN = "open"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Denial:
    """That a thing may not be acted on now.

    Attributes:
        retry_in: Seconds after which it is worth asking again.
        escalate: Whether this is the first such answer of the incident: somebody must be told.
        over_for: Seconds since what was done about it was over.
    """

    reason: DenialReason
    detail: str
    retry_in: float = 0.0
    escalate: bool = False
    over_for: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeState:
    """What is known of a thing that is acted on.

    Attributes:
        status, detail: How the last incident ended.
        owner: Who is at it; empty if nobody.
        leased_for, rests_for, open_for: Seconds left of the lease, the rest, and the open breaker.
        over_for: Seconds since the last lease was over; 0.0 while it lasts.
        incidents: When they began, on the clock that all who share the registry have.
        failures: In a row.
    """

    scope: str
    status: OutcomeStatus
    detail: str = ""
    token: int = 0
    owner: str = ""
    leased_for: float = 0.0
    incidents: tuple[float, ...] = ()
    failures: int = 0
    rests_for: float = 0.0
    open_for: float = 0.0
    over_for: float = 0.0
    escalated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a strategy has done for a group so far.

    Attributes:
        tried, recovered: How many times, and how many of them in earnest.
        seconds: What a try took, on average.
    """

    strategy: str
    tried: int
    recovered: int
    seconds: float


class Attempts(Protocol):
    """Part of `registry.Store`."""

    def acquire(self, scope: str, owner: str, seconds: float, policy: Policy) -> Lease | Denial:
        """Lease a thing to *owner* for so many seconds, or say why not; what *policy* says is the same for all."""
        ...

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Prolong *lease*; False if another has it meanwhile."""
        ...

    def finish(self, lease: Lease, status: OutcomeStatus, detail: str, policy: Policy) -> bool:
        """End *lease* with what came of it; False, and nothing changes, if another has it meanwhile."""
        ...

    def scopes(self) -> list[ScopeState]:
        """What is known of all things that were acted on; `prune` drops those that nobody has for 90 days."""
        ...

    def forget_scope(self, scope: str) -> None:
        """Have a thing as if it had never been acted on; a lease under way is refused at its end."""
        ...

    def attempts(self, error_id: str) -> list[RecoveryAttempt]:
        """The recovery attempts made for an error, oldest first."""
        ...

    def attempts_of(self, error_ids: Sequence[str]) -> dict[str, list[RecoveryAttempt]]:
        """The same for several errors; those without any are left out."""
        ...

    def records(self, fingerprint: str) -> list[Record]:
        """What each strategy has done for a group."""
        ...

    def recent_attempts(self, limit: int = 50) -> list[RecoveryAttempt]:
        """The latest recovery attempts, the latest first."""
        ...
