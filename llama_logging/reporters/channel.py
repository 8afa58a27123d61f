"""Every error straight to a function: off the caller's thread, bounded, its failures counted."""

from __future__ import annotations

import logging

from llama_logging.context import ErrorContext
from llama_logging.reporters.callback import CallbackReporter
from llama_logging.reporters.protocol import THREADS
from llama_logging.runtime.background import Worker
from llama_logging.saying import say

CAPACITY = 1_000
"""Reports that may wait; one more is dropped and counted."""


class Channel:
    """Hands errors to one callback, in their order.

    Attributes:
        sent, failed, dropped: How many reports went out, raised, and found the queue full.
    """

    def __init__(self, reporter: CallbackReporter) -> None:
        self._reporter = reporter
        self._worker = Worker(f"{THREADS}er", capacity=CAPACITY)
        self.sent = self.failed = self.dropped = 0

    def send(self, context: ErrorContext) -> None:
        """Have *context* reported soon; never blocks, never raises."""
        if not self._worker.submit(lambda: self._report(context)):
            self.dropped += 1
            if self.dropped == 1:
                say(
                    "reporters",
                    logging.WARNING,
                    "%s does not keep up, and is not told of error %s; further ones are only counted",
                    self._reporter.name,
                    context.error_id,
                )

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
                say(
                    "reporters",
                    logging.WARNING,
                    "%s failed with %s for error %s; further failures are only counted",
                    self._reporter.name,
                    type(error).__name__,
                    context.error_id,
                    exc_info=True,
                )
