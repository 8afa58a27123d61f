"""Switches of this process that a recovery sets and the application asks: `flags.get("model", "llama3.2")`."""

from __future__ import annotations

import time

_flags: dict[str, tuple[object, float]] = {}


def set(name: str, value: object, lasting: float | None = None) -> None:
    """Have *name* be *value*.

    Args:
        lasting: For so many seconds; None for as long as the process lives.
    """
    _flags[name] = (value, time.monotonic() + (float("inf") if lasting is None else lasting))


def get(name: str, default: object = None) -> object:
    """The value of *name*; *default* if it was never set or its time is over."""
    value, until = _flags.get(name, (default, float("inf")))
    return value if time.monotonic() < until else default


def clear(name: str) -> None:
    """Have *name* be unset."""
    _flags.pop(name, None)
