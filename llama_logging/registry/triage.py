"""What people decide about groups, and what becomes of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of a group.

    Attributes:
        kind: `new`, `resolved`, `reopened`, `muted`, `unmuted`, `regressed`, `merged`, `unmerged`,
            `moved`, `deleted`.
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


class Triage(Protocol):
    """Part of `registry.Store`."""

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

    def delete(self, fingerprint: str, by: str = "", *, limit: int) -> bool:
        """Drop a group and all that is shown in it, at most *limit* errors at once; whether it is gone.

        Call it again until it is. Nobody finds its errors, attempts and predictions any more; what
        comes later is a new group. The totals of summaries stay: so many errors there were.

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

    def hand_over(self, at: datetime) -> None:
        """Have what was known of groups go on where they became others by what was moved *at* this moment.

        A group became another if all its errors went there: that one is no new group then. It is also in
        the same state, or shown in the same group, if all that came to it agree in this and nobody
        has decided about it; but not resolved if it has errors of its own.
        """
        ...

    def undo_move(self) -> int:
        """Put the errors of the latest moment of `move` back to where they were, and states; how many."""
        ...
