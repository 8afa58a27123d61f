"""AdvancedErrorHandler and error_handler: the imperative face, over the same parts as the YAML."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from llama_logging.answers import summary
from llama_logging.capture.capturing import capture
from llama_logging.capture.unlogged import make_record
from llama_logging.config.mistakes import warn
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.formatters import ConsoleFormatter, JsonFormatter
from llama_logging.handlers import RegistryHandler, ReportHandler
from llama_logging.opening import open_registry
from llama_logging.recovery import active
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.strategy import REGISTERED, StrategyTable
from llama_logging.registry.origins import Origin
from llama_logging.tried import OutcomeStatus

F = TypeVar("F", bound=Callable[[ErrorContext], Any])


class AdvancedErrorHandler:
    """Captures errors by hand, recovers from them, and sums them up.

    A captured error goes to the registry, to *log_file* and *error_reporting_callback*, and through
    the application's own logging if it has any handlers; otherwise one line of it goes to standard
    error. Nothing is opened before the first error.

    Args:
        log_file: Path of a file that gets one JSON object per error; None for no file.
        error_reporting_callback: Called with each ErrorContext, on a thread of ours.
        store: Where the registry is kept; default `LLAMA_LOGGING_STORE`, else
            sqlite:///llama_logging.db in the folder of the first error.
    """

    def __init__(
        self,
        log_file: str | None = None,
        error_reporting_callback: Callable[[ErrorContext], object] | None = None,
        *,
        store: str | None = None,
    ) -> None:
        self._log_file = log_file
        self._callback = error_reporting_callback
        self._store = store
        self._strategies = StrategyTable(REGISTERED)

    def capture_error(
        self,
        error: BaseException | str,
        context: Mapping[str, Any] | None = None,
        severity: ErrorSeverity = ErrorSeverity.ERROR,
    ) -> ErrorContext:
        """Record *error*; it is durable when this returns.

        Args:
            error: An exception, also outside of its except block, or a message.
            context: Goes into `additional_context`.
            severity: How bad it is.
        """
        return self._capture(error, context, severity, _caller())

    def register_recovery_strategy(
        self, error_type: str | type[BaseException], recovery_func: Callable[[ErrorContext], Any]
    ) -> None:
        """Have *recovery_func* tried for errors of *error_type* and its subclasses.

        Args:
            error_type: The exception class or its name.
            recovery_func: Gets the ErrorContext; what it returns is the result, what it raises
                makes the attempt a failed one. May be a coroutine function.

        Raises:
            TypeError: If *error_type* or *recovery_func* is neither of these.
        """
        self._strategies.register(error_type, recovery_func)

    def attempt_recovery(self, error_context: ErrorContext) -> dict[str, Any]:
        """Try to recover from a captured error, and wait for the end, 30 seconds by default.

        A strategy registered here comes first, then the rules of the YAML and what else is
        registered. For an error whose recovery is under way already, its end is waited for.

        Returns:
            `{'success': True, 'result': ...}`, or `{'success': False, 'message': ...}`: the message
            tells "no recovery strategy for ..." from "the recovery failed: ...".
        """
        outcome = self._engine.dispatch(error_context)
        if outcome.status is OutcomeStatus.UNMATCHED:
            outcome = active.current().dispatch(error_context)
        outcome.wait()
        if outcome.status in (OutcomeStatus.RECOVERED, OutcomeStatus.FALLBACK):
            return {"success": True, "result": outcome.value}
        if outcome.status is OutcomeStatus.UNMATCHED:
            return {"success": False, "message": outcome.detail}
        said = {OutcomeStatus.FAILED: "the recovery failed", OutcomeStatus.OBSERVED: "the recovery only observed"}
        return {"success": False, "message": f"{said.get(outcome.status, outcome.status.value)}: {outcome.detail}"}

    def get_error_summary(
        self,
        since: datetime | None = None,
        severity_threshold: ErrorSeverity = ErrorSeverity.WARNING,
        *,
        service: str | None = None,
        environment: str | None = None,
    ) -> dict[str, Any]:
        """Sum up the errors of all processes that use the store, restarts included.

        Args:
            since: From this moment on; naive is local time, None is all time.
            severity_threshold: Leave out what is less severe.
            service, environment: Only what came from there.

        Returns:
            `total_errors` (int), `errors_by_severity` (name to count), `top_error_types` (name to
            count, most frequent first, ten at most) and `recent_errors` (the ten newest, each with
            error_id, timestamp, severity, error_type, error_message).

        Raises:
            StoreError: If the store cannot be read.
        """
        store = open_registry(self._registry.pipeline.url)
        try:
            store.origin = Origin(service, environment)
            return summary.summarise(store, since, severity_threshold).as_dict()
        finally:
            store.close()

    def _capture(
        self, error: object, context: Mapping[str, Any] | None, severity: ErrorSeverity, logger_name: str
    ) -> ErrorContext:
        record = make_record(
            error,
            logger_name=logger_name,
            severity=ErrorSeverity.parse(severity),
            mechanism="capture_error",
            additional_context=context,
        )
        captured = capture(record)
        assert captured is not None  # a record made by make_record always is
        for handler in self._handlers:
            _give(handler, record)
        logger = logging.getLogger(logger_name)
        if not logger.hasHandlers():
            _give(_console(), record)
        elif logger.isEnabledFor(record.levelno):
            logger.handle(record)
        return captured

    @functools.cached_property
    def _registry(self) -> RegistryHandler:
        return RegistryHandler(store=self._store)

    @functools.cached_property
    def _handlers(self) -> list[logging.Handler]:
        handlers: list[logging.Handler] = [self._registry]
        if self._callback is not None:
            handlers.append(ReportHandler(callback=self._callback))
        if self._log_file is not None:
            file = logging.FileHandler(self._log_file, encoding="utf-8", delay=True)
            file.setFormatter(JsonFormatter())
            handlers.append(file)
        return handlers

    @functools.cached_property
    def _engine(self) -> Engine:
        return Engine(audit=self._registry.pipeline.add_attempt, table=self._strategies)


error_handler = AdvancedErrorHandler()
"""One for those who need no other."""

attempt_recovery = error_handler.attempt_recovery
get_error_summary = error_handler.get_error_summary


def capture_error(
    error: BaseException | str,
    context: Mapping[str, Any] | None = None,
    severity: ErrorSeverity = ErrorSeverity.ERROR,
) -> ErrorContext:
    """Record *error* by hand; see AdvancedErrorHandler.capture_error."""
    return error_handler._capture(error, context, severity, _caller())


def register_recovery_strategy(
    error_type: str | type[BaseException], recovery_func: Callable[[ErrorContext], Any]
) -> None:
    """Have *recovery_func* tried for errors of *error_type*, by every RecoveryHandler of this process.

    Raises:
        TypeError: As for AdvancedErrorHandler.register_recovery_strategy.
    """
    REGISTERED.register(error_type, recovery_func)


def recovery_strategy(error_type: str | type[BaseException]) -> Callable[[F], F]:
    """Register the decorated function: `@recovery_strategy("AIGenerationError")`."""

    def register(function: F) -> F:
        REGISTERED.register(error_type, function)
        return function

    return register


@functools.cache
def _console() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(ConsoleFormatter())
    return handler


def _give(handler: logging.Handler, record: logging.LogRecord) -> None:
    try:
        handler.handle(record)
    except Exception as error:
        # FileHandler opens its file outside of its own handling of errors.
        warn(f"{type(handler).__name__} failed: {error}")


def _caller() -> str:
    name = sys._getframe(2).f_globals.get("__name__", "__main__")
    return name if isinstance(name, str) else "__main__"
