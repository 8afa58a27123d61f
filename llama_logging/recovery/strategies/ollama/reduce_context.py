"""Has the application use a shorter context for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_number, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.flags import flags
from llama_logging.recovery.strategies.ollama.models import wanted
from llama_logging.recovery.strategies.ollama.server import OllamaServer, OnServer
from llama_logging.recovery.strategies.ollama.smaller_model import LASTING
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.tried import OutcomeStatus

FLAG = "ollama.num_ctx"
FLOOR = 2_048
"""Tokens; below it few prompts make sense."""


@dataclass(frozen=True)
class OllamaReduceContext(OnServer):
    """Halves a runtime flag for `num_ctx`, down to 2048: the memory of a model grows with its context.

    The application reads it: `llama_logging.flags.get("ollama.num_ctx", 16384)`.
    """

    name: ClassVar[str] = "ollama.reduce_context"
    option_names: ClassVar[tuple[str, ...]] = ("num_ctx", "flag", "lasting", "model", "base_url")
    num_ctx: int
    flag: str = FLAG
    lasting: float = LASTING
    model: str = ""

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `num_ctx`, in use while the flag is not set, needed; `flag`; `lasting`, seconds; `model`."""
        return cls(
            OllamaServer.configured(options),
            options.required("num_ctx", as_number),
            options.read("flag", as_text, FLAG),
            options.read("lasting", as_seconds, LASTING),
            options.read("model", as_text, ""),
        )

    @property
    def intent(self) -> str:
        """Names the flag."""
        return f"halve the flag {self.flag}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Halve it until the model generates, or the floor is reached."""
        used = flags.get(self.flag, self.num_ctx)
        length = used if isinstance(used, int) else self.num_ctx
        problem = f"the context is at {length} tokens already"
        while length > FLOOR:
            length = max(FLOOR, length // 2)
            problem = self.server.generates_in_time(wanted(context, self.model), deadline, num_ctx=length)
            if not problem:
                flags.set(self.flag, length, lasting=self.lasting)
                detail = f"set the flag {self.flag} to {length} for {self.lasting:g} s"
                return Remedy(OutcomeStatus.RECOVERED, length, detail, is_hint=True)
        return Remedy(OutcomeStatus.FAILED, detail=problem)
