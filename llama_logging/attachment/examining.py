"""Whether an error would reach the registry, for every logger of a living process, and if not, why."""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from logging.handlers import QueueHandler

from llama_logging import tap
from llama_logging.attachment.following import RUN, Stop, Way, handed_over, kind, lets_through, ways_through
from llama_logging.attachment.living import Living, is_shared, remember_listeners
from llama_logging.handlers import RegistryHandler
from llama_logging.patterns import regex

PERIOD = 0.3
"""Seconds between two looks at the tree of a process."""

_ACCESS = ("gunicorn.access", "hypercorn.access", "uvicorn.access")  # a line for each request, and no error

_HELPERS = regex(
    r"-c (import sys; )?from [\w.]*(resource_tracker|forkserver) import main|(-m llama_logging|llama-logging) run\b"
)
"""How processes are started that run nothing of the application, or are still to become it."""

_NOT_TAKEN = ("the file of `run` has no registry handler for it", "there, under `root`: {handlers: [registry]}")
_PASSED_BY = (
    "what `run` installed in `logging` is gone: the module was reloaded, or Logger.handle was replaced",
    "leave `logging` as it is",
)


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


def examine(*, ending: bool = False) -> list[Finding]:
    """Follow an error through the tree of this process, from each of its loggers but those of access logs.

    Filters are asked, nothing is logged.

    Args:
        ending: Whether the process is at its end.
    """
    living = Living(ending=ending)
    return [_examined(logger, living) for logger in _loggers()]


def begin(folder: str) -> None:
    """Write what `examine` finds to a file of this process in *folder*, now and then and at its end.

    A process that runs nothing of the application writes nothing; those that are forked from it do.
    """

    def write() -> None:
        findings = [asdict(finding) for finding in examine(ending=ended.is_set())]
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
    remember_listeners()
    os.register_at_fork(after_in_child=start)
    if not _HELPERS.search(" ".join(sys.orig_argv)):
        atexit.register(write)
        atexit.register(ended.set)  # the last one registered is the first one called
        start()


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict
    below = [known[name] for name in sorted(known)]
    loggers = [logging.root, *(logger for logger in below if isinstance(logger, logging.Logger))]
    return [logger for logger in loggers if logger.name not in _ACCESS]


def _examined(logger: logging.Logger, living: Living) -> Finding:
    stop = _stopped(logger)
    # What settings stop, no filter is asked about.
    dropped = _swallowed(logger, "handle") or (None if stop else _dropped(logger))
    if dropped:
        return Finding(logger.name, False, *dropped)
    below = list(_ways_below(logger, living, stopped=stop is not None))
    stop = stop or _swallowed(logger, "callHandlers", RUN)
    ways = [*below, *(() if stop else _ways(_path(logger), logger.name, living))]
    found = list(dict.fromkeys(way.handler for way in ways if way.stop is None))
    if not found:
        stops = [one for one in (*(way.stop for way in ways), stop) if one is not None]
        if tap.is_open() and not below:
            stops.insert(0, _PASSED_BY if tap.is_passed_by(logger) else _NOT_TAKEN)
        return Finding(logger.name, False, *stops[0]) if stops else _unfound(logger, living)
    notes = list(dict.fromkeys(way.note for way in ways if way.stop is None and way.note))
    if len(found) > 1:
        notes.append(f"{len(found)} registry handlers get it; it is kept once for each store")
    return Finding(logger.name, True, notes=tuple(notes))


def _stopped(logger: logging.Logger) -> Stop | None:
    """What stops an error before any handler is asked."""
    if logger.disabled:
        return "the logger is disabled", f"disable_existing_loggers: false, in each configuration that is loaded, {RUN}"
    if logger.manager.disable >= logging.ERROR:
        return f"logging.disable({logging.getLevelName(logger.manager.disable)}) is in force", f"take it back, {RUN}"
    level = logger.getEffectiveLevel()
    if level > logging.ERROR:
        holder = logger
        while not holder.level and holder.parent is not None:
            holder = holder.parent
        return f"the level of {_named(holder)} is {logging.getLevelName(level)}", f"ERROR or below, {RUN}"
    return None


