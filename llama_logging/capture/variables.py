"""The local variables of the application's own calls, where the configuration asks for them.

Off by default: they are the likeliest place of a secret. No code of the application's is run to tell
them, and each bound here holds whatever the program keeps in them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from json import dumps
from types import FrameType, TracebackType
from typing import Any

from llama_logging import plain
from llama_logging.capture.frames import MAX_FRAMES, in_app
from llama_logging.context import FrameLocals
from llama_logging.redaction import clean, redact_data
from llama_logging.runtime.slots import traceback_of

MAX_CALLS = 10
"""Of one exception the innermost so many of the application's own calls."""
MAX_EXCEPTIONS = 5
MAX_VARIABLES = 30
MAX_CHARACTERS = 20_000
"""Of one call."""
LIMITS = plain.Limits(depth=3, items=10, text=300)
BUDGET = 0.005
"""Seconds after which what was found has to do."""

_KNOWN_GROUPS = 10_000


class Variables:
    """What this process keeps of local variables.

    Attributes:
        first: So many errors of each group carry them; 0 for none.
    """

    def __init__(self) -> None:
        self.first = 0
        self._seen: dict[str, int] = {}

    def keep(self, first: int) -> None:
        """Have at least the *first* errors of each group carry them; what another handler asked for stays."""
        self.first = max(self.first, first)

    def of(self, chain: Sequence[BaseException], tb: TracebackType | None, fingerprint: str) -> tuple[FrameLocals, ...]:
        """Those of the exceptions in *chain*; empty where the group has enough of them.

        Args:
            chain: The exceptions, the one that was raised first.
            tb: The traceback that this one was given with.
            fingerprint: The group's.
        """
        if not self.first:
            return ()
        count = self._seen.get(fingerprint, 0)
        if count >= self.first:
            return ()
        if len(self._seen) >= _KNOWN_GROUPS:
            self._seen.clear()
        self._seen[fingerprint] = count + 1
        deadline = time.perf_counter() + BUDGET
        found: list[FrameLocals] = []
        for number, error in enumerate(chain[:MAX_EXCEPTIONS]):
            for place, call in _calls(traceback_of(error) if number else tb):
                if time.perf_counter() > deadline:
                    return tuple(found)
                found.append(_locals(number, place, call, deadline))
        return tuple(found)


VARIABLES = Variables()
"""The ones that `capture` looks at."""


def _calls(tb: TracebackType | None) -> list[tuple[int, TracebackType]]:
    """The application's own calls, innermost first, each with its number among those kept as data."""
    entries = []
    while tb is not None:
        entries.append(tb)
        tb = tb.tb_next
    left_out = max(0, len(entries) - MAX_FRAMES)
    innermost = list(enumerate(entries))[-(MAX_FRAMES // 2) :][::-1]
    # A module's variables are its globals: not of this call, and far too many.
    own = [(at - left_out, entry) for at, entry in innermost if _is_own(entry)]
    return own[:MAX_CALLS]


def _is_own(entry: TracebackType) -> bool:
    code = entry.tb_frame.f_code
    return code.co_name != "<module>" and in_app(code.co_filename)


def _locals(exception: int, place: int, tb: TracebackType, deadline: float) -> FrameLocals:
    values: dict[str, Any] = {}
    room = MAX_CHARACTERS
    for count, (name, value) in enumerate(_items(tb.tb_frame)):
        if count == MAX_VARIABLES or time.perf_counter() > deadline:
            values["..."] = "more"
            break
        told = redact_data({clean(name, 200): plain.plain(value, LIMITS, clean)})
        size = len(dumps(told))
        if size > room:
            told = dict.fromkeys(told, f"<{plain.type_name(type(value))}, {size} characters>")
            size = 0
        values.update(told)
        room -= size
    return FrameLocals(exception=exception, frame=place, values=values)


def _items(frame: FrameType) -> list[tuple[str, Any]]:
    found = frame.f_locals
    items = list(found.items())
    # Below 3.13 it is a snapshot, which a function's frame keeps, and with it all that the function deletes later.
    # Not where somebody else has it, as `locals()` gives the same one away; nor while a tracer runs, after
    # which it is read back. Of a class body it is the namespace itself.
    if (
        sys.version_info < (3, 13)
        and frame.f_code.co_flags & _OPTIMIZED
        and sys.getrefcount(found) == _ITS_FRAME_AND_US
        and sys.gettrace() is None
        and sys.getprofile() is None
    ):
        found.clear()
    return items


_OPTIMIZED = 1
"""inspect.CO_OPTIMIZED, which functions have; to import that module takes milliseconds."""
_ITS_FRAME_AND_US = 3
"""References: the frame's, the variable's, and the argument's."""
