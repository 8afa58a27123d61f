"""What a reporter is."""

from __future__ import annotations

from typing import ClassVar, Protocol, Self

from llama_logging.config.options import Options
from llama_logging.reporters.report import Report

THREADS = "llama_logging-report"
"""How the names of the threads begin on which reporters run. What is logged there is recorded and not reported: a
callback that logs an error would be called with that one, and so on."""


class Reporter(Protocol):
    """Sends reports outside, one at a time.

    It runs on a thread of ours and may block; it keeps to its own timeout where it can. A report may
    come a second time, with the same id, if nobody knows whether it arrived. What it raises is a
    failure: the report is tried again later. It logs nothing.
    """

    option_names: ClassVar[tuple[str, ...]]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must stand in no message: the token of a webhook's URL, a password. Who derives has none."""
        return ()

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Make one from the options of the YAML; nothing is opened.

        Raises:
            ConfigError: If an option is missing or wrong.
            MissingExtraError: If a package is not installed.
        """
        ...

    def send(self, report: Report, timeout: float) -> None:
        """Send *report*, within so many seconds.

        Raises:
            ReportError: If it was not taken; then it says whether others may be, and when.
            Exception: Any other failure.
        """
        ...
