"""How the registry itself is, and what keeps it well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from llama_logging.context import ErrorSeverity
from llama_logging.registry.origins import Origin
from llama_logging.retention import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkept:
    """Errors of one group, minute and origin whose details are not there any more.

    Attributes:
        severity: The worst of the group.
    """

    fingerprint: str
    error_type: str
    severity: ErrorSeverity
    minute: datetime
    count: int
    origin: Origin


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


class Upkeep(Protocol):
    """Part of `registry.Store`."""

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        """Drop the details of at most *limit* errors that *retention* has no room for; how many.

        The least telling go first: repeats without breadcrumbs, locals or context, the oldest of them.
        The first and the newest of a group, and those that a recovery was tried for, go last. Every
        count stays. Only in a registry that is too large groups of which nothing but the count is left, and
        about which nobody has decided, go before all of these; the totals stay. Call it again until it gives 0.

        Each time an hour more than five weeks ago is counted more roughly: by the day for a group, in all by the hour.
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

    def tallies(self) -> dict[tuple[str, datetime, Origin], int]:
        """How many errors of each fingerprint came in each minute, or day (see `prune`), from each origin."""
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
