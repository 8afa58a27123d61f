"""Which process this is: a forked child begins anew, also where no hooks ran at the fork, such as uWSGI's."""

from __future__ import annotations

import os
import threading
import weakref

pid = os.getpid()
"""As it was at the last `look`."""


def look() -> int:
    """The pid, asked for anew: to ask costs, so for an error it is asked once, before all that depends on it."""
    global pid
    pid = os.getpid()
    return pid


def lock() -> threading.Lock:
    """A lock that is free in a forked child, whoever held it at the fork."""
    made = threading.Lock()
    _locks.add(made)
    return made


def _free() -> None:
    for held in list(_locks):
        held._at_fork_reinit()  # type: ignore[attr-defined]  # as the standard library does


_locks: weakref.WeakSet[threading.Lock] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=look)
    os.register_at_fork(after_in_child=_free)
