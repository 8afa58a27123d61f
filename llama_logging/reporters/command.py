"""Reports to a command: JSON on its standard input."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_argv, as_seconds, as_texts
from llama_logging.exceptions import ReportError
from llama_logging.recovery.commands import run
from llama_logging.recovery.strategy import Deadline
from llama_logging.reporters import http
from llama_logging.reporters.report import Report


@dataclass(frozen=True)
class CommandReporter:
    """Runs *argv* for each report; whatever it has started is killed when the time is over.

    Attributes:
        passed: Names of environment variables that it needs besides the usual few.
    """

    argv: tuple[str, ...]
    timeout: float = http.TIMEOUT
    passed: tuple[str, ...] = ()

    option_names: ClassVar[tuple[str, ...]] = ("argv", "timeout", "pass")

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        return cls(
            options.required("argv", as_argv),
            min(http.LONGEST, options.read("timeout", as_seconds, http.TIMEOUT)),
            options.read("pass", as_texts, ()),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its words but the first: one may be a token."""
        return tuple(word for word in self.argv[1:] if len(word) > 7)

    def send(self, report: Report, timeout: float) -> None:
        """Run it; any exit code but 0 is a failure."""
        given = json.dumps(report.as_dict()).encode()
        done = run(self.argv, Deadline(min(timeout, self.timeout)), passed=self.passed, given=given)
        if done.problem:
            raise ReportError(done.problem)
