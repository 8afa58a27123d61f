"""What goes wrong with Ollama, and what helps.

The texts are those of ollama/ollama and of its clients, from 0.6 to 2026: they changed, so each rule has
all of them. Which client it is does not matter: rules look at the names of classes along the chain, at
statuses, and at what the server said, and no client is ever imported. That it is about Ollama at all is
told by the client, or by the address that was asked: another server's refusal is none of our business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from llama_logging.config.options import Options
from llama_logging.config.values import as_argv, as_bytes, as_number, as_seconds, as_text, as_texts
from llama_logging.context import ErrorContext, ExceptionDetail
from llama_logging.matching import as_match
from llama_logging.recovery.strategies.ollama.server import BUSY, LITELLM, PATIENCE, OllamaServer, asked_in, is_of

OPTIONS = (
    *("base_url", "model", "start", "restart", "models", "max_size", "smaller_models", "num_ctx"),
    *("patience", "deadline", "pull_deadline", "fallback", "mode", "match"),
)
DEADLINE = 180.0
PULL_DEADLINE = 3_600.0

OWN_CLASSES = frozenset(("OllamaConnectionError", "AIGenerationError"))
"""Names that applications give to their own exceptions, from the mission of this package."""
CLIENTS = ("ollama.", "langchain_ollama.", "litellm.llms.ollama.")
"""Where the clients' classes and functions are at home that speak to Ollama alone."""
TOLD = {LITELLM: ("OllamaException - ", "Ollama_chatException - "), "dspy.": ("[ollama/", "[ollama_chat/")}
"""How the messages of those who speak to all tell whose error it was, by where their classes are at home."""
TIMEOUTS = (
    *("httpx*.TimeoutException", "httpcore*.TimeoutException", "openai.APITimeoutError", "requests.*.Timeout"),
    *("urllib3.*.TimeoutError", "aiohttp.*.ServerTimeoutError", "dspy.*Timeout"),
)
CONNECTIONS = (
    *("httpx*.TransportError", "httpcore*.NetworkError", "httpcore*.ProtocolError", "openai.APIConnectionError"),
    *("requests.*.ConnectionError", "requests.*.ChunkedEncodingError", "urllib3.*.ProtocolError"),
    *("aiohttp.*.ClientConnectionError", "aiohttp.*.ClientPayloadError", "urllib.error.URLError"),
    *("http.client.RemoteDisconnected", "http.client.IncompleteRead", "OllamaConnectionError"),
    "dspy.*.LMTransportError",
)
UNANSWERED = tuple(name for name in (*TIMEOUTS, *CONNECTIONS) if name.startswith(("httpx", "httpcore", "aiohttp")))
"""What says that no answer came, also where litellm has made that a 500."""
MALFORMED = (
    *("JSONDecodeError", "*.OutputParserException", "pydantic_ai.*.UnexpectedModelBehavior"),
    "dspy.*.AdapterParseError",
)
OTHERWISE = (
    *TIMEOUTS,
    *(name for name in CONNECTIONS if not name.startswith("openai.")),
    *("httpx*.HTTPStatusError", "requests.*.HTTPError", "ollama.*.ResponseError"),
    "dspy.*.LMError",
)
"""What says that no answer came, or a refusal, whatever was malformed before. Not openai's classes: those that litellm
raises for an answer that is no JSON, with a status of its own making, are heirs of these."""

TOO_LONG = (
    r"(?i)longer than the (maximum )?context length|maximum context length is"
    r"|exceeds? (the )?(maximum |available |model's )?context (length|size|window)"
)
MISSING = r"model \\?[\"'][^\"'\\]+\\?[\"'] not found"
MEMORY = (
    r"(?i)requires more system memory|out of memory|cudaMalloc failed|unable to load full model on GPU"
    r"|unable to allocate .*buffer|failed to allocate .*buffer"
)
LOADING = r"(?i)timed out waiting for (the )?llama[ -](runner|server) to start"
DIED = (
    r"(?i)llama[ -](runner|server) process (has terminated|no longer running)|model runner has unexpectedly stopped"
    r"|an error was encountered while running the model"
)
TOOL_CALL = r"(?i)error parsing tool call"

TOO_LONG_ADVICE = "the prompt does not fit: shorten it, or raise num_ctx, which takes more memory"
AUTH_ADVICE = "the server refuses the key: set a valid OLLAMA_API_KEY, or sign in with `ollama signin`"
MISSING_ADVICE = "pull the model by hand, `ollama pull NAME`, or list it under `models` of `use: ollama`"
BUSY_ADVICE = "too many ask at once: have fewer calls at a time, or raise OLLAMA_MAX_QUEUE and OLLAMA_NUM_PARALLEL"
MEMORY_ADVICE = "the model does not fit into memory: use a smaller one or a smaller num_ctx"
DIED_ADVICE = "the model's runner ends again and again: update Ollama, or pull the model anew"
LOADING_ADVICE = "loading takes too long: raise OLLAMA_LOAD_TIMEOUT, or use a smaller model"


@dataclass(frozen=True)
class About:
    """Whether an error is about an Ollama server: it was asked, by one of its names, or a client of its own was used.

    Where it is told which server was asked, that counts: of two servers the one that has failed is to be recovered.
    """

    servers: frozenset[str]

    def __call__(self, context: ErrorContext) -> bool:
        """Whether *context* is."""
        asked = asked_in(context)
        return not asked.isdisjoint(self.servers) if asked else any(map(self._is_ollamas, context.exceptions))

    def _is_ollamas(self, error: ExceptionDetail) -> bool:
        if any(is_of(error, home) and any(name in error.message[:1_000] for name in TOLD[home]) for home in TOLD):
            return True
        return any(base.startswith(CLIENTS) or base.rpartition(".")[2] in OWN_CLASSES for base in error.bases) or any(
            frame.module.startswith(CLIENTS) for frame in error.frames
        )


