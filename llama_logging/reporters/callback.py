"""Reports to a function of the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_callable
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ReportError
from llama_logging.reporters.report import Report
from llama_logging.runtime import tasks


@dataclass(frozen=True)
class CallbackReporter:
    """Calls *function* with each ErrorContext."""

    function: Callable[[ErrorContext], object]

    option_names: ClassVar[tuple[str, ...]] = ("function",)
    secrets: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        return cls(options.required("function", as_callable))

    @property
    def name(self) -> str:
        """The function's name."""
        owner: object = self.function if hasattr(self.function, "__qualname__") else type(self.function)
        return f"the report callback {owner.__module__}.{owner.__qualname__}"  # type: ignore[attr-defined]

    def report(self, context: ErrorContext, timeout: float | None = None) -> None:
        """Call it; a coroutine is run to its end on a loop of its own."""
        tasks.ended(self.function(context), timeout)

    def send(self, report: Report, timeout: float) -> None:
        """Call it with the error that *report* tells of; of one that tells of none, nothing is said."""
        context = report.context
        if context is not None:
            self.report(context, timeout)
        elif report.kind == "test":
            raise ReportError("it is called with errors alone, and was not called")
