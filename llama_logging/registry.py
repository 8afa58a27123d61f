"""What the registry holds, and the port through which it is reached."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from llama_logging.context import ErrorContext, ErrorSeverity, Sighting
from llama_logging.prediction.ledger import Ledger
from llama_logging.retention import Retention
from llama_logging.tried import OutcomeStatus, RecoveryAttempt

Order = Literal["last_seen", "first_seen", "count"]


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
    """

    reason: DenialReason
    detail: str
    retry_in: float = 0.0
    escalate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeState:
    """What is known of a thing that is acted on.

    Attributes:
        status, detail: How the last incident ended.
        owner: Who is at it; empty if nobody.
        leased_for, rests_for, open_for: Seconds left of the lease, the rest, and the open breaker.
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


class GroupState(enum.Enum):
    """What is to be done about a group."""

    OPEN = "open"
    RESOLVED = "resolved"
    MUTED = "muted"
    REGRESSED = "regressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """All occurrences with one fingerprint.

    Attributes:
        severity: The worst that was seen.
        source: Where it was raised: `module.function`.
        last_error_id: The newest occurrence; its details may have been pruned.
        first_release, last_release: In which it was seen; empty where unknown.
        merged: Fingerprints of the groups that are shown as part of this one.
        state: `regressed` if it was resolved and came back.
        state_at: Since when; None if it was never anything but open.
        resolved_in: The release that has the fix; empty if none was named.
        muted_until: When it is open again; None for other ways.
        muted_count, muted_period: It is open again once so many come within so many seconds.
    """

    fingerprint: str
    error_type: str
    error_message: str
    severity: ErrorSeverity
    logger_name: str
    source: str
    count: int
    first_seen: datetime
    last_seen: datetime
    last_error_id: str
    first_release: str = ""
    last_release: str = ""
    merged: tuple[str, ...] = ()
    state: GroupState = GroupState.OPEN
    state_at: datetime | None = None
    resolved_in: str = ""
    muted_until: datetime | None = None
    muted_count: int | None = None
    muted_period: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of a group.

    Attributes:
        kind: `new`, `resolved`, `reopened`, `muted`, `unmuted`, `regressed`, `merged`, `unmerged`.
        by: Who did it; empty for what the registry did by itself.
        detail: The release, the end of a mute, the other group: what there is to say besides.
    """

    fingerprint: str
    at: datetime
    kind: str
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class Move:
    """An error whose fingerprint is to be another.

    Attributes:
        grouping: What the fingerprint is made from; None for what its stack gives.
    """

    error_id: str
    fingerprint: str
    grouping: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkept:
    """Errors of one group and minute whose details are not there any more.

    Attributes:
        severity: The worst of the group.
    """

    fingerprint: str
    error_type: str
    severity: ErrorSeverity
    minute: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Frames that a process has written and that never arrived: errors lost, and proven so.

    Attributes:
        missing: How many.
        process: Who wrote them, as JSON-able data.
    """

    missing: int
    process: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What went wrong with the registry itself.

    Attributes:
        kind: `corrupt`: the file was damaged and moved aside.
    """

    at: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the registry is.

    Attributes:
        version: Of its tables.
        errors: Whose details are kept.
        size_bytes: Of the whole registry.
        damaged: Frames that did not pass their checksum, or were not what they should be.
        problems: What a check of the file itself has found; empty if it is whole.
    """

    version: int
    errors: int
    groups: int
    size_bytes: int
    damaged: int
    gaps: tuple[Gap, ...]
    incidents: tuple[Incident, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of one journal that lie one after another.

    Attributes:
        journal: Name of the journal.
        start, end: Where in the file they lie, in bytes.
        frames: JSON texts, their checksums verified.
        damaged: How many frames in between were not whole.
    """

    journal: str
    start: int
    end: int
    frames: Sequence[str]
    damaged: int = 0


