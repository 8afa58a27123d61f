"""What the registry holds, and the port through which it is reached."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from llama_logging.context import ErrorContext, ErrorSeverity


class OutcomeStatus(enum.StrEnum):
    """How a recovery, or one attempt of it, went.

    `recovered`: verified to work again. `fallback`: nothing was healed, a value stands in.
    `failed`: everything was tried in vain. `observed`: it would have acted, had the rule said
    `mode: act`. `pending`: under way. `refused`: not tried; the detail says why. `unmatched`: no
    rule is for this error. `none`: no error was logged.
    """

    RECOVERED = "recovered"
    FALLBACK = "fallback"
    FAILED = "failed"
    OBSERVED = "observed"
    PENDING = "pending"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAttempt:
    """One try of one strategy.

    Attributes:
        scope: What was acted on, such as `ollama@127.0.0.1:11434`.
        detail: What was done and seen, or why it failed.
        duration: Seconds; 0.0 while `status` is pending.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One more layer that logged an error already captured: who, when, and in which words.

    Attributes:
        error_type: Of the exception as that layer saw it; it may have been raised from the first.
    """

    error_id: str
    timestamp: datetime
    logger_name: str
    log_message: str
    error_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """All occurrences with one fingerprint.

    Attributes:
        severity: The worst that was seen.
        source: Where it was raised: `module.function`.
        last_error_id: The newest occurrence.
        merged: Fingerprints of the groups that are shown as part of this one.
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
    merged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """An error whose fingerprint is to be another.

    Attributes:
        grouping: What the fingerprint is made from; None for what its stack gives.
    """

    error_id: str
    fingerprint: str
    grouping: tuple[str, ...] | None


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


class Store(Protocol):
    """Where the registry is kept.

    Every method may be called from any thread. Adding the same error_id twice changes nothing, so a
    journal may be ingested again after a crash. Moments given are aware.

    Raises:
        StoreError: From any method, if the store could not be read or written.
    """

    url: str

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
        limit: int = 50,
    ) -> list[ErrorGroup]:
        """Groups last seen since then, the latest first."""
        ...

    def group(self, fingerprint: str) -> ErrorGroup | None:
        """The group that errors with *fingerprint* are shown in; None if there is none."""
        ...

    def find(self, id_prefix: str) -> ErrorContext:
        """The one error whose id begins with *id_prefix*.

        Raises:
            ErrorNotFound: If there is none, or more than one.
        """
        ...

    def merge(self, target: str, fingerprints: Sequence[str], at: datetime) -> None:
        """Show these groups as part of the group *target*; their rows stay as they are.

        Args:
            target: A fingerprint; of a group that is merged itself, the one it is shown in counts.
            fingerprints: What is shown in *target* already, or is *target*, is left as it is.
        """
        ...

    def unmerge(self, fingerprints: Sequence[str]) -> int:
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

    def sightings(self, error_id: str) -> list[Sighting]:
        """Who else logged the error, oldest first."""
        ...

    def attempts(self, error_id: str) -> list[RecoveryAttempt]:
        """The recovery attempts made for an error, oldest first."""
        ...

    def close(self) -> None:
        """Let go of the connection; a later call opens it again."""
        ...
