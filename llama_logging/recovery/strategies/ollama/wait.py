"""Patience with a server that is too busy, or busy with itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.strategies.ollama.models import wanted
from llama_logging.recovery.strategies.ollama.server import OllamaServer, OnServer
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy

LOOKS = 2
"""A runner that died is started anew at the next request; an error that comes again then is there to stay."""


@dataclass(frozen=True)
class OllamaWait(OnServer):
    """Waits until the server generates: a full queue empties, and a runner that died is started anew.

    A restart would throw away what the others in the queue wait for.
    """

    name: ClassVar[str] = "ollama.wait"
    option_names: ClassVar[tuple[str, ...]] = ("base_url", "model", "delay")
    model: str = ""
    delay: float = 0.5

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `base_url`; `model`; `delay`, seconds before the second look, doubled each time, to 10 at most."""
        return cls(
            OllamaServer.configured(options),
            options.read("model", as_text, ""),
            options.read("delay", as_seconds, 0.5),
        )

    @property
    def intent(self) -> str:
        """Names the server."""
        return f"wait until {self.server.base_url} generates"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Ask for one token at once, then with growing pauses, until the deadline or an error that stays."""
        problem = self.server.generates_in_time(wanted(context, self.model), deadline, looks=LOOKS, delay=self.delay)
        return verdict(problem, f"{self.server.base_url} generates")
