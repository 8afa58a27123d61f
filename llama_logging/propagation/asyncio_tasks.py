"""asyncio and uvloop: what nobody fetched from a task, or failed in a callback, belongs to the request that began it.

The loop logs it, and works on no request then. Tasks and callbacks tell where they were begun since Python 3.12.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

from llama_logging.capture import tagging, tracing


def install(module: Any) -> None:
    """Have exceptions that are given to a loop tell of the trace and the tags of where they were raised."""
    before_handling(module, lambda _loop, context: take_along(context))


def before_handling(module: Any, look: Callable[[Any, Mapping[str, Any]], object]) -> None:
    """Have *look* see each loop of *module*, and what is given to its exception handler, before that does."""
    cls = module.Loop if module.__name__ == "uvloop" else module.BaseEventLoop
    original = cls.call_exception_handler

    @functools.wraps(original)
    def call_exception_handler(self: Any, context: dict[str, Any]) -> None:
        look(self, context)
        original(self, context)

    cls.call_exception_handler = call_exception_handler


def take_along(context: Mapping[str, Any]) -> None:
    """Have the exception tell, of what a loop gives to its exception handler."""
    # The application may give it anything.
    with contextlib.suppress(Exception):
        error = context.get("exception")
        begun = next((one for one in map(context.get, ("task", "future", "handle")) if one is not None), None)
        get_context = getattr(begun, "get_context", None)
        if isinstance(error, BaseException) and get_context is not None:
            # A copy: its own may be entered at this moment.
            get_context().copy().run(_mark, error)


def _mark(error: BaseException) -> None:
    tracing.take_along(error, tracing.active())
    tagging.take_along(error)
