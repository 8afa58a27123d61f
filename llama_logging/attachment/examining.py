"""Whether an error would reach the registry, for every logger of a living process, and if not, why."""

from __future__ import annotations

import atexit
import json
import logging
import logging.handlers
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from llama_logging.filters import CaptureFilter
from llama_logging.handlers import RegistryHandler

PERIOD = 0.3
"""Seconds between two looks at the tree of a process."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of an error of one logger.

    Attributes:
        logger: Its name.
        reached: Whether the registry gets it, with its exception.
        why: What stops it; empty if nothing does.
        remedy: What to change.
        notes: What is worth knowing and does no harm.
    """

    logger: str
    reached: bool
    why: str = ""
    remedy: str = ""
    notes: tuple[str, ...] = ()


def examine() -> list[Finding]:
    """Follow an error through the tree of this process, from each of its loggers.

    Filters are asked, nothing is logged.
    """
    known = logging.root.manager.loggerDict
    loggers = [known[name] for name in sorted(known)]
    return [_examined(logger) for logger in [logging.root, *loggers] if isinstance(logger, logging.Logger)]


def begin(folder: str) -> None:
    """Write what `examine` finds to a file of this process in *folder*, now and then and at its end."""

    def write() -> None:
        findings = [asdict(finding) for finding in examine()]
        path = os.path.join(folder, f"{os.getpid()}.json")
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"pid": os.getpid(), "command": [str(word) for word in sys.argv], "loggers": findings}, file)
        os.replace(f"{path}.new", path)

    def watch() -> None:
        while not ended.wait(PERIOD):
            write()

    def start() -> None:
        threading.Thread(target=watch, name="llama_logging doctor", daemon=True).start()

    ended = threading.Event()
    atexit.register(write)
    atexit.register(ended.set)  # the last one registered is the first one called
    os.register_at_fork(after_in_child=start)
    start()


def _examined(logger: logging.Logger) -> Finding:
    stopped = _stopped(logger)
    hindered, notes, found = [], [], []
    for handler, holder in _handlers(logger):
        why, remedy = _hindrance(handler, holder)
        if isinstance(handler, RegistryHandler) and not why:
            found += [] if handler in found else [handler]
        elif why:
            hindered.append((why, remedy))
    if stopped:
        return Finding(logger.name, False, *stopped)
    if not found:
        return Finding(logger.name, False, *(hindered[0] if hindered else _missed(logger)))
    if len(found) > 1:
        notes.append(f"{len(found)} registry handlers get it; it is kept once for each store")
    if any(getattr(handler, "_closed", False) for handler in found):
        notes.append("its handler was closed, by dictConfig or logging.shutdown(), and works on")
    return Finding(logger.name, True, notes=tuple(notes))


def _stopped(logger: logging.Logger) -> tuple[str, str] | None:
    """What stops an error before any handler is asked."""
    if logger.disabled:
        return "the logger is disabled", "disable_existing_loggers: false, in each configuration that is loaded"
    if logger.manager.disable >= logging.ERROR:
        return f"logging.disable({logging.getLevelName(logger.manager.disable)}) is in force", "take it back"
    level = logger.getEffectiveLevel()
    if level > logging.ERROR:
        holder = logger
        while not holder.level and holder.parent is not None:
            holder = holder.parent
        return f"the level of {_named(holder)} is {logging.getLevelName(level)}", "ERROR or below"
    record = _record(logger.name)
    for one in logger.filters:
        if not _lets_through(one, record):
            return f"the logger's filter {_kind(one)} drops it", "a filter that lets errors through"
    return None


def _hindrance(handler: logging.Handler, holder: logging.Logger) -> tuple[str, str]:
    """Why a handler that leads to the registry does not; empty if it does, or never would."""
    place = f"at {_named(holder)}"
    if isinstance(handler, logging.handlers.QueueHandler):
        behind = getattr(getattr(handler, "listener", None), "handlers", ())
        if any(isinstance(one, RegistryHandler) for one in behind) and not _captures(handler):
            return (
                f"the registry is behind a QueueHandler {place}, which makes text of the exception",
                "the registry beside it, or a CaptureFilter on it",
            )
        return "", ""
    if not isinstance(handler, RegistryHandler):
        return "", ""
    if handler.level > logging.ERROR:
        return f"the level of the registry handler {place} is {logging.getLevelName(handler.level)}", "ERROR or below"
    for one in handler.filters:
        if not _lets_through(one, _record(holder.name)):
            return f"the filter {_kind(one)} of the registry handler {place} drops it", "let errors through"
    return "", ""


def _missed(logger: logging.Logger) -> tuple[str, str]:
    """Why no handler on the way is the registry's."""
    holder: logging.Logger | None = logger
    while holder is not None and holder.propagate:
        holder = holder.parent
    if holder is not None and holder.parent is not None:
        above: logging.Logger | None = holder.parent
        while above is not None:
            if any(isinstance(handler, RegistryHandler) for handler in above.handlers):
                return (
                    f"{_named(holder)} has propagate: false, and the registry is at {_named(above)}",
                    f"under `loggers`: {holder.name}: {{handlers: [registry]}}; or sticky: true",
                )
            above = above.parent
    if _made():
        return (
            "the registry handler was made, and is gone from the tree: it was configured anew",
            "sticky: true, or llama-logging run",
        )
    return "no registry handler is on its way", "a RegistryHandler at the root, or llama-logging run"


def _handlers(logger: logging.Logger) -> Iterator[tuple[logging.Handler, logging.Logger]]:
    holder: logging.Logger | None = logger
    while holder is not None:
        for handler in holder.handlers:
            yield handler, holder
            behind: Any = getattr(handler, "target", None)  # of a MemoryHandler
            if isinstance(behind, logging.Handler):
                yield behind, holder
            if isinstance(handler, logging.handlers.QueueHandler) and _captures(handler):
                for one in getattr(getattr(handler, "listener", None), "handlers", ()):
                    yield one, holder
        holder = holder.parent if holder.propagate else None


def _captures(handler: logging.Handler) -> bool:
    return any(isinstance(one, CaptureFilter) for one in handler.filters)


def _made() -> bool:
    import gc

    # by type(), for isinstance() also asks an object's own __class__, which may be anybody's code
    return any(issubclass(type(one), RegistryHandler) for one in gc.get_objects())


def _lets_through(one: Any, record: logging.LogRecord) -> bool:
    try:
        return bool((one.filter if hasattr(one, "filter") else one)(record))
    except Exception:
        return False


def _record(name: str) -> logging.LogRecord:
    error = RuntimeError("a question of llama-logging doctor")
    return logging.LogRecord(name, logging.ERROR, __file__, 0, str(error), None, (RuntimeError, error, None))


def _kind(one: Any) -> str:
    return getattr(one, "__qualname__", "") or type(one).__qualname__


def _named(logger: logging.Logger) -> str:
    return "the root" if logger.parent is None else repr(logger.name)
