"""The kill switch: recovery stops at the next rung, whoever throws it, and wherever."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from llama_logging.exceptions import StoreError

FILE = "RECOVERY_OFF"
"""A file of this name beside the registry, or in the state folder, stops all recovery."""
ROW = "recovery off"
"""What the registry remembers under this name stops it on all machines; see `llama-logging recovery off`."""


def off_in_environment() -> str:
    """Why this process must not recover; empty if it may."""
    if os.environ.get("LLAMA_LOGGING_RECOVERY", "").lower() in ("off", "0", "false", "no"):
        return "recovery is switched off by LLAMA_LOGGING_RECOVERY"
    return ""


class Switch:
    """Says whether recovery is switched off.

    Args:
        folders: Where the file is looked for.
        recall: Gives what the registry remembers under a name.
    """

    def __init__(self, folders: Sequence[str] = (), recall: Callable[[str], str] = lambda name: "") -> None:
        self._files = [os.path.join(folder, FILE) for folder in folders]
        self._recall = recall

    def off(self) -> str:
        """Why nothing may be done; empty if it may."""
        file = next((path for path in self._files if os.path.exists(path)), "")
        return off_in_environment() or (f"recovery is switched off by the file {file}" if file else self._row())

    def _row(self) -> str:
        try:
            said = self._recall(ROW)
        except StoreError:
            return ""  # then `scopes` is careful
        return f"recovery is switched off: {said}" if said else ""
