"""Where nothing can be healed: a value that stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.tried import OutcomeStatus

_GAP = re.compile(r"\{([^{}]+)\}")
SORRY = "The language model is not available at the moment; please try again later."


@dataclass(frozen=True)
class FallbackValue(Strategy):
    """Hands a configured value to the caller."""

    name: ClassVar[str] = "fallback_value"
    option_names: ClassVar[tuple[str, ...]] = ("value",)
    instant: ClassVar[bool] = True
    value: object

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `value`, anything YAML can say."""
        return cls(options.required("value", lambda value: value))

    @property
    def intent(self) -> str:
        """Says what stands in."""
        return f"hand over {self.value!r}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Hand it over."""
        return Remedy(OutcomeStatus.FALLBACK, self.value, self.intent)


@dataclass(frozen=True)
class FallbackText(FallbackValue):
    """AI-generation fallback: hands a text over in place of the one that was to be generated.

    `{name}` in the text is filled from the error's additional_context, so that
    `extra={"hero": "Luna"}` makes "{hero} rests a while." a sentence of the story.
    """

    name: ClassVar[str] = "llm.fallback_text"
    option_names: ClassVar[tuple[str, ...]] = ("text", "advice")
    value: str
    advice: str = ""

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `text`; by default an apology. `advice`: what somebody should do, besides."""
        return cls(options.read("text", as_text, SORRY), options.read("advice", as_text, ""))

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Hand the text over, filled in; what has no value stays as it stands."""
        said = context.additional_context
        # Not str.format: it would follow attributes and indexes that the text names. In one go: what a value
        # says in braces, as somebody may have typed it, is no gap.
        text = _GAP.sub(lambda gap: str(said.get(gap[1], gap[0])), self.value)
        told = f"handed over {text!r}"[:500]
        return Remedy(OutcomeStatus.FALLBACK, text, "; ".join(filter(None, (told, self.advice))), self.advice)
