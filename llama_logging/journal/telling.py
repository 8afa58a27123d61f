"""Telling people, on standard error, what the journal cannot keep."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from llama_logging.journal.folders import Identity, identity

PERIOD = 60.0
"""Seconds between two lines."""


def _first() -> Identity | None:
    with contextlib.suppress(OSError):
        return identity(os.fstat(2))
    return None


_STARTED_WITH = _first()


class Losses:
    """Counts errors that nothing took, and tells of them once in a while.

    By `os.write`: the buffer of sys.stderr has a lock that a fork may leave locked for ever
    (cpython#84579), and that a signal handler must not take again.
    """

    def __init__(self) -> None:
        self._untold = 0
        self._told_at: float | None = None

    def add(self, reason: str) -> None:
        """One more was lost."""
        self._untold += 1
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= PERIOD:
            self._told_at, count, self._untold = now, self._untold, 0
            tell(f"{count} {'error' if count == 1 else 'errors'} could not be written to the journal: {reason}")


def tell(message: str) -> None:
    """One line on standard error, unless another file now has its number; never raises."""
    with contextlib.suppress(Exception):
        status = os.fstat(2)
        if identity(status) == _STARTED_WITH or not stat.S_ISREG(status.st_mode):
            os.write(2, f"llama_logging: {message}\n".encode(errors="backslashreplace"))
