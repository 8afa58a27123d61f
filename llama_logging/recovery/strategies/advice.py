"""What somebody should do, where no strategy can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.tried import OutcomeStatus


@dataclass(frozen=True)
class Advice(Strategy):
    """Says what to do, and does nothing: acting on a prompt that is too long or a wrong key only makes noise."""

    name: ClassVar[str] = "advice"
    option_names: ClassVar[tuple[str, ...]] = ("text",)
    instant: ClassVar[bool] = True
    text: str

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `text`, needed."""
        return cls(options.required("text", as_text))

    @property
    def intent(self) -> str:
        """The advice."""
        return f"advise: {self.text}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Say it."""
        return Remedy(OutcomeStatus.ADVICE, detail=self.text, advice=self.text)
