"""Flask: in debug mode and in tests an exception is raised to the server and not logged."""

from __future__ import annotations

from typing import Any

from llama_logging.attachment.hooks import keep
from llama_logging.context import ErrorSeverity


def install(module: Any) -> None:
    """Capture what Flask will not log."""
    module.got_request_exception.connect(_on_exception, weak=False)


def _on_exception(app: Any, exception: BaseException, **_: Any) -> None:
    raised = app.config.get("PROPAGATE_EXCEPTIONS")
    if raised or (raised is None and (app.testing or app.debug)):
        keep(exception, "flask", ErrorSeverity.ERROR, app.logger.name)
