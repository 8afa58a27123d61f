"""The Filter that a logging.yaml may name."""

from __future__ import annotations

import logging

from llama_logging.capture.capturing import capture


class CaptureFilter(logging.Filter):
    """Puts the ErrorContext of every error on its record, as `record.error_context`, and lets all pass.

    The handlers of this package need no filter: they capture what they see. Use it ahead of a
    QueueHandler, which destroys the exception, and to have `%(error_context)s` in a format.
    On a record that is no error the attribute is None.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Capture *record*; always True. Never raises."""
        try:
            record.error_context = capture(record)
        except Exception:
            record.error_context = None
        return True
