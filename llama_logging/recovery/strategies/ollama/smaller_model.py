"""Has the application use a smaller model for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_seconds, as_text, as_texts
from llama_logging.context import ErrorContext
from llama_logging.recovery.flags import flags
from llama_logging.recovery.strategies.ollama.models import full, wanted
from llama_logging.recovery.strategies.ollama.server import OllamaServer, OnServer
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.tried import OutcomeStatus

FLAG = "ollama.model"
LASTING = 3600.0


@dataclass(frozen=True)
class OllamaSmallerModel(OnServer):
    """Sets a runtime flag to the next smaller model that generates.

    The application reads it: `llama_logging.flags.get("ollama.model", "llama3.1:70b")`.
    """

    name: ClassVar[str] = "ollama.smaller_model"
    option_names: ClassVar[tuple[str, ...]] = ("models", "flag", "lasting", "base_url")
    models: tuple[str, ...]
    flag: str = FLAG
    lasting: float = LASTING

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `models`, the largest first, needed; `flag`; `lasting`, seconds; `base_url`."""
        models = options.required("models", as_texts) or options.refuse(
            "models", "needs the names of models, the largest first"
        )
        return cls(
            OllamaServer.configured(options),
            models,
            options.read("flag", as_text, FLAG),
            options.read("lasting", as_seconds, LASTING),
        )

    @property
    def intent(self) -> str:
        """Names flag and models."""
        return f"set the flag {self.flag} to the next of {', '.join(self.models)}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Try the smaller ones in turn; the first that generates becomes the flag."""
        problems = []
        for model in self._smaller(context):
            problem = self.server.generates_in_time(model, deadline)
            if not problem:
                flags.set(self.flag, model, lasting=self.lasting)
                detail = f"set the flag {self.flag} to {model} for {self.lasting:g} s"
                return Remedy(OutcomeStatus.RECOVERED, model, detail, is_hint=True)
            problems.append(f"{model}: {problem}")
        return Remedy(OutcomeStatus.FAILED, detail="; ".join(problems) or "there is no smaller model")

    def _smaller(self, context: ErrorContext) -> tuple[str, ...]:
        """Those below the one in use; all of them where that is not of the list."""
        used = flags.get(self.flag) or wanted(context, "")
        known = [full(model) for model in self.models]
        return (
            self.models[known.index(full(used)) + 1 :] if isinstance(used, str) and full(used) in known else self.models
        )
