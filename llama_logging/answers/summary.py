"""Questions to a store; the answers are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.registry import Store
from llama_logging.registry.upkeep import Incident

RECENT = 10
TOP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """What happened: totals, by severity, the most frequent types (first), the newest errors (first).

    Attributes:
        incidents: What went wrong with the registry itself; then the rest may not be all.
    """

    total_errors: int
    errors_by_severity: Mapping[ErrorSeverity, int]
    top_error_types: Mapping[str, int]
    recent_errors: tuple[ErrorContext, ...]
    incidents: tuple[Incident, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The mission's form: plain dicts and lists, severities by name, timestamps aware UTC."""
        return {
            "total_errors": self.total_errors,
            "errors_by_severity": {severity.name: n for severity, n in self.errors_by_severity.items()},
            "top_error_types": dict(self.top_error_types),
            "recent_errors": [
                {
                    "error_id": error.error_id,
                    "timestamp": error.timestamp,
                    "severity": error.severity.name,
                    "error_type": error.error_type,
                    "error_message": error.error_message,
                }
                for error in self.recent_errors
            ],
            **({"incidents": [asdict(incident) for incident in self.incidents]} if self.incidents else {}),
        }


def summarise(
    store: Store, since: datetime | None = None, at_least: ErrorSeverity = ErrorSeverity.WARNING
) -> ErrorSummary:
    """Summarise the errors in *store*.

    Args:
        since: Count from this moment on; naive is local time, None is all time.
        at_least: Leave out what is less severe.

    Raises:
        StoreError: If the store cannot be read.
    """
    counts = store.counts(since, at_least, TOP)
    return ErrorSummary(
        total_errors=sum(counts.by_severity.values()),
        errors_by_severity=counts.by_severity,
        top_error_types=counts.by_type,
        recent_errors=tuple(store.errors(since=since, at_least=at_least, limit=RECENT)),
        incidents=tuple(store.incidents()),
    )
