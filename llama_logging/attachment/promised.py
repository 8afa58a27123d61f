"""What stands in for the outcome of a recovery while the handler that begins it is being made."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from llama_logging.recovery.outcome import Outcome

MAKING = 5.0
"""Seconds in which a handler is made."""
_LOOKS = 0.01


class Promised:
    """The outcome that an error is going to have; whatever is asked of it waits until that is there.

    As an `Outcome` it never raises, and is not true before the recovery has helped.
    """

    __slots__ = ("_known", "_outcome")

    def __init__(self) -> None:
        self._known = threading.Event()
        self._outcome: Outcome | None = None

    def keep(self, outcome: Outcome | None) -> None:
        """Be *outcome* from now on; None where no recovery handler has taken the error."""
        self._outcome = outcome
        self._known.set()

    def wait(self, timeout: float | None = None) -> bool:
        """As `Outcome.wait`."""
        if timeout is None:
            return self._there().wait()
        until = time.monotonic() + timeout
        return self._there(min(timeout, MAKING)).wait(max(0.0, until - time.monotonic()))

    def __await__(self) -> Generator[object, None, bool]:
        import asyncio  # who awaits has it

        until = time.monotonic() + MAKING
        while not self._known.is_set() and time.monotonic() < until:
            yield from asyncio.sleep(_LOOKS).__await__()
        return (yield from self._there(0.0).__await__())

    def __bool__(self) -> bool:
        return self._outcome is not None and bool(self._outcome)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copies and prints objects asks for these, and must not wait
            raise AttributeError(name)
        return getattr(self._there(), name)

    def __reduce__(self) -> Any:
        return self._there().__reduce__()

    def __repr__(self) -> str:
        return repr(self._outcome) if self._outcome is not None else "<Outcome pending>"

    def _there(self, timeout: float = MAKING) -> Outcome:
        self._known.wait(timeout)
        if self._outcome is not None:
            return self._outcome
        from llama_logging.recovery.outcome import NONE

        return NONE
