"""A tap below the tree of loggers: what is logged is seen, whatever becomes of handlers, levels and propagation.

Handlers that hang in the tree are lost when the application configures logging once more, clears
the handlers of a logger by hand, or cuts it off from the root. The tap sits where every record
passes, in `Logger.handle`, and touches nothing: the application's own handlers come first, and what
they write stays as it was. No frame is added while `logging` looks for the caller, so file and line
are right.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import Any

from llama_logging.config.mistakes import warn

LEVEL = logging.ERROR
"""From this level on a sink that sees through gets records that the application's own settings stop."""

_DEEPEST = 3
_HANDED_OVER = 1_000
_CALLERS = 4
_RELAYED_WITHIN = 8

_enabled = logging.Logger.isEnabledFor
_handle = logging.Logger.handle
_SOURCE = _handle.__code__.co_filename
_CALLS = {getattr(logging.Logger, name).__code__ for name in ("debug", "info", "warning", "error", "critical", "log")}
_logging = vars(logging)


class Sink:
    """Takes records from the tap to one handler that hangs in no tree.

    Args:
        make: Makes the handler, when the first record comes.
        below: Names of loggers; records of these and of those below them are taken, "" is all.
        see_through: Also take what the application's levels, `disabled` and `logging.disable()` stop.
        notes: Whether the handler wants to see what is no error, too.
    """

    def __init__(
        self,
        make: Callable[[], logging.Handler],
        *,
        below: tuple[str, ...] = ("",),
        see_through: bool = True,
        notes: bool = False,
    ) -> None:
        self._make, self._below = make, None if "" in below else below
        self._handler: logging.Handler | None = None
        self.see_through, self.notes = see_through, notes

    @property
    def made(self) -> logging.Handler | None:
        """The handler, if it was made already."""
        return self._handler

    @property
    def handler(self) -> logging.Handler:
        """The handler, made when it is first asked for."""
        if self._handler is None:
            made = unlisted(self._make) if self.see_through else self._make()
            # No lock: what is logged meanwhile would wait for itself. Of two threads one wins.
            self._handler = self._handler or made
        return self._handler

    def is_for(self, name: str) -> bool:
        """Whether it takes what the logger *name* emits."""
        return self._below is None or any(f"{name}.".startswith(f"{above}.") for above in self._below)

    def take(self, record: logging.LogRecord) -> None:
        """Hand *record* over, if it is one for this sink."""
        if self._below is None or self.is_for(record.name):
            self.hand_over(record)

    def hand_over(self, record: logging.LogRecord) -> None:
        """Let the handler have *record*."""
        handler = self.handler
        if record.levelno >= handler.level:
            getattr(handler, "handle_once", handler.handle)(record)

    def settle(self, deadline: float) -> None:
        """Wait until the handler has what was handed over; at most until *deadline* on the monotonic clock."""


RELAYS: set[str] = set()
"""Modules that have a tap of their own: an error they hand on to `logging` was seen there."""


# Of a thread, or of a greenlet, where a host has put these in the place of threads.
_depth: ContextVar[int] = ContextVar("llama_logging_tap_depth", default=0)
# A list that is emptied afterwards: a task that a handler has begun keeps a copy of the context.
_at_work: ContextVar[list[bool] | None] = ContextVar("llama_logging_tap_at_work", default=None)
_sinks: tuple[Sink, ...] = ()
_notes = False
_sticking: dict[str, Sink] = {}
_handed_over: dict[tuple[Any, ...], weakref.ref[logging.LogRecord]] = {}
_children: set[int] = set()


def add(sink: Sink) -> None:
    """Let *sink* have what is logged from now on."""
    _use((*_sinks, sink))


def remove(sink: Sink) -> None:
    """End what `add` began; with the last sink the tap is gone."""
    _use(tuple(known for known in _sinks if known is not sink))


def sinks() -> tuple[Sink, ...]:
    """Those that have what is logged."""
    return _sinks


def is_open() -> bool:
    """Whether anybody sees through: then a record reaches its handlers whatever the loggers' settings are."""
    return any(sink.see_through for sink in _sinks)


