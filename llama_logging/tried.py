"""What was tried against an error, and how it went."""

from __future__ import annotations

import enum
from datetime import datetime

from llama_logging.frozen import Frozen


class OutcomeStatus(enum.StrEnum):
    """How a recovery, or one attempt of it, went.

    `recovered`: verified to work again. `fallback`: nothing was healed, a value stands in.
    `advice`: no strategy can heal it; what somebody should do is said.
    `failed`: everything was tried in vain. `observed`: it would have acted, had the rule said
    `mode: act`. `pending`: under way. `refused`: not tried; the detail says why. `unmatched`: no
    rule is for this error. `none`: no error was logged. `shared`, of an attempt alone: it was
    made for another error, which the detail names with how it went, and holds for this one too.
    """

    RECOVERED = "recovered"
    FALLBACK = "fallback"
    ADVICE = "advice"
    FAILED = "failed"
    OBSERVED = "observed"
    PENDING = "pending"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    NONE = "none"
    SHARED = "shared"


FOR_ONE = (OutcomeStatus.FALLBACK, OutcomeStatus.ADVICE)
"""What an attempt has for the error that it was made for, and for no other."""
ENDS = (OutcomeStatus.RECOVERED, *FOR_ONE)
"""How an attempt ends the recovery that it is of."""


class RecoveryAttempt(Frozen):
    """One try of one strategy.

    Attributes:
        scope: What was acted on, such as `ollama@127.0.0.1:11434`.
        detail: What was done and seen, or why it failed.
        duration: Seconds; 0.0 while `status` is pending.
        token: Of the lease under which it was made; 0 for what needs none.
    """

    attempt_id: str
    error_id: str
    fingerprint: str
    rule: str
    strategy: str
    scope: str
    status: OutcomeStatus
    started_at: datetime
    detail: str = ""
    duration: float = 0.0
    token: int = 0
