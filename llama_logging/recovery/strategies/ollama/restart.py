"""Brings an Ollama server back."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_argv, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.matching import STATUSES
from llama_logging.recovery.commands import run
from llama_logging.recovery.strategies.ollama.models import wanted
from llama_logging.recovery.strategies.ollama.server import PATIENCE, OllamaServer, OnServer
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.tried import OutcomeStatus

TIMEOUT_ADVICE = (
    "the server accepted and never answered: give every client a timeout, such as ollama.Client(timeout=120). "
    "The ollama package has none by default, and a call that waits for ever can neither be logged nor healed"
)


@dataclass(frozen=True)
class OllamaRestart(OnServer):
    """Starts or restarts an Ollama server by a configured command, and verifies that it generates.

    First it asks whether the server generates already: somebody else may have been faster. So it does
    after the command: success is one generated token, not an exit code.
    """

    name: ClassVar[str] = "ollama.restart"
    option_names: ClassVar[tuple[str, ...]] = ("base_url", "start", "restart", "model", "patience")
    destructive: ClassVar[bool] = True
    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    model: str = ""
    patience: float = PATIENCE

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Read the options.

        `base_url`: default `OLLAMA_HOST`, else http://127.0.0.1:11434. `start`: argv of a server that
        stays, such as [ollama, serve]. `restart`: argv of a command that ends, such as
        [systemctl, restart, ollama]. `model`: which model must generate; default the one the error is
        about, else the first installed. `patience`: seconds one token may take before a server that
        answers counts as wedged.
        """
        start = options.read("start", as_argv, ())
        restart = options.read("restart", as_argv, ())
        if not start and not restart:
            options.refuse("", "needs `start: [ollama, serve]` or `restart: [systemctl, restart, ollama]`")
        return cls(
            OllamaServer.configured(options),
            start,
            restart,
            options.read("model", as_text, ""),
            options.read("patience", as_seconds, PATIENCE),
        )

    @property
    def intent(self) -> str:
        """Names the command."""
        return f"run {' '.join(self.restart or self.start)}"

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Whether it generates; whether what is wrong is such that a restart may help."""
        version = self.server.version(deadline.within(2.0))
        model = wanted(context, self.model)
        answer = version if version.problem else self.server.generate(model, deadline.within(self.patience))
        wrong = answer.problem
        if not wrong:
            return Remedy(OutcomeStatus.RECOVERED, detail=f"{self.server.base_url} works already")
        if not answer.restartable:
            return Remedy(OutcomeStatus.FAILED, detail=f"a restart of {self.server.base_url} changes nothing: {wrong}")
        if not version.problem and not self.restart:
            detail = f"{self.server.base_url} answers but does not generate, and no `restart` is configured"
            return Remedy(OutcomeStatus.FAILED, detail=f"{detail}: {wrong}")
        return None

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Start or restart it; wait for an answer; verify by a generate request."""
        model = wanted(context, self.model)
        # A refusal is an answer, too: of a server that gives one no client waits for ever.
        answered = any(name in error.attributes for error in context.exceptions for name in STATUSES)
        hung = not answered and self._accepts(deadline)
        problem = self._run(deadline) or deadline.wait_for(self.server.version_problem)
        problem = problem or self.server.generates_in_time(model, deadline)
        if problem:
            return Remedy(OutcomeStatus.FAILED, detail=f"{self.intent}: {problem}")
        detail = f"{self.intent}: {self.server.base_url} generates again"
        return Remedy(OutcomeStatus.RECOVERED, detail=detail, advice=TIMEOUT_ADVICE if hung else "")

    def _accepts(self, deadline: Deadline) -> bool:
        """Whether it takes requests, answered or not."""
        problem = self.server.version(deadline.within(2.0)).problem
        return not problem or "timed out" in problem

    def _run(self, deadline: Deadline) -> str:
        if self.restart:
            return run(self.restart, deadline, passed=("OLLAMA_HOST", "OLLAMA_MODELS")).problem
        try:
            _start(self.start)
        except OSError as error:
            return str(error)
        return ""


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
