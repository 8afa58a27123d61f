"""What is written while the journals of a folder are about to outgrow their quota."""

from __future__ import annotations

import time

QUOTA = 256 * 2**20
"""Bytes that the journals of one folder may have."""
PRESSURE = 0.75
"""The part of the quota from which repeats are only counted."""
IN_FULL = 10
"""So many errors of each group and minute are written in full all the same."""

_MOST = 10_000


class Repeats:
    """Tells which errors are repeats; of one that is written twice, the same both times.

    Attributes:
        early: Errors that were written before they were complete, and whether they were only counted.
    """

    def __init__(self) -> None:
        self.early: dict[str, bool] = {}
        self._written: dict[str, tuple[float, int]] = {}

    def was_counted(self, error_id: str) -> bool:
        """Whether there is no more to write of this error, which is complete now."""
        return self.early.get(error_id, False) and self.early.pop(error_id, False)

    def has(self, fingerprint: str, error_id: str, complete: bool) -> bool:
        """Whether this error is a repeat, to be counted only; each is asked for once before it is written."""
        if complete and self.early.pop(error_id, None) is not None:
            return False
        minute = time.monotonic() // 60
        since, count = self._written.get(fingerprint, (minute, 0))
        if since != minute:
            since, count = minute, 0
        for known in (self._written, self.early):
            if len(known) > _MOST:
                known.clear()
        self._written[fingerprint] = since, count + 1
        if not complete:
            self.early[error_id] = count >= IN_FULL
        return count >= IN_FULL
