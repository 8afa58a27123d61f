"""Runtime flags: what recovery has decided and the application reads.

A strategy sets `ollama.model` to a smaller model, the application asks `flags.get("ollama.model",
"llama3.1:70b")` before each call. Flags live in this process alone and end with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class Flags:
    """Values by name, each for good or for some time.

    Any thread may set and read at any time.

    Args:
        clock: Monotonic, in seconds; tests pass their own.

    >>> flags = Flags()
    >>> flags.set("ollama.model", "llama3.2:1b", lasting=3600)
    >>> flags.get("ollama.model"), flags.get("ollama.num_ctx", 4096)
    ('llama3.2:1b', 4096)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Every access below is one operation on a dict, and so needs no lock.
        self._values: dict[str, tuple[object, float]] = {}

    def set(self, name: str, value: object, lasting: float | None = None) -> None:
        """Have *name* be *value*.

        Args:
            lasting: For so many seconds; None for good.
        """
        self._values[name] = (value, float("inf") if lasting is None else self._clock() + lasting)

    def get(self, name: str, default: Any = None) -> Any:
        """What *name* is now; *default* if nothing was set, or its time is over."""
        value, until = self._values.get(name, (default, float("inf")))
        return value if self._clock() < until else default

    def clear(self, name: str) -> None:
        """Have *name* be nothing; no matter if it is nothing already."""
        self._values.pop(name, None)

    def current(self) -> dict[str, object]:
        """All that hold now."""
        # Not a Mapping: `dict(flags)` would ask for the names first, and find some gone meanwhile.
        now = self._clock()
        return {name: value for name, (value, until) in self._values.copy().items() if now < until}

    def __contains__(self, name: str) -> bool:
        return name in self.current()

    def __getitem__(self, name: str) -> Any:
        return self.current()[name]


flags = Flags()
"""Those of this process: `llama_logging.flags`."""
