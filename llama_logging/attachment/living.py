"""What of logging lives in this process beside the tree: looked for among all objects, by type alone."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Iterable
from logging.handlers import QueueHandler, QueueListener

from llama_logging.handlers import RegistryHandler

_started: weakref.WeakSet[QueueListener] = weakref.WeakSet()


def remember_listeners() -> None:
    """From now on know which listeners were ever started: one that was ended looks like one that never was."""
    start = QueueListener.start

    @functools.wraps(start)
    def started(self: QueueListener) -> None:
        _started.add(self)
        start(self)

    QueueListener.start = started  # type: ignore[method-assign]


def is_shared(handler: QueueHandler) -> bool:
    """Whether another process may take from the queue of *handler*."""
    return type(handler.queue).__module__.partition(".")[0] in ("multiprocessing", "billiard")


class Living:
    """One look at this process, taken when it is first asked for: there may be a million objects.

    Args:
        ending: Whether the process is at its end, where listeners are ended that did their work.
    """

    def __init__(self, *, ending: bool = False) -> None:
        self._ending = ending

    def listeners(self, handler: QueueHandler) -> list[QueueListener]:
        """Those that take from the queue of *handler*, if they run."""
        return [one for one in self._found[1] if getattr(one, "queue", None) is handler.queue]

    def runs(self, listener: QueueListener) -> bool:
        """Whether *listener* takes anything; a child that was forked has it without its thread."""
        thread = getattr(listener, "_thread", None)
        return thread.is_alive() if thread is not None else self._ending and listener in _started

    def has_more_than(self, known: Iterable[RegistryHandler]) -> bool:
        """Whether there is a registry handler that is none of the *known*."""
        there = {id(one) for one in known}
        return any(id(one) not in there for one in self._found[0])

    @functools.cached_property
    def _found(self) -> tuple[list[RegistryHandler], list[QueueListener]]:
        # by type(), for isinstance() also asks an object's own __class__, which may be anybody's code
        found = [one for one in gc.get_objects() if issubclass(type(one), (RegistryHandler, QueueListener))]
        listeners = [one for one in found if issubclass(type(one), QueueListener)]
        return [one for one in found if issubclass(type(one), RegistryHandler)], listeners
