"""Questions about errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from llama_logging.context import ErrorContext, ErrorSeverity, Sighting

_BATCH = 500
"""So many errors are asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many errors there were, exactly.

    Attributes:
        by_severity: The worst first.
        by_type: Of the most frequent types, the most frequent first.
    """

    by_severity: Mapping[ErrorSeverity, int]
    by_type: Mapping[str, int]


class Errors(Protocol):
    """Part of `registry.Store`."""

    def counts(self, since: datetime | None, at_least: ErrorSeverity, types: int) -> Counts:
        """How many errors there were, at most so many types named; *since* None for all time."""
        ...

    def count_by_severity(self, since: datetime | None, at_least: ErrorSeverity) -> dict[ErrorSeverity, int]:
        """`counts` of severities alone."""
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
        """Errors in order of arrival after *position*, and the position to go on from; -1 gives the end.

        It is the same position once there are no more; of one origin there may be none in between.
        """
        ...

    def find(self, id_prefix: str) -> ErrorContext:
        """The error whose id begins with *id_prefix*; of several of one group, the newest.

        Raises:
            ErrorNotFound: If there is none, or there are some of several groups.
        """
        ...

    def errors_of_trace(self, trace_id: str, limit: int = 1000) -> list[ErrorContext]:
        """Errors of one trace, of all services that share the registry, in the order in which they happened."""
        ...

    def sightings(self, error_id: str) -> list[Sighting]:
        """Who else logged the error, oldest first."""
        ...

    def index_words(self) -> bool:
        """Index the words of some thousand errors, so that a search has less to do; whether there may be more."""
        ...


def errors_of(store: Errors) -> Iterator[ErrorContext]:
    """All errors whose details are kept, in the order in which they came."""
    position = 0
    while True:
        before = position
        position, errors = store.errors_after(before, _BATCH)
        if position == before:
            return
        yield from errors
