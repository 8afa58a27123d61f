"""Brings an Ollama server back."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import urlsplit

from llama_logging.config import Options, as_argv, as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.probes import ask, http_problem
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.registry import OutcomeStatus

DEFAULT_PORT = 11434


@dataclass(frozen=True)
class OllamaRestart:
    """Starts or restarts an Ollama server by a configured command, and verifies that it generates.

    First it asks whether the server works already: somebody else may have been faster. A port that
    accepts proves nothing (ollama/ollama#15950: it accepts, and the work loop is dead), so success is
    one generated token.
    """

    name: ClassVar[str] = "ollama.restart"
    option_names: ClassVar[tuple[str, ...]] = ("base_url", "start", "restart", "model")
    destructive: ClassVar[bool] = True
    base_url: str
    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    model: str = ""

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Read the options.

        `base_url`: default `OLLAMA_HOST`, else http://127.0.0.1:11434. `start`: argv of a server that
        stays, such as [ollama, serve]. `restart`: argv of a command that ends, such as
        [systemctl, restart, ollama]. `model`: which model must generate; default the first installed.
        """
        start = options.read("start", as_argv, ())
        restart = options.read("restart", as_argv, ())
        if not start and not restart:
            raise ConfigError("needs `start: [ollama, serve]` or `restart: [systemctl, restart, ollama]`")
        base_url = options.read("base_url", as_base_url, as_base_url(os.environ.get("OLLAMA_HOST") or "127.0.0.1"))
        return cls(base_url, start, restart, options.read("model", as_text, ""))

    @property
    def scope(self) -> str:
        """The server."""
        return f"ollama@{urlsplit(self.base_url).netloc}"

    @property
    def intent(self) -> str:
        """Names the command."""
        return f"run {' '.join(self.restart or self.start)}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Probe; start or restart; wait for an answer; verify by a generate request."""
        answers = not http_problem(f"{self.base_url}/api/version", deadline.within(2.0))
        if answers and not self._generation_problem(deadline.within(5.0)):
            return Remedy(OutcomeStatus.RECOVERED, detail=f"{self.base_url} works already")
        if answers and not self.restart:
            return Remedy(
                OutcomeStatus.FAILED,
                detail=f"{self.base_url} answers but does not generate, and no `restart` is configured",
            )
        problem = self._run(deadline) or deadline.wait_for(self._problem)
        if problem:
            return Remedy(OutcomeStatus.FAILED, detail=f"{self.intent}: {problem}")
        return Remedy(OutcomeStatus.RECOVERED, detail=f"{self.intent}: {self.base_url} generates again")

    def _problem(self, deadline: Deadline) -> str:
        problem = http_problem(f"{self.base_url}/api/version", deadline.within(1.0))
        return problem or self._generation_problem(deadline)

    def _generation_problem(self, deadline: Deadline) -> str:
        tags, problem = ask(f"{self.base_url}/api/tags", deadline)
        installed = [model.get("name", "") for model in (tags or {}).get("models", ())]
        if problem:
            return problem
        if not self.model and not installed:
            return ""  # it answers, and there is nothing it could generate with
        body = {
            "model": self.model or installed[0],
            "prompt": "Hi",
            "stream": False,
            "options": {"num_predict": 1},
        }
        return ask(f"{self.base_url}/api/generate", deadline, body)[1]

    def _run(self, deadline: Deadline) -> str:
        try:
            if not self.restart:
                _start(self.start)
                return ""
            done = subprocess.run(
                self.restart,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=deadline.remaining(),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-300:]
        return f"exit code {done.returncode}: {said}" if done.returncode else ""


def as_base_url(value: object) -> str:
    """The server's address, with what `OLLAMA_HOST` may leave out.

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


_started: list[subprocess.Popen[bytes]] = []


def _start(argv: tuple[str, ...]) -> None:
    """Start a server that outlives us, in a session of its own: a Ctrl-C for the application is not for it."""
    _started[:] = [process for process in _started if process.poll() is None]  # reap what has ended
    _started.append(
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )
