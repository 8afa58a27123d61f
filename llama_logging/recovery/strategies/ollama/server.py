"""What the strategies ask of an Ollama server, over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext, ExceptionDetail
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.strategy import Deadline, Strategy

DEFAULT_PORT = 11434
PATIENCE = 60.0
"""Seconds one token may take: a model may have to be read from a cold disk first."""

BUSY = r"(?i)server busy, please try again|maximum pending requests exceeded|llm busy - no slots|server overloaded"
"""What it says when its queue is full."""

LITELLM = "litellm."
"""Where classes are at home that carry a response which nobody has sent, from a server that nobody has asked."""

_LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0")
_BRIEF = 5.0
_MAX_ANSWER = 2**20
_PASSING = frozenset((0, 408, 429, 502, 503, 504))
# A proxy of the environment must not stand between us and a server on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status; 0 if there was no answer.
        data: The JSON of it; an empty mapping if it was none.
        problem: What went wrong; empty if nothing did.
    """

    status: int
    data: dict[str, Any]
    problem: str = ""

    @property
    def passing(self) -> bool:
        """Whether what went wrong may pass by itself: no answer yet, or too busy."""
        return self.status in _PASSING

    @property
    def restartable(self) -> bool:
        """Whether a restart may change it; not if the request is refused, or the server has much to do.

        Ollama never says 408: who stands before it has waited in vain for the whole request (RFC 9110, 15.5.9).
        """
        return not (400 <= self.status < 500 or re.search(BUSY, self.problem))


@dataclass(frozen=True)
class OllamaServer:
    """An Ollama server by its address."""

    base_url: str

    @classmethod
    def configured(cls, options: Options) -> Self:
        """By the option `base_url`; default `OLLAMA_HOST`, else http://127.0.0.1:11434."""
        default = as_base_url(os.environ.get("OLLAMA_HOST") or "127.0.0.1")
        return cls(options.read("base_url", as_base_url, default))

    @property
    def scope(self) -> str:
        """The name under which it is acted on."""
        return f"ollama@{urlsplit(self.base_url).netloc}"

    @property
    def names(self) -> frozenset[str]:
        """Every name of it, as host:port."""
        parts = urlsplit(self.base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return frozenset(f"{host}:{port}" for host in (_LOCAL if parts.hostname in _LOCAL else (parts.hostname,)))

    def ask(self, path: str, deadline: Deadline, body: dict[str, Any] | None = None, *, api_key: str = "") -> Answer:
        """GET *path*, or POST *body* there."""
        try:
            with self._open(path, body, deadline.remaining(), api_key) as response:
                answer = response.read(_MAX_ANSWER)
        except urllib.error.HTTPError as error:
            return _refused(path, error)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, {}, _unanswered(self.base_url, error))
        return Answer(response.status, _as_data(answer))

    def version(self, deadline: Deadline) -> Answer:
        """Whether it answers at all."""
        return self.ask("/api/version", deadline.within(_BRIEF))

    def version_problem(self, deadline: Deadline) -> str:
        """What keeps it from answering at all."""
        return self.version(deadline).problem

    def installed(self, deadline: Deadline) -> tuple[list[str], str]:
        """The models it has, and what went wrong."""
        return _names(self.ask("/api/tags", deadline.within(_BRIEF)))

    def loaded(self, deadline: Deadline) -> tuple[list[str], str]:
        """The models that are in memory, and what went wrong."""
        return _names(self.ask("/api/ps", deadline.within(_BRIEF)))

    def generate(self, model: str, deadline: Deadline, **options: int) -> Answer:
        """Generate one token with *model*; with the first that is installed if it is empty.

        A port that accepts proves nothing (ollama/ollama#15950: it accepts, and the work loop is dead).
        """
        if not model:
            installed, problem = self.installed(deadline)
            if not installed:
                return Answer(0 if problem else 200, {}, problem)  # there is nothing it could generate with
            model = installed[0]
        options = {"num_predict": 1, **options}
        answer = self.ask(
            "/api/generate", deadline, {"model": model, "prompt": "Hi", "stream": False, "options": options}
        )
        if "does not support generate" in answer.problem:  # a model for embeddings
            return Answer(200, answer.data)
        if answer.data.get("done") is not True and not answer.problem:
            return Answer(answer.status, {}, f"{self.base_url}/api/generate gave no whole answer")
        return answer

    def generates_in_time(
        self, model: str, deadline: Deadline, *, looks: int = 1, delay: float = 0.1, **options: int
    ) -> str:
        """Wait until one token is generated.

        Args:
            looks: After so many answers that do not pass by themselves it is over.
            delay: Seconds before the second look; doubled each time, to 10 at most.

        Returns:
            What was wrong last; empty if it generates.
        """
        problem = ""

        def check(deadline: Deadline) -> str:
            nonlocal problem, looks
            answer = self.generate(model, deadline, **options)
            problem, looks = answer.problem, looks - (not answer.passing)
            return problem if looks else ""

        deadline.wait_for(check, delay=delay, longest=10.0)
        return problem

    def load(self, model: str, deadline: Deadline, keep_alive: int | str | None = None) -> Answer:
        """Have *model* in memory; `keep_alive` 0 has it out."""
        more = {} if keep_alive is None else {"keep_alive": keep_alive}
        return self.ask("/api/generate", deadline, {"model": model, "stream": False, **more})

    def lines(self, path: str, body: dict[str, Any], silence: float) -> Generator[dict[str, Any]]:
        """POST *body*, and each line of the answer as it comes.

        Args:
            silence: Seconds without a byte after which it is over.

        Raises:
            OSError: If the connection fails, or nothing comes for too long.
        """
        try:
            with self._open(path, body, silence) as response:
                while line := response.readline(_MAX_ANSWER):
                    yield _as_data(line)
        except urllib.error.HTTPError as error:
            raise OSError(_refused(path, error).problem) from error
        except http.client.HTTPException as error:
            raise OSError(_unanswered(self.base_url, error)) from error

    def _open(
        self, path: str, body: dict[str, Any] | None, timeout: float, api_key: str = ""
    ) -> http.client.HTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {api_key}"} if api_key else {})}
        request = urllib.request.Request(self.base_url + path, data, headers)
        # 0 would mean non-blocking to a socket.
        opened: http.client.HTTPResponse = _opener.open(request, timeout=max(0.05, timeout))
        return opened