def _dropped(logger: logging.Logger) -> Stop | None:
    """What the logger itself drops an error by: that is deliberate, and `run` respects it."""
    record = _record(logger.name)
    for one in logger.filters:
        if not lets_through(one, record):
            return f"the logger's filter {kind(one)} drops it", "a filter that lets errors through"
    return None


def _swallowed(logger: logging.Logger, name: str, *more: str) -> Stop | None:
    """What the logger's method *name* is, if it calls nothing at all; of one that does, nothing is known."""
    method = getattr(logger, name)
    function = getattr(method, "__func__", method)
    code = getattr(function, "__code__", None)
    if code is None or code.co_names or code.co_freevars:
        return None
    why = f"{kind(function)}, which is the logger's {name}, does not pass it on"
    return why, ", ".join(("make it call what it replaces", *more))


def _ways_below(logger: logging.Logger, living: Living, *, stopped: bool) -> Iterator[Way]:
    """The ways of `run`, and of handlers that are sticky, which are none of the tree's.

    Args:
        logger: Where the error comes from.
        living: What there is beside the tree.
        stopped: Whether the tree's settings stop it.
    """
    for sink in () if tap.is_passed_by(logger) else tap.sinks():
        # What keeps errors is made by `run` at once; nothing else is made for a question.
        handler = sink.made if sink.see_through else sink.handler
        if handler is not None and sink.is_for(logger.name) and (sink.see_through or not stopped):
            place = "of `run`" if sink.see_through else "that is sticky"
            yield from ways_through(handler, place, _record(logger.name), living)


def _ways(holders: list[logging.Logger], name: str, living: Living) -> Iterator[Way]:
    for holder in holders:
        for handler in holder.handlers:
            yield from ways_through(handler, f"at {_named(holder)}", _record(name), living)


def _path(logger: logging.Logger) -> list[logging.Logger]:
    """*logger* and those above it that get its errors."""
    path = [logger]
    while path[-1].propagate and path[-1].parent is not None:
        path.append(path[-1].parent)
    return path


def _unfound(logger: logging.Logger, living: Living) -> Finding:
    """What becomes of an error where no handler on the way leads to the registry."""
    for holder in _path(logger):
        for handler in holder.handlers:
            if isinstance(handler, QueueHandler) and not living.listeners(handler):
                place = f"at {_named(holder)}"
                if is_shared(handler):
                    return Finding(logger.name, True, notes=(handed_over(place),))
                why = f"the QueueHandler {place} puts it into a queue, and no QueueListener here reads that"
                return Finding(logger.name, False, why, f"a QueueListener with the registry behind it, {RUN}")
    return Finding(logger.name, False, *_missed(logger, living))


def _missed(logger: logging.Logger, living: Living) -> Stop:
    """Why no handler on the way leads to the registry."""
    last = _path(logger)[-1]
    above = last.parent
    while above is not None:
        if any(isinstance(handler, RegistryHandler) for handler in above.handlers):
            return (
                f"{_named(last)} has propagate: false, and the registry is at {_named(above)}",
                f"under `loggers`: {last.name}: {{handlers: [registry]}}; sticky: true, {RUN}",
            )
        above = above.parent
    if living.has_more_than(way.handler for way in _ways(_loggers(), logger.name, living)):
        return "a registry handler was created, but is attached to no logger on the way", f"sticky: true, {RUN}"
    cut = f"{_named(last)} has propagate: false, and " if last.parent is not None else ""
    return f"{cut}no registry handler is on its way", f"a RegistryHandler at {_named(last)}, {RUN}"


def _record(name: str) -> logging.LogRecord:
    error = RuntimeError("a question of llama-logging doctor")
    return logging.LogRecord(name, logging.ERROR, __file__, 0, str(error), None, (RuntimeError, error, None))


def _named(logger: logging.Logger) -> str:
    return "the root" if logger.parent is None else repr(logger.name)
