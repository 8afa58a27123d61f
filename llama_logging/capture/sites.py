"""Errors that were not raised anywhere: where the logging call stands, and what it says each time."""

from __future__ import annotations

import logging
from typing import Any

from llama_logging import plain
from llama_logging.capture import fingerprint, messages
from llama_logging.capture.records import event_of, has_arguments
from llama_logging.context import Stack
from llama_logging.frozen import replace
from llama_logging.redaction import redact
from llama_logging.redaction.own import on_more

NO_EXCEPTION = "LogMessage"
"""The error_type of a record that has no exception."""

_KNOWN_SITES = 4_096
_sites: dict[tuple[Any, ...], Stack] = {}
_placed: dict[tuple[Any, ...], tuple[Stack, Stack]] = {}
"""A stack, held so that no other can get its id, and the same at a site."""


def stack_of(record: logging.LogRecord, data: Any, logger_name: str, message: str) -> Stack:
    """The stack of a record without exception: where the logging call stands, and what it says each time."""
    sites, rendered = _sites, not has_arguments(record)
    said = event_of(data, lambda _: message) if type(data) is dict else data
    if not rendered and type(said) is str and fingerprint.is_wordless(said):
        # `"%s: %s"` would be one group for a whole logger. As far as no code of the application's is run, for the
        # error that is kept before that.
        said, rendered = messages.early_text_of(record, data), True
    grouping = fingerprint.of_message(logger_name, redact(str(plain.plain(said, plain.FLAT))), rendered=rendered)
    line = record.lineno if type(record.lineno) is int else 0
    file = messages.name_of(record.pathname)
    place = (file, line, *grouping)
    known = sites.get(place)
    if known is None:
        if len(sites) >= _KNOWN_SITES:
            sites.clear()
        known = sites[place] = Stack(
            error_type=NO_EXCEPTION,
            module=messages.name_of(record.module),
            function=messages.name_of(record.funcName),
            file=file,
            line=line,
            grouping=grouping,
            fingerprint=fingerprint.fingerprint(grouping),
        )
    return known


def was_raised(stack: Stack) -> bool:
    """Whether its exceptions tell of any call: one that was made and never raised, or lost its traceback, does not."""
    return any(exception.frames for exception in stack.exceptions)


def placed(stack: Stack, site: Stack) -> Stack:
    """*stack*, of exceptions that were never raised, at the *site* of the logging call, and grouped by it as well."""
    key = id(stack), site.grouping, site.module, site.function, site.file, site.line
    known = _placed.get(key)
    if known is None:
        if len(_placed) >= _KNOWN_SITES:
            _placed.clear()
        grouping = (*stack.grouping, *site.grouping)
        place = {name: getattr(site, name) for name in ("module", "function", "file", "line")}
        at_site = replace(stack, **place, grouping=grouping, fingerprint=fingerprint.fingerprint(grouping))
        known = _placed[key] = stack, at_site
    return known[1]


@on_more
def _forget() -> None:
    global _sites
    _sites = {}