def stick(handler: logging.Handler, name: str, *, notes: bool = False) -> None:
    """Let *handler* have every record that a logger emits; levels and filters decide as ever.

    Args:
        handler: One that hangs in the tree, maybe for a while only.
        name: Of several with one name the last counts: they are of one configuration that was read again.
        notes: Whether it wants to see what is no error, too.
    """
    known = _sticking.get(name)
    sink = _sticking[name] = Sink(lambda: handler, see_through=False, notes=notes)
    _use((*(other for other in _sinks if other is not known), sink))


def settle(timeout: float) -> None:
    """Wait until every handler has what was logged, *timeout* seconds at most."""
    deadline = time.monotonic() + timeout
    for sink in _sinks:
        sink.settle(deadline)


def is_passed_by(logger: logging.Logger) -> bool:
    """Whether what *logger* handles does not come here: somebody has put the stock `Logger.handle` back."""
    function = getattr(logger.handle, "__func__", None)
    return function is not handle and getattr(function, "__code__", None) == _handle.__code__


def takes_notes() -> bool:
    """Whether anybody wants to see what is no error."""
    return _notes


def is_at_work() -> bool:
    """Whether this thread is in the application's handlers for a record that the tap will take after them."""
    return bool(_at_work.get())


def would_emit(logger: logging.Logger, level: int) -> bool:
    """`Logger.isEnabledFor` as it was."""
    return _enabled(logger, level)


def dispatch(record: logging.LogRecord, *, stopped: bool = False) -> None:
    """Give *record* to every sink; a failure of one is a line on standard error and nothing else.

    Args:
        record: What was logged.
        stopped: Whether the application's own settings have stopped it.
    """
    # What a __str__ logs while its exception is captured is captured too, but not without end.
    depth = _depth.get()
    if depth >= _DEEPEST:
        return
    token = _depth.set(depth + 1)
    try:
        for sink in _sinks:
            if sink.see_through or not stopped:
                try:
                    sink.take(record)
                except Exception as error:
                    warn(f"an error was not kept: {type(error).__name__}: {error}")
    finally:
        _depth.reset(token)


def unlisted(make: Callable[[], logging.Handler]) -> logging.Handler:
    """A new handler that `logging` does not know of: dictConfig and shutdown close all they know."""
    handler = make()
    logging._handlers.pop(handler.name, None)  # type: ignore[attr-defined]
    listed = logging._handlerList  # type: ignore[attr-defined]
    # In place and one by one: another thread may add one meanwhile.
    for reference in [reference for reference in listed if reference() is handler]:
        listed.remove(reference)
    return handler


def _use(sinks: tuple[Sink, ...]) -> None:
    global _sinks, _notes
    _sinks, _notes = sinks, any(sink.notes for sink in sinks)
    _replace("handle", handle, _handle, wanted=bool(sinks))
    _replace("isEnabledFor", is_enabled_for, _enabled, wanted=is_open())


def _replace(name: str, ours: Any, original: Any, *, wanted: bool) -> None:
    """Put *ours* in the place of *original*, or back; what somebody else has put there meanwhile stays."""
    if getattr(logging.Logger, name) is (original if wanted else ours):
        setattr(logging.Logger, name, ours if wanted else original)


def is_enabled_for(self: logging.Logger, level: int) -> bool:
    """`Logger.isEnabledFor`, from ERROR on always true to `logging` itself; others are told the truth.

    The cache is read here, for a second call costs too much.
    """
    if level >= LEVEL:
        return _enabled(self, level) or sys._getframe(1).f_globals is _logging
    if self.disabled:
        return False
    try:
        return self._cache[level]  # type: ignore[attr-defined, no-any-return]
    except KeyError:
        return _enabled(self, level)


def handle(self: logging.Logger, record: logging.LogRecord) -> None:
    """`Logger.handle`, then the tap."""
    try:
        passed_by = record.levelno < LEVEL and record.exc_info is None and not _notes
    except Exception:  # no record, or one of somebody's own making
        passed_by = True
    if passed_by:
        _handle(self, record)
        return
    _tap(self, record)


