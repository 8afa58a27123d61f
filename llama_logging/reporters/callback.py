"""Reports to a function of the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llama_logging.context import ErrorContext


@dataclass(frozen=True)
class CallbackReporter:
    """Calls *function* with each ErrorContext."""

    function: Callable[[ErrorContext], object]

    @property
    def name(self) -> str:
        """The function's name."""
        owner: object = self.function if hasattr(self.function, "__qualname__") else type(self.function)
        return f"the report callback {owner.__module__}.{owner.__qualname__}"  # type: ignore[attr-defined]

    def report(self, context: ErrorContext) -> None:
        """Call it."""
        self.function(context)
