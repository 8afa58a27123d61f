"""The ways of an error through handlers to the registry, and what stops it on them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from logging.handlers import QueueHandler
from typing import Any

from llama_logging.attachment.living import Living, is_shared
from llama_logging.filters import CaptureFilter
from llama_logging.handlers import RegistryHandler

RUN = "or llama-logging run"

Stop = tuple[str, str]
"""What stops an error, and what to change."""


@dataclass(frozen=True, slots=True)
class Way:
    """One that leads to *handler*, unless there is something to *stop* an error; *note* does no harm."""

    handler: RegistryHandler
    stop: Stop | None = None
    note: str = ""


def ways_through(
    handler: logging.Handler, place: str, record: logging.LogRecord, living: Living, *, leveled: bool = True
) -> Iterator[Way]:
    """The ways to registry handlers that *handler* is, or hands *record* on to.

    Args:
        handler: One of the tree, or of those behind it.
        place: Where it is, in words.
        record: The error.
        living: What there is beside the tree.
        leveled: Whether its level is asked: what stands behind another handler is often handed all.
    """
    if isinstance(handler, RegistryHandler):
        yield Way(handler, _held(handler, f"registry handler {place}", record, leveled=leveled))
        return
    for way in _behind(handler, place, record, living):
        stop = _held(handler, f"{kind(handler)} {place}", record, leveled=leveled)
        yield replace(way, stop=stop or way.stop)


def handed_over(place: str) -> str:
    """What is known of an error that a QueueHandler at *place* gives to another process."""
    return (
        f"the QueueHandler {place} hands it to another process, if one reads its queue: see what that does with its own"
    )


def lets_through(one: Any, record: logging.LogRecord) -> bool:
    """Whether the filter *one* lets *record* pass."""
    try:
        return isinstance(one, CaptureFilter) or bool((one.filter if hasattr(one, "filter") else one)(record))
    except Exception:
        return False


def kind(one: Any) -> str:
    """What *one* is called, or its class."""
    return getattr(one, "__qualname__", "") or type(one).__qualname__


def _behind(handler: logging.Handler, place: str, record: logging.LogRecord, living: Living) -> Iterator[Way]:
    target = getattr(handler, "target", None)  # of a MemoryHandler
    if isinstance(target, logging.Handler):
        yield from ways_through(target, place, record, living, leveled=False)
    if not isinstance(handler, QueueHandler):
        return
    name = f"the QueueHandler {place}"
    for listener in living.listeners(handler):
        ended, note = None, _made_of_the_exception(handler, name)
        if not living.runs(listener):
            ended = f"the listener of {name} does not run in this process", f"start() it here, {RUN}"
        if ended and is_shared(handler):
            ended, note = None, handed_over(place)
        for one in listener.handlers:
            for way in ways_through(one, f"behind {name}", record, living, leveled=listener.respect_handler_level):
                yield replace(way, stop=ended or way.stop, note=way.note or note)


def _made_of_the_exception(handler: QueueHandler, name: str) -> str:
    captured = any(isinstance(one, CaptureFilter) for one in handler.filters)
    if captured or type(handler).prepare is not QueueHandler.prepare:
        return ""
    return f"{name} makes text of the exception, which is read back; a CaptureFilter on it keeps all"


def _held(handler: logging.Handler, name: str, record: logging.LogRecord, *, leveled: bool) -> Stop | None:
    """What stops an error in *handler* itself."""
    if leveled and handler.level > logging.ERROR:
        return f"the level of the {name} is {logging.getLevelName(handler.level)}", "ERROR or below"
    for one in handler.filters:
        if not lets_through(one, record):
            return f"the filter {kind(one)} of the {name} drops it", "let errors through"
    return None
