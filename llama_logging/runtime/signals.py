"""Signals stay the application's: none comes to a thread of ours while it waits.

A program may block a signal, to fetch it when it has the time (`sigwait`, `signalfd`): a thread that does not block
it, too, gets it at once, and the process ends by it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS")
"""What a thread brings on itself: blocked, it would end the process without a word of faulthandler's."""
_STATUS = "/proc/self/task/{}/status"
_BLOCKED = b"SigBlk:"
_STATUS_BYTES = 16_384
"""More than a status is long."""

# `signal` makes enumerations of what is in it, which takes longer than all that is done here.
_native: Any = importlib.import_module("_signal")
_set_mask: Any = getattr(_native, "pthread_sigmask", None)  # not on Windows


def block() -> set[int]:
    """Have no signal come to this thread from now on.

    Returns:
        Those that it had blocked before.
    """
    if _set_mask is None:
        return set()
    faults = {getattr(_native, name, 0) for name in _FAULTS}
    before: set[int] = _set_mask(_native.SIG_BLOCK, _native.valid_signals() - faults)
    return before


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Within this block, no signal comes to this thread; then those that also come to the process's first."""
    before = block()
    try:
        yield
    finally:
        if _set_mask is not None:
            # As the first has them now, and so has what is started here, such as a server that is to be stopped by one.
            _set_mask(_native.SIG_SETMASK, _blocked_by_the_first(before))


def _blocked_by_the_first(otherwise: set[int]) -> set[int]:
    try:
        # Without `open`, which looks for a codec: a child may have been forked in the midst of that.
        fd = os.open(_STATUS.format(os.getpid()), os.O_RDONLY)
        try:
            status = os.read(fd, _STATUS_BYTES)
        finally:
            os.close(fd)
        mask = int(status.partition(_BLOCKED)[2].split(None, 1)[0], 16)
    except (OSError, ValueError, IndexError):  # no Linux, or no descriptor left
        return otherwise
    return {number for number in _native.valid_signals() if mask >> (number - 1) & 1}
