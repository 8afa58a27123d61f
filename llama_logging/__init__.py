"""An error tracker that lives inside the process and heals.

Put it in a `logging.yaml` and leave the application as it is: every `logger.exception()` becomes an
ErrorContext, a durable registry entry and a recovery attempt. The names below are the public ones;
each is imported when it is first used, so that attaching costs little.

Under `run` it is there before pytest, which would warn that it cannot rewrite it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing` would cost a fifth of a start under `run`
if TYPE_CHECKING:
    from typing import Any

    from llama_logging.attachment.configuration import configure
    from llama_logging.capture.seen import error_id
    from llama_logging.capture.tagging import tagged
    from llama_logging.config.options import Options
    from llama_logging.context import ErrorContext, ErrorSeverity
    from llama_logging.exceptions import (
        ConfigError,
        ErrorNotFound,
        LlamaLoggingError,
        MissingExtraError,
        ReportError,
        StoreError,
    )
    from llama_logging.imperative import (
        AdvancedErrorHandler,
        attempt_recovery,
        capture_error,
        error_handler,
        get_error_summary,
        recovery_strategy,
        register_recovery_strategy,
    )
    from llama_logging.pipeline import flush
    from llama_logging.recovery.flags import flags
    from llama_logging.recovery.outcome import Outcome, outcome
    from llama_logging.recovery.retrying import attempts, guard
    from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
    from llama_logging.reporters.protocol import Reporter
    from llama_logging.reporters.report import Report
    from llama_logging.tried import OutcomeStatus, RecoveryAttempt

__version__ = "0.1.0"

__all__ = [
    "AdvancedErrorHandler",
    "ConfigError",
    "Deadline",
    "ErrorContext",
    "ErrorNotFound",
    "ErrorSeverity",
    "LlamaLoggingError",
    "MissingExtraError",
    "Options",
    "Outcome",
    "OutcomeStatus",
    "RecoveryAttempt",
    "Remedy",
    "Report",
    "ReportError",
    "Reporter",
    "StoreError",
    "Strategy",
    "attempt_recovery",
    "attempts",
    "capture_error",
    "configure",
    "error_handler",
    "error_id",
    "flags",
    "flush",
    "get_error_summary",
    "guard",
    "outcome",
    "recovery_strategy",
    "register_recovery_strategy",
    "tagged",
]

_HOME = {
    "attachment.configuration": ("configure",),
    "capture.seen": ("error_id",),
    "capture.tagging": ("tagged",),
    "config.options": ("Options",),
    "context": ("ErrorContext", "ErrorSeverity"),
    "exceptions": (
        "ConfigError",
        "ErrorNotFound",
        "LlamaLoggingError",
        "MissingExtraError",
        "ReportError",
        "StoreError",
    ),
    "imperative": (
        "AdvancedErrorHandler",
        "attempt_recovery",
        "capture_error",
        "error_handler",
        "get_error_summary",
        "recovery_strategy",
        "register_recovery_strategy",
    ),
    "pipeline": ("flush",),
    "recovery.flags": ("flags",),
    "recovery.outcome": ("Outcome", "outcome"),
    "recovery.retrying": ("attempts", "guard"),
    "recovery.strategy": ("Deadline", "Remedy", "Strategy"),
    "reporters.protocol": ("Reporter",),
    "reporters.report": ("Report",),
    "tried": ("OutcomeStatus", "RecoveryAttempt"),
}
_MODULES = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
