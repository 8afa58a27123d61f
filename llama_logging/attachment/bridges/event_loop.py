"""asyncio and uvloop: a loop with an exception handler of its own logs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_logging.attachment.hooks import keep
from llama_logging.context import ErrorSeverity
from llama_logging.propagation.asyncio_tasks import before_handling, take_along


def install(module: Any) -> None:
    """Capture what is given to a handler that the application has set; the default one logs it."""
    before_handling(module, _keep)


def _keep(loop: Any, context: Mapping[str, Any]) -> None:
    if loop.get_exception_handler() is not None:
        take_along(context)
        keep(context.get("exception"), "asyncio", ErrorSeverity.ERROR)
