"""Loads a model with more patience than its callers have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.strategies.ollama.models import full, wanted
from llama_logging.recovery.strategies.ollama.server import OllamaServer, OnServer
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy


@dataclass(frozen=True)
class OllamaWarm(OnServer):
    """Has the server load the model, by an empty prompt, and waits for it as long as the rule allows."""

    name: ClassVar[str] = "ollama.warm"
    option_names: ClassVar[tuple[str, ...]] = ("base_url", "model")
    model: str = ""

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `base_url`; `model`: default the one the error is about, else the first installed."""
        return cls(OllamaServer.configured(options), options.read("model", as_text, ""))

    @property
    def intent(self) -> str:
        """Names the model."""
        return f"load {self.model or 'the model that is wanted'}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Load it, again where that was broken off, and see that it is in memory."""
        model = wanted(context, self.model)
        if not model:
            installed, problem = self.server.installed(deadline)
            if not installed:
                return verdict(problem or "no model is installed", "")
            model = installed[0]
        problem = deadline.wait_for(lambda deadline: self._problem(model, deadline))
        return verdict(problem and f"load {model}: {problem}", f"{model} is loaded")

    def _problem(self, model: str, deadline: Deadline) -> str:
        problem = self.server.load(model, deadline).problem
        if problem:
            return problem
        loaded, problem = self.server.loaded(deadline)
        return problem or ("" if full(model) in loaded else "/api/ps does not list it")
