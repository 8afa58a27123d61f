"""Groups of errors, and questions about them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from llama_logging.context import ErrorSeverity

Order = Literal["last_seen", "first_seen", "count"]


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
        error_message: The beginning of its newest error's.
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


class Groups(Protocol):
    """Part of `registry.Store`."""

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
                the message, tags, short values of the context, or trace id of one of its errors.
            order: The latest first, the newest first, or the most frequent first; of those alike the latest first.
        """
        ...

    def group(self, fingerprint: str) -> ErrorGroup | None:
        """The group that errors with *fingerprint* are shown in; None if there is none."""
        ...
