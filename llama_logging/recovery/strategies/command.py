"""Runs a command of the operator's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_texts
from llama_logging.context import ErrorContext
from llama_logging.exceptions import LlamaLoggingError
from llama_logging.recovery.commands import run
from llama_logging.recovery.naming import on_host
from llama_logging.recovery.placeholders import as_command, filled
from llama_logging.recovery.probes import Probe, as_probe, look
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy


@dataclass(frozen=True)
class Command(Strategy):
    """Runs a command to its end; it has worked if its exit code is 0 and the probe says so."""

    name: ClassVar[str] = "command"
    option_names: ClassVar[tuple[str, ...]] = ("argv", "probe", "env")
    destructive: ClassVar[bool] = True
    argv: tuple[str, ...]
    probe: Probe | None = None
    env: tuple[str, ...] = ()

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `argv`, a list of words, see `placeholders`; `probe`; `env`, names of variables it needs."""
        return cls(
            options.required("argv", as_command),
            options.read("probe", as_probe, None),
            options.read("env", as_texts, ()),
        )

    @property
    def scope(self) -> str:
        """The command, on this machine."""
        return on_host(f"command:{' '.join(self.argv)}")

    @property
    def intent(self) -> str:
        """Names the command."""
        return f"run {' '.join(self.argv)}"

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Whether the probe says that it works, or the error has no words for the gaps."""
        if self.probe is not None and not look(self.probe, deadline):
            return verdict("", "it works already")
        try:
            filled(self.argv, context)
        except LlamaLoggingError as error:
            return verdict(str(error), "")
        return None

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Run; probe until the deadline."""
        argv = filled(self.argv, context)
        done = run(argv, deadline, passed=self.env)
        problem = done.problem
        if not problem and self.probe is not None:
            problem = deadline.wait_for(self.probe, delay=0.2, longest=5.0)
        ran = f"run {' '.join(argv)}"
        return verdict(problem and f"{ran}: {problem}", f"{ran}: {done.said or 'exit code 0'}")
