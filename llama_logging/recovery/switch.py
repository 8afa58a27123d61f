"""The kill switch: recovery stops at the next rung, whoever throws it, and wherever."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from llama_logging.exceptions import StoreError

FILE = "RECOVERY_OFF"
"""A file of this name beside the registry, or in the state folder, stops all recovery."""
ROW = "recovery off"
"""What the registry remembers under this name stops it on all machines; see `llama-logging recovery off`."""

VARIABLE = "LLAMA_LOGGING_RECOVERY"

SILENT = 5.0
"""Seconds for which a registry that could not be asked is not asked again: each time may take seconds by itself."""


def off_in_environment() -> str:
    """Why this process must not recover; empty if it may."""
    said = os.environ.get(VARIABLE, "").strip()
    if said.lower() in ("", "on", "1", "true", "yes"):
        return ""
    # Whoever mistypes it wants it to stop.
    unknown = "" if said.lower() in ("off", "0", "false", "no") else f", which is {said[:20]!r}: neither on nor off"
    return f"recovery is switched off by {VARIABLE}{unknown}"


class Switch:
    """Says whether recovery is switched off.

    Args:
        folders: Where the file is looked for.
        recall: Gives what the registry remembers under a name.
        clock: Monotonic, in seconds; tests pass their own.
    """

    def __init__(
        self,
        folders: Sequence[str] = (),
        recall: Callable[[str], str] = lambda name: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = [os.path.join(folder, FILE) for folder in folders]
        self._recall, self._clock = recall, clock
        self._said, self._silent_until = "", float("-inf")

    def off(self) -> str:
        """Why nothing may be done; empty if it may."""
        file = next((path for path in self._files if os.path.exists(path)), "")
        return off_in_environment() or (f"recovery is switched off by the file {file}" if file else self._row())

    def _row(self) -> str:
        if self._clock() >= self._silent_until:
            try:
                self._said = self._recall(ROW)
            except StoreError:
                # What it has said last holds; if that was nothing, `scopes` is careful.
                self._silent_until = self._clock() + SILENT
        return f"recovery is switched off: {self._said}" if self._said else ""
