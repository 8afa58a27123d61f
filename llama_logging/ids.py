"""Names for errors, attempts and reports: unique everywhere, and in the order of time."""

from __future__ import annotations

import itertools
import os
import time

from llama_logging.runtime import forks


def new_id() -> str:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, 26 random ones, and a counter that begins anywhere.

    >>> new_id() != new_id()
    True
    """
    global _latest
    if _pid != os.getpid():
        _draw()
    millisecond = time.time_ns() // 1_000_000
    latest, beginning = _latest
    if millisecond != latest:
        moment = "%012x" % millisecond  # noqa: UP031 - at a third of the price
        beginning = f"{moment[:8]}-{moment[8:]}-7{_ours}"
        _latest = millisecond, beginning
    return "%s%012x" % (beginning, next(_counter))  # noqa: UP031


def _draw() -> None:
    """Choose this process's part of all ids; a forked child's must be another."""
    global _ours, _counter, _latest, _pid
    _pid = forks.look()
    digits = os.urandom(10).hex()
    # The two highest bits of the variant are 1 and 0.
    _ours = f"{digits[:3]}-{'89ab'[int(digits[3], 16) & 3]}{digits[4:7]}-"
    # From the lower half, so that it never overflows.
    _counter = itertools.count(int(digits[8:], 16) >> 1)
    _latest = 0, ""


_pid: int
_ours: str
_counter: itertools.count[int]
_latest: tuple[int, str]
_draw()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw)