class Store(Ledger, Protocol):
    """Where the registry is kept.

    Every method may be called from any thread. Adding the same error_id twice changes nothing, so a
    journal may be ingested again after a crash. Moments given are aware.

    Raises:
        StoreError: From any method, if the store could not be read or written.
    """

    url: str
    """As it may be shown."""

    @property
    def exists(self) -> bool:
        """Whether there is a registry; one that never was is empty, and asking does not make it."""
        ...

    def ingest(self, batch: Batch) -> int:
        """Add what *batch* holds and remember its end, in one transaction.

        If the store knows the journal beyond *batch.start*, nothing is added: another process did.

        Returns:
            The end of what the store now has of that journal, in bytes.
        """
        ...

    def checkpoint(self, journal: str) -> int:
        """How much of *journal* the store has, in bytes; 0 if it never saw it."""
        ...

    def sync(self) -> None:
        """Have what was ingested survive a power cut, before the journal that it came from is removed."""
        ...

    def forget(self, journal: str) -> None:
        """Drop the checkpoint of a journal that is gone."""
        ...

    def count_by_severity(self, since: datetime | None, at_least: ErrorSeverity) -> dict[ErrorSeverity, int]:
        """How many errors there were, exactly; *since* None for all time."""
        ...

    def count_by_type(self, since: datetime | None, at_least: ErrorSeverity, limit: int) -> dict[str, int]:
        """The most frequent error types and their counts, most frequent first."""
        ...

    def errors(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        fingerprint: str | None = None,
        limit: int = 10,
    ) -> list[ErrorContext]:
        """Errors, newest first."""
        ...

    def errors_after(self, position: int, limit: int = 100) -> tuple[int, list[ErrorContext]]:
        """Errors in order of arrival after *position*, and the position to go on from; -1 gives the end."""
        ...

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
        """Groups last seen since then; so many after the first *offset*.

        Args:
            search: Words, all of which begin a word of the group's type, message, logger or stack, or of
                the message, tags or trace id of one of its errors.
            order: The latest first, the newest first, or the most frequent first.
        """
        ...

    def index_words(self) -> bool:
        """Index the words of some thousand errors, so that a search has less to do; whether there may be more."""
        ...

    def group(self, fingerprint: str) -> ErrorGroup | None:
        """The group that errors with *fingerprint* are shown in; None if there is none."""
        ...

    def errors_of_trace(self, trace_id: str, limit: int = 1000) -> list[ErrorContext]:
        """Errors of one trace, of all services that share the registry, in the order in which they happened."""
        ...

    def find(self, id_prefix: str) -> ErrorContext:
        """The one error whose id begins with *id_prefix*.

        Raises:
            ErrorNotFound: If there is none, or more than one.
        """
        ...

    def resolve(
        self, fingerprint: str, at: datetime, by: str = "", *, release: str = "", after_latest: bool = False
    ) -> None:
        """Say that the group is mended; an error after *at* makes it regressed.

        Args:
            release: In this release: errors of earlier ones are expected and change nothing. Releases
                are ordered by when they were first seen.
            after_latest: In the next release after the latest that was seen.

        Raises:
            ErrorNotFound: If there is no such group.
        """
        ...

    def mute(
        self,
        fingerprint: str,
        at: datetime,
        by: str = "",
        *,
        until: datetime | None = None,
        count: int | None = None,
        period: float | None = None,
    ) -> None:
        """Count on without asking for attention.

        Until a moment, until *count* come within *period* seconds, or for ever.

        Raises:
            ErrorNotFound: If there is no such group.
        """
        ...

    def reopen(self, fingerprint: str, at: datetime, by: str = "") -> None:
        """Have the group open again.

        Raises:
            ErrorNotFound: If there is no such group.
        """
        ...

    def changes(self, fingerprint: str | None = None, limit: int = 50) -> list[Change]:
        """What became of a group and those merged into it, or of all: the latest first."""
        ...

    def releases(self) -> dict[str, datetime]:
        """Every release and when it was first seen, the latest first."""
        ...

    def merge(self, target: str, fingerprints: Sequence[str], at: datetime, by: str = "") -> None:
        """Show these groups, and what is shown in them, as part of the group *target*; their rows stay as they are.

        Args:
            target: A fingerprint; of a group that is merged itself, the one it is shown in counts.
            fingerprints: What is shown in *target* already, or is *target*, is left as it is.

        Raises:
            ErrorNotFound: If one of them is not there.
        """
        ...

    def unmerge(self, fingerprints: Sequence[str], at: datetime, by: str = "") -> int:
        """Have these groups on their own again; how many were merged."""
        ...

    def move(self, moves: Sequence[Move], at: datetime) -> None:
        """Give errors other fingerprints, in one transaction: every count stays exact.

        All that is moved *at* one moment is undone together.
        """
        ...

    def undo_move(self) -> int:
        """Put the errors of the latest moment of `move` back to where they were; how many."""
        ...

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        """Drop the details of at most *limit* errors that *retention* has no room for; how many.

        The least telling go first: repeats without breadcrumbs, locals or context, the oldest of them.
        The first and the newest of a group, and those that a recovery was tried for, go last. Every
        count stays. Call it again until it gives 0.
        """
        ...

    def delete(self, fingerprint: str, by: str = "", *, limit: int) -> bool:
        """Drop a group and all that is shown in it, at most *limit* errors at once; whether it is gone.

        Call it again until it is. Nobody finds its errors, attempts and predictions any more; what
        comes later is a new group. The totals of summaries stay: so many errors there were.

        Raises:
            ErrorNotFound: If there is no such group.
        """
        ...

    def recall(self, name: str) -> str:
        """What was remembered under *name*; empty if nothing. Under `id` stands the registry's own."""
        ...

    def remember(self, name: str, value: str) -> None:
        """Keep a short text."""
        ...

    def unkept(self) -> Iterator[Unkept]:
        """The errors whose details were pruned, as counted."""
        ...

    def note(self, at: datetime, kind: str, detail: str) -> None:
        """Remember an Incident."""
        ...

    def incidents(self) -> list[Incident]:
        """What went wrong with the registry, oldest first."""
        ...

    def accept(self) -> None:
        """Take what `health` complains of as known: gaps, damaged frames and incidents begin anew."""
        ...

    def health(self, *, thorough: bool = True) -> Health:
        """How the registry is; *thorough* reads all of it."""
        ...

    def sightings(self, error_id: str) -> list[Sighting]:
        """Who else logged the error, oldest first."""
        ...

    def attempts(self, error_id: str) -> list[RecoveryAttempt]:
        """The recovery attempts made for an error, oldest first."""
        ...

    def attempts_of(self, error_ids: Sequence[str]) -> dict[str, list[RecoveryAttempt]]:
        """The same for several errors; those without any are left out."""
        ...

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
        """What is known of all things that were acted on."""
        ...

    def forget_scope(self, scope: str) -> None:
        """Have a thing as if it had never been acted on; a lease under way is refused at its end."""
        ...

    def records(self, fingerprint: str) -> list[Record]:
        """What each strategy has done for a group."""
        ...

    def recent_attempts(self, limit: int = 50) -> list[RecoveryAttempt]:
        """The latest recovery attempts, the latest first."""
        ...

    def close(self) -> None:
        """Let go of the connection; a later call opens it again."""
        ...
