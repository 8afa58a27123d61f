"""One failure, followed through all services that share a registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llama_logging.context import ErrorContext, Process
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry import Store
from llama_logging.tried import RecoveryAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedError:
    """An error of a trace.

    Attributes:
        service: That it happened in; the program's name, without its folder, where it says none.
        after: Seconds since the first error of the trace, by the clocks of their machines.
        attempts: What recovery did, oldest first.
    """

    error: ErrorContext
    service: str
    after: float
    attempts: Sequence[RecoveryAttempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The errors of one trace, in the order in which they happened: a cause before what it led to."""

    trace_id: str
    errors: tuple[TracedError, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """The services that failed, the first one first."""
        return tuple(dict.fromkeys(traced.service for traced in self.errors))


def follow(store: Store, trace_id: str, limit: int = 1000) -> Trace:
    """What *store* has of a trace: at most *limit* errors, the first.

    Raises:
        ErrorNotFound: If there is no error of it.
        StoreError: If the store cannot be read.
    """
    errors = store.errors_of_trace(trace_id, limit)
    if not errors:
        raise ErrorNotFound(f"no error belongs to the trace {trace_id!r} in {store.url}")
    attempts = store.attempts_of([error.error_id for error in errors])
    return Trace(
        trace_id=errors[0].trace_id,
        errors=tuple(
            TracedError(
                error=error,
                service=_service(error.process),
                after=(error.timestamp - errors[0].timestamp).total_seconds(),
                attempts=attempts.get(error.error_id, ()),
            )
            for error in errors
        ),
    )


def _service(process: Process | None) -> str:
    return (process.service or process.program.rpartition("/")[2]) if process is not None else ""
