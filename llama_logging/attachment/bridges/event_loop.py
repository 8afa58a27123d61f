"""asyncio and uvloop: a loop with an exception handler of its own logs nothing."""

from __future__ import annotations

import functools
from typing import Any

from llama_logging.attachment.hooks import keep
from llama_logging.context import ErrorSeverity
from llama_logging.propagation.asyncio_tasks import take_along


def install(module: Any) -> None:
    """Capture what is given to a handler that the application has set; the default one logs it."""
    cls = module.Loop if module.__name__ == "uvloop" else module.BaseEventLoop
    original = cls.call_exception_handler

    @functools.wraps(original)
    def call_exception_handler(self: Any, context: dict[str, Any]) -> None:
        if self.get_exception_handler() is not None:
            take_along(context)
            keep(context.get("exception"), "asyncio", ErrorSeverity.ERROR)
        original(self, context)

    cls.call_exception_handler = call_exception_handler
