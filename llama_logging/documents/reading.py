"""Errors from elsewhere, whichever of the forms that are known they have."""

from __future__ import annotations

from llama_logging.context import ErrorContext
from llama_logging.documents import exports, sentry
from llama_logging.exceptions import ConfigError


def context_of(document: object) -> ErrorContext:
    """The error that *document* tells of: one that `llama-logging export` wrote, or an event as Sentry has it.

    What comes from elsewhere is bounded and redacted as what is captured here.

    Raises:
        ConfigError: If it is neither.
    """
    try:
        if isinstance(document, dict) and "error_id" in document:
            return exports.read(document)
        if isinstance(document, dict) and any(name in document for name in sentry.SIGNS):
            return sentry.read(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(f"not an error: {type(error).__name__}: {error}") from error
    raise ConfigError("not an error: expected a line of `llama-logging export` or an event of Sentry's format")
