"""Streamlit: an exception in a script is printed by rich."""

from __future__ import annotations

import functools
from typing import Any

from llama_logging.attachment.hooks import keep
from llama_logging.context import ErrorSeverity


def install(module: Any) -> None:
    """Capture what is printed."""
    original = module._log_uncaught_app_exception

    @functools.wraps(original)
    def log_uncaught_app_exception(error: BaseException) -> Any:
        keep(error, "streamlit", ErrorSeverity.ERROR)
        return original(error)

    module._log_uncaught_app_exception = log_uncaught_app_exception