def _tap(logger: logging.Logger, record: logging.LogRecord) -> None:
    given = record.exc_info
    seen_before = _is_seen_before(record) or (record.levelno >= LEVEL and _is_relayed())
    stopped = is_open() and not _enabled(logger, record.levelno) and _comes_from_a_logging_call()
    passed, failure = (record, None) if stopped else _host(logger, record)
    if passed is not None and not seen_before:
        # Behind the host's failure, not within: the exception being handled is the caller's again.
        dispatch(_for_us(passed, given), stopped=stopped or logger.disabled)
    if failure is not None:
        try:
            raise failure
        finally:
            del failure


def _host(logger: logging.Logger, record: logging.LogRecord) -> tuple[logging.LogRecord | None, BaseException | None]:
    """What the application's own tree does: the record its filters let through, and what it raised."""
    at_work = [True]
    token = _at_work.set(at_work)
    try:
        if not logger.filters:
            _handle(logger, record)
            return record, None
        if logger.disabled:
            return record, None
        # `Logger.handle` does not tell whether a filter has dropped the record. Filters are deliberate: what
        # they drop is no error.
        passed: Any = logger.filter(record)
        if not passed:
            return None, None
        record = passed if isinstance(passed, logging.LogRecord) else record
        logger.callHandlers(record)
    except BaseException as error:
        return record, error
    finally:
        at_work.clear()
        _at_work.reset(token)
    return record, None


def _for_us(record: logging.LogRecord, given: Any) -> logging.LogRecord:
    """A record for our handlers: what they put on it is nothing to a handler of the host that keeps its own for later.

    Args:
        record: As the host's handlers have left it.
        given: Its exc_info before: some formatters take it away so that no other prints it.
    """
    if record.levelno < LEVEL and not given:
        return record
    try:
        mine = type(record).__new__(type(record))
        mine.__dict__.update(record.__dict__)
    except Exception:  # of a class of the host's own
        return record
    mine.exc_info = record.exc_info or given
    return mine


def _is_seen_before(record: logging.LogRecord) -> bool:
    """Whether this very record, or a copy of it that a queue brings here from another thread or a child, was seen."""
    try:
        if record.process is not None and record.process != os.getpid():
            return is_open() and record.process in _pids_of_children()
        key = (record.created, record.thread, record.lineno, record.name)
        known = _handed_over.get(key)
        if known is not None and (known() is record or record.thread != threading.get_ident()):
            return True
        if len(_handed_over) >= _HANDED_OVER:
            _handed_over.clear()
        _handed_over[key] = weakref.ref(record)
    except Exception:  # no LogRecord, or not all of it
        return False
    return False


def _pids_of_children() -> set[int]:
    """The processes that `multiprocessing` has started from here: they are attached themselves."""
    module = sys.modules.get("multiprocessing.process")
    for child in list(getattr(module, "_dangling", ())):
        pid = getattr(getattr(child, "_popen", None), "pid", None)
        if isinstance(pid, int):
            _children.add(pid)
    return _children


def _is_relayed() -> bool:
    frame: FrameType | None = sys._getframe(3) if RELAYS else None
    for _ in range(_RELAYED_WITHIN):
        if frame is None:
            break
        if frame.f_globals.get("__name__") in RELAYS:
            return True
        frame = frame.f_back
    return False


def _comes_from_a_logging_call() -> bool:
    """Whether `Logger.error` or the like called, which `is_enabled_for` has let pass.

    `Logger.handle` itself asks for no level, nor may we; and who calls `Logger._log`, as SQLAlchemy does to echo, has
    asked himself.
    """
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_CALLERS):
        frame = frame.f_back if frame is not None else None
        if frame is not None and frame.f_code in _CALLS:
            return True
    return False


# Whoever looks for the caller (`logging` itself, loguru, structlog) goes outward from the frames of `logging`. Ours
# between them must pass for its own, by file and by module; its file has no such lines, so none is shown.
for _function in (handle, _tap, _host):
    _function.__code__ = _function.__code__.replace(co_filename=_SOURCE, co_firstlineno=1_000_000)
__name__ = f"logging.{__name__}"
