"""What a record says: its data, its message, the names it has; without secrets."""

from __future__ import annotations

import contextlib
import logging
from json import dumps, loads
from typing import Any

from llama_logging import plain
from llama_logging.capture.records import CONTEXT, MECHANISM, OUTCOME, SEEN, USUAL, event_of, has_arguments
from llama_logging.redaction import clean, clean_data, message_of
from llama_logging.redaction.own import on_more

_STANDARD = USUAL | {CONTEXT, OUTCOME, SEEN, "error_context"}  # the last by our filter
_LONGEST_JSON = 65_536
_SHORT = 200
_KNOWN_CONSTANTS = 2_048
_constants: dict[str, str] = {}


def data_of(record: logging.LogRecord) -> Any:
    """What was logged: its data, also where JSON was made of them, as structlog's JSONRenderer does."""
    said = record.msg
    if type(said) is str and said[:1] == "{" and said[-1:] == "}" and len(said) <= _LONGEST_JSON:
        with contextlib.suppress(ValueError, RecursionError):
            data = loads(said) if not has_arguments(record) else {}
            if type(event_of(data, lambda _: None)) is str:
                return data
    return said


def text_of(record: logging.LogRecord, data: Any) -> str:
    """The message, in which the arguments stand."""
    try:
        if type(data) is dict:  # structlog, and others that log data
            return clean(str(event_of(data, clean_data)))
        if type(data) is str and type(record) is logging.LogRecord and not has_arguments(record):
            return constant(data)
        return clean(message_of(record) if type(record.args) is dict else record.getMessage())
    except KeyboardInterrupt:
        raise  # somebody's wish; what can be told of the error without its message is kept already
    except BaseException as error:
        # Arguments that do not fit, a __str__ that raises: the template is still worth keeping.
        template = plain.plain(record.msg, plain.FLAT)
        return clean(f"{template} [arguments not formatted: {type(error).__name__}]")


def early_text_of(record: logging.LogRecord, data: Any) -> str:
    """The message as far as it goes without running any code of the application's."""
    template = clean_data(data)
    said = template if type(template) is str else plain.text(dumps(template))
    if not has_arguments(record):
        return said
    if type(record.msg) is str:
        arguments = clean_data(record.args)
        # Put in their places, not beside: "password=%s" says what an argument is.
        with contextlib.suppress(Exception):
            return clean(record.msg % (tuple(arguments) if type(arguments) is list else arguments))
    return plain.text(f"{said} [arguments not formatted]")


def beside(record: logging.LogRecord, data: Any) -> tuple[str, dict[str, Any]]:
    """The mechanism by which *record* has come, and what it says besides its message."""
    attributes = record.__dict__
    if MECHANISM in attributes:
        mechanism, given = attributes[MECHANISM]
        return mechanism, dict(given)
    extra: dict[str, Any] = {}
    if not _STANDARD.issuperset(attributes):
        extra = {key: value for key, value in attributes.items() if key not in _STANDARD and not key.startswith("_")}
    if type(data) is dict:
        extra = {**{key: value for key, value in data.items() if key != "event"}, **extra}
    return "logging", extra


def name_of(value: Any) -> str:
    """A name of a logger, thread, task or function: short text, whatever it is."""
    if type(value) is str and len(value) <= 200:
        return _constants.get(value) or constant(value)
    return "" if value is None else clean(str(plain.plain(value, plain.FLAT)), 200)


def constant(message: str) -> str:
    """A message without arguments, or a name: most are literals, the same objects each time."""
    constants = _constants
    known = constants.get(message)
    if known is None:
        known = clean(message)
        if len(message) < _SHORT:
            if len(constants) >= _KNOWN_CONSTANTS:
                constants.clear()
            constants[message] = known
    return known


@on_more
def _forget() -> None:
    global _constants
    _constants = {}
