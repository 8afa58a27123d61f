"""Another model stands in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_mapping, as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.strategies.ollama.server import PATIENCE, OllamaServer
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.tried import OutcomeStatus

_KEYS = ("model", "base_url", "api", "api_key")


@dataclass(frozen=True)
class Endpoint:
    """A model at a server, and how it is spoken to.

    Attributes:
        api: `ollama` or `openai`; what is probed is one token, through either.
    """

    model: str
    server: OllamaServer
    api: str = "ollama"
    api_key: str = field(default="", repr=False)

    @property
    def value(self) -> dict[str, str]:
        """What the caller gets. Not the key: values are told in logs."""
        return {"model": self.model, "base_url": self.server.base_url, "api": self.api}

    def problem(self, deadline: Deadline) -> str:
        """What keeps it from generating one token."""
        if self.api == "ollama" and not self.api_key:
            return self.server.generate(self.model, deadline).problem
        body = {"model": self.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        return self.server.ask("/v1/chat/completions", deadline, body, api_key=self.api_key).problem


@dataclass(frozen=True)
class FallbackModel(Strategy):
    """Hands over the first model of a list that generates: `{model, base_url, api}`."""

    name: ClassVar[str] = "llm.fallback_model"
    option_names: ClassVar[tuple[str, ...]] = ("models",)
    for_all: ClassVar[bool] = True
    """What it brings is the same for every error: of many callers at once one asks for the token."""
    models: tuple[Endpoint, ...]

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `models`, a list of names, or of mappings with `model`, `base_url`, `api` and `api_key`."""
        return cls(options.required("models", partial(_endpoints, options)))

    @property
    def intent(self) -> str:
        """Names them."""
        return f"hand over the first that works of {', '.join(one.model for one in self.models)}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Ask each for one token."""
        problems = []
        for endpoint in self.models:
            problem = endpoint.problem(deadline.within(PATIENCE))
            if not problem:
                detail = f"handed over {endpoint.model} at {endpoint.server.base_url}"
                return Remedy(OutcomeStatus.FALLBACK, endpoint.value, detail, is_hint=True)
            problems.append(f"{endpoint.model}: {problem}")
        return Remedy(OutcomeStatus.FAILED, detail="; ".join(problems))


def _endpoints(options: Options, given: object) -> tuple[Endpoint, ...]:
    if not given:
        raise ConfigError("needs at least one")
    return tuple(options.every("models", given, partial(_endpoint, options)))


def _endpoint(options: Options, place: str, given: Any) -> Endpoint:
    reader = options.nested(place, {"model": given} if isinstance(given, str) else as_mapping(given), _KEYS)
    api = reader.read("api", _as_api, "ollama")
    model = reader.required("model", as_text)
    return Endpoint(model, OllamaServer.configured(reader), api, reader.read("api_key", as_text, ""))


def _as_api(value: object) -> str:
    if value not in ("ollama", "openai"):
        raise ConfigError(f"expected ollama or openai, got {value!r}")
    return str(value)
