"""Makes room in memory."""

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
class OllamaUnload(OnServer):
    """Unloads every model but the one that is wanted, and verifies that this one generates.

    The others are loaded again when somebody asks for them; nothing is lost but time.
    """

    name: ClassVar[str] = "ollama.unload"
    option_names: ClassVar[tuple[str, ...]] = ("base_url", "model")
    model: str = ""

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `base_url`; `model`, the one to keep: default the one the error is about, else none."""
        return cls(OllamaServer.configured(options), options.read("model", as_text, ""))

    @property
    def intent(self) -> str:
        """Names the model that stays."""
        return f"unload every model but {self.model or 'the one that is wanted'}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Unload the others, see that they are gone, and generate."""
        model = wanted(context, self.model)
        others, problem = self._others(model, deadline)
        if problem or not others:
            return verdict(problem or "no other model is loaded", "")
        for other in others:
            self.server.load(other, deadline, keep_alive=0)
        problem = deadline.within(10.0).wait_for(lambda deadline: self._still(model, deadline))
        problem = problem or self.server.generates_in_time(model, deadline)
        done = f"unloaded {', '.join(others)}"
        return verdict(problem and f"{done}: {problem}", f"{done}; {model or 'it'} generates")

    def _others(self, model: str, deadline: Deadline) -> tuple[list[str], str]:
        loaded, problem = self.server.loaded(deadline)
        return [name for name in loaded if not model or name != full(model)], problem

    def _still(self, model: str, deadline: Deadline) -> str:
        others, problem = self._others(model, deadline)
        return problem or (f"still loaded: {', '.join(others)}" if others else "")
