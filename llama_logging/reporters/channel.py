"""What a reporter is, and the way to one: off the caller's thread, bounded, its failures counted."""

from __future__ import annotations

import logging
from typing import Protocol

from llama_logging.background import Worker
from llama_logging.context import ErrorContext

CAPACITY = 1_000
"""Reports that may wait; one more is dropped and counted."""

_logger = logging.getLogger("llama_logging.reporters")


class Reporter(Protocol):
    """Sends one error outside. It runs on a thread of ours and may block; what it raises is a failure."""

    @property
    def name(self) -> str:
        """What is told when it fails."""
        ...

    def report(self, context: ErrorContext) -> None:
        """Send *context*."""
        ...


class Channel:
    """Hands errors to one reporter, in their order.

    Attributes:
        sent, failed, dropped: How many reports went out, raised, and found the queue full.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._worker = Worker("llama_logging-reporter", capacity=CAPACITY)
        self.sent = self.failed = self.dropped = 0

    def send(self, context: ErrorContext) -> None:
        """Have *context* reported soon; never blocks, never raises."""
        if not self._worker.submit(lambda: self._report(context)):
            self.dropped += 1

    def finish(self, timeout: float) -> bool:
        """Wait for the reports under way, *timeout* seconds at most; False if some are left."""
        return self._worker.finish(timeout)

    def _report(self, context: ErrorContext) -> None:
        try:
            self._reporter.report(context)
            self.sent += 1
        except BaseException as error:
            self.failed += 1
            if self.failed == 1:
                _logger.warning(
                    "%s failed with %s for error %s; further failures are only counted",
                    self._reporter.name,
                    type(error).__name__,
                    context.error_id,
                    exc_info=True,
                )
