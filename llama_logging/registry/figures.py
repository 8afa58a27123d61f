"""What pages show of a registry, and the port through which it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from llama_logging.context import ErrorContext, ErrorSeverity, from_microseconds, to_microseconds
from llama_logging.registry import Store
from llama_logging.registry.groups import GroupState
from llama_logging.registry.upkeep import Gap
from llama_logging.tried import OutcomeStatus


@dataclass(frozen=True, slots=True)
class Steps:
    """Equal parts of a time, one after another.

    Attributes:
        minutes: How long each is; a day is 1440, and begins at midnight UTC.
        first: Which is the first, counted from the epoch.
        count: How many.
    """

    minutes: int
    first: int
    count: int

    @classmethod
    def ending(cls, moment: datetime, minutes: int, count: int) -> Self:
        """So many, *moment* in the last of them.

        >>> Steps.ending(from_microseconds(19_800_000_000), 60, 3)
        Steps(minutes=60, first=3, count=3)
        """
        last = to_microseconds(moment) // 60_000_000 // minutes
        return cls(minutes, last - count + 1, count)

    @property
    def moments(self) -> tuple[datetime, ...]:
        """When each begins."""
        return tuple(
            from_microseconds((self.first + number) * self.minutes * 60_000_000) for number in range(self.count)
        )

    @property
    def twice(self) -> Steps:
        """As many just before, and these."""
        return Steps(self.minutes, self.first - self.count, 2 * self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What errors of a group have in their tags, and where they ran.

    Attributes:
        sample: How many errors were looked at, the newest.
        values: For each tag its values with their counts, the most frequent first.
    """

    sample: int
    values: Mapping[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoveries:
    """What recovery did in a time.

    Attributes:
        counts: Attempts by how they ended.
        seconds: From the error to the end of the attempt that healed it; the median of the latest hundred.
            None if none did.
    """

    counts: Mapping[OutcomeStatus, int]
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How the registry is, as far as can be told at a glance; `Health` has counted.

    Attributes:
        version: Of its tables.
        errors: Of all times, exactly.
        kept_at_most: No more errors than these have their details.
        size_bytes: On the disk.
        newest: When the latest error happened; None if there is none.
        unindexed: Errors whose words a search has still to index.
        damaged: Frames that did not pass their checksum, or were not what they should be.
        missing: Frames that were written and never arrived.
        gaps: Of which processes; the latest of them.
    """

    version: int
    errors: int
    kept_at_most: int
    groups: int
    size_bytes: int
    newest: datetime | None
    unindexed: int
    damaged: int
    missing: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """How far a journal is in the registry.

    Attributes:
        offset: In bytes.
        process: Who wrote it, as JSON-able data.
    """

    name: str
    offset: int
    damaged: int
    process: Mapping[str, Any]


class Figures(Store, Protocol):
    """A Store that knows what pages show; the cost of an answer does not grow with the number of errors."""

    def errors_beside(self, error_id: str, *, later: bool = False, limit: int = 1) -> list[ErrorContext]:
        """Errors of its group that came before an error, or *later*, the nearest first; none if it is not there."""
        ...

    def first_error(self, fingerprint: str) -> ErrorContext | None:
        """The oldest error of a group whose details are kept."""
        ...

    def fingerprint_of(self, prefix: str) -> str:
        """The one fingerprint that begins with *prefix*, or whose newest error's id does.

        *prefix* may leave out the version of the fingerprint.

        Raises:
            ErrorNotFound: If there is none, or more than one.
        """
        ...

    def states(self) -> dict[GroupState, int]:
        """How many groups are in each state."""
        ...

    def activity(self, fingerprints: Sequence[str], steps: Steps) -> dict[str, tuple[int, ...]]:
        """How many errors of each group there were in each step."""
        ...

    def timeline(self, steps: Steps) -> dict[ErrorSeverity, tuple[int, ...]]:
        """How many errors there were in each step, the worst severity first; only of those that there were."""
        ...

    def facets(self, fingerprint: str, sample: int = 300) -> Facets:
        """What the newest errors of a group have in their tags."""
        ...

    def changed(self, since: datetime, until: datetime) -> dict[str, int]:
        """How many groups became what in a time: `new`, `regressed` and the other kinds of Change."""
        ...

    def recoveries(self, since: datetime, until: datetime) -> Recoveries:
        """What recovery did in a time."""
        ...

    def vitals(self) -> Vitals:
        """How the registry is, at the same cost at any size."""
        ...

    def journals(self) -> list[JournalState]:
        """Journals that are not wholly in the registry and gone; at most a hundred, the latest first."""
        ...

    def pulse(self) -> str:
        """A text that is another one once anything has come in, or was decided."""
        ...
