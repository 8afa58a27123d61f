"""What we put on a LogRecord, and what it can be asked without running any code of the application's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from llama_logging import plain

# Underscored: JSON formatters that print every attribute of a record leave these out.
CONTEXT = "_llama_logging_context"
"""Its ErrorContext; None if it is an error that was not captured yet."""
OUTCOME = "_llama_logging_outcome"
"""The outcome of its recovery, if one was asked for."""
SEEN = "_llama_logging_seen"
"""The identities of the handlers that have processed it."""
PROMISED = "_llama_logging_promised"
"""That it waits for its handler: whoever logged it has an outcome to ask already."""
MECHANISM = "_llama_logging_mechanism"
"""What was not logged came by that, and with such an additional context."""

_FRESH = logging.LogRecord("", 0, "", 0, "", None, None).__dict__
USUAL = frozenset(_FRESH) | {"message", "asctime", "taskName"}
"""The attributes that `logging` itself gives a record."""
LAST = next(reversed(_FRESH))
"""The one that it gives last."""

_EVENT = ("event", "message", "msg")
"""The keys under which data that is logged has its message: structlog's, python-json-logger's, and the usual one."""


def event_of(data: dict[Any, Any], otherwise: Callable[[dict[Any, Any]], Any]) -> Any:
    """What data that was logged says each time, else what *otherwise* makes of it; the rest of it is context."""
    for name in _EVENT:
        said = data.get(name)
        # No object of the application's is asked whether it is true.
        if said is not None and (type(said) is not str or said):
            return said
    return otherwise(data)


def has_arguments(record: logging.LogRecord) -> bool:
    """Whether the message has arguments to be put in."""
    # Not bool(): the arguments may be one foreign mapping.
    return record.args is not None and not (type(record.args) is tuple and len(record.args) == 0)


def is_quiet(record: logging.LogRecord) -> bool:
    """Whether its message can be made without running any code of the application's."""
    if type(record) is not logging.LogRecord or type(record.msg) is not str:
        return False
    if not has_arguments(record):
        return True
    arguments: Any = record.args.values() if type(record.args) is dict else record.args
    return plain.are_quiet(arguments)
