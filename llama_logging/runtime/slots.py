"""What an exception holds, read past what its class may pretend: the slots themselves, not attribute access."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

cause_of = BaseException.__dict__["__cause__"].__get__
context_of = BaseException.__dict__["__context__"].__get__
is_suppressed = BaseException.__dict__["__suppress_context__"].__get__
traceback_of = BaseException.__dict__["__traceback__"].__get__
arguments_of = BaseException.__dict__["args"].__get__
attributes_of = BaseException.__dict__["__dict__"].__get__
members_of = BaseExceptionGroup.__dict__["exceptions"].__get__
filename_of = OSError.__dict__["filename"].__get__
written_at = [SyntaxError.__dict__[name].__get__ for name in ("filename", "lineno", "text", "offset")]


def held_by(owner: object) -> Mapping[str, Any]:
    """The attributes of any *owner*; none of what has slots for them, or of None."""
    try:
        held = object.__getattribute__(owner, "__dict__")
    except Exception:
        return {}
    return held if type(held) is dict else {}