def preset(options: Options) -> tuple[list[dict[str, Any]], Callable[[ErrorContext], bool]]:
    """The rules, the most particular first, and which errors they are about.

    Options: see docs/strategies.md. `match` says which errors, where neither client nor address tells.
    """
    match = options.read("match", partial(as_match, options, "match"), None)
    parts = _Parts(options)
    return _rules(parts), match or About(OllamaServer(parts.server["base_url"]).names)


def _rules(parts: _Parts) -> list[dict[str, Any]]:
    restart = parts.restart
    wait = {"ollama.wait": {**parts.model, "timeout": 30}}
    look = {"ollama.wait": {**parts.model, "timeout": parts.patience}}
    glance = {"ollama.wait": {**parts.model, "timeout": 1}}
    unload = {"ollama.unload": {**parts.model, "timeout": 60}}
    warm = {"ollama.warm": {**parts.model, "timeout": parts.patience * 2}}
    reask: dict[str, Any] = {"llm.reask_json": {}}
    return [
        parts.rule("auth", {"status": [401, 403]}, [], AUTH_ADVICE),
        parts.rule("context-too-long", {"message": TOO_LONG}, [], TOO_LONG_ADVICE),
        {**parts.rule("model-missing", {"message": MISSING}, parts.pull, MISSING_ADVICE), **parts.pulling},
        parts.rule("busy", {"message": BUSY}, [wait], BUSY_ADVICE),
        parts.rule("memory", {"message": MEMORY}, [unload, *parts.smaller, restart], MEMORY_ADVICE),
        parts.rule("load-timeout", {"message": LOADING}, [warm, unload, restart], LOADING_ADVICE),
        parts.rule("runner-died", {"message": DIED}, [look, unload, *parts.smaller, restart], DIED_ADVICE),
        parts.rule("tool-call", {"message": TOOL_CALL}, [reask]),
        parts.rule("overloaded", {"status": [429, 502, 503, 504]}, [wait], BUSY_ADVICE),
        parts.rule("malformed-answer", {"chain": [*MALFORMED], "not": {"chain": [*OTHERWISE]}}, [reask]),
        parts.rule("failed", {"status": 500, "not": {"chain": [*UNANSWERED]}}, [look, restart], DIED_ADVICE),
        parts.rule("timeout", {"chain": [*TIMEOUTS]}, [restart]),
        parts.rule("connection", {"chain": [*CONNECTIONS]}, [glance, restart]),
    ]


class _Parts:
    """The options, as the pieces that rules are put together from."""

    def __init__(self, options: Options) -> None:
        self.server = {"base_url": OllamaServer.configured(options).base_url}
        self.model = {**self.server, "model": options.read("model", as_text, "")}
        self.patience = options.read("patience", as_seconds, PATIENCE)
        self._fallback = options.read("fallback", as_text, "")
        self._mode = {"mode": mode} if (mode := options.read("mode", lambda mode: mode, None)) is not None else {}
        self._deadline = options.read("deadline", as_seconds, DEADLINE)
        self.pulling = {"deadline": options.read("pull_deadline", as_seconds, PULL_DEADLINE)}
        self.restart = {"ollama.restart": {**self.model, "patience": self.patience, **_commands(options)}}
        self.pull = _pull(options, self.server)
        self.smaller = _smaller(options, self.model)

    def rule(self, name: str, match: dict[str, Any], ladder: list[Any], advice: str = "") -> dict[str, Any]:
        """A rule whose ladder ends in the fallback text, if there is one, and in advice."""
        said = {"advice": advice} if advice else {}
        if self._fallback:
            ladder = [*ladder, {"llm.fallback_text": {"text": self._fallback, **said}}]
        elif advice:
            ladder = [*ladder, {"advice": {"text": advice}}]
        return {"name": f"ollama-{name}", "match": match, **self._mode, "deadline": self._deadline, "ladder": ladder}


def _commands(options: Options) -> dict[str, Any]:
    """How it is started and restarted; `ollama serve` where nothing is said."""
    found = {name: options.read(name, as_argv, ()) for name in ("start", "restart")}
    given = {name: list(argv) for name, argv in found.items() if argv}
    return given or {"start": ["ollama", "serve"]}


def _pull(options: Options, server: dict[str, Any]) -> list[Any]:
    """Only what is listed is pulled."""
    models = list(options.read("models", as_texts, ()))
    size = options.read("max_size", lambda size: {"max_size": as_bytes(size)}, {})
    return [{"ollama.pull": {**server, **size, "models": models}}] if models else []


def _smaller(options: Options, model: dict[str, Any]) -> list[Any]:
    """What the application has to read flags for, and so only if it is asked for."""
    models = list(options.read("smaller_models", as_texts, ()))
    length = options.read("num_ctx", as_number, None)
    smaller: list[Any] = []
    if models:
        smaller.append({"ollama.smaller_model": {"base_url": model["base_url"], "models": models}})
    if length is not None:
        smaller.append({"ollama.reduce_context": {**model, "num_ctx": length}})
    return smaller