@dataclass(frozen=True)
class OnServer(Strategy):
    """What all strategies have in common that act on a server as a whole."""

    server: OllamaServer

    @property
    def scope(self) -> str:
        """The server."""
        return self.server.scope

    def doubt(self, context: ErrorContext) -> str:
        """That another server was asked, where the error tells which one was."""
        asked = asked_in(context)
        known = asked.isdisjoint(self.server.names) and ", ".join(sorted(asked))
        return f"the error is of {known}, and this is about {self.server.base_url}" if known else ""


def asked_in(context: ErrorContext) -> set[str]:
    """The servers that were asked, as host:port, as far as *context* tells."""
    told = (error for error in context.exceptions if not is_of(error, LITELLM))
    return {str(error.attributes["server"]) for error in told if "server" in error.attributes}


def is_of(error: ExceptionDetail, home: str) -> bool:
    """Whether the class of *error*, or one that it is derived from, is of a package whose name begins with *home*."""
    return any(base.startswith(home) for base in error.bases)


def as_base_url(value: object) -> str:
    """The address of a server, as Ollama itself reads it: `HOST`, `HOST:PORT` or a URL.

    >>> as_base_url("0.0.0.0:8080"), as_base_url("https://ollama.example")
    ('http://127.0.0.1:8080', 'https://ollama.example')
    """
    text = as_text(value).rstrip("/")
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"expected an address such as http://127.0.0.1:11434, got {value!r}")
    # 0.0.0.0 is where a server listens, not where a client can reach it on every system.
    host = (
        "127.0.0.1"
        if parts.hostname == "0.0.0.0"
        else parts.netloc.rpartition("@")[2].rpartition(":")[0] or parts.hostname
    )
    port = parts.port or (DEFAULT_PORT if "://" not in text else None)
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def _names(answer: Answer) -> tuple[list[str], str]:
    return [str(model.get("name", "")) for model in answer.data.get("models") or ()], answer.problem


def _refused(path: str, error: urllib.error.HTTPError) -> Answer:
    with error:
        data = _as_data(error.read(_MAX_ANSWER))
    said = data.get("error") or error.reason
    said = said.get("message") if isinstance(said, dict) else said  # in OpenAI's half
    return Answer(error.code, data, f"{path} answered {error.code}: {str(said)[:300]}")


def _unanswered(base_url: str, error: Exception) -> str:
    return f"{base_url}: {getattr(error, 'reason', None) or error or type(error).__name__}"


def _as_data(answer: bytes) -> dict[str, Any]:
    try:
        data = json.loads(answer)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
