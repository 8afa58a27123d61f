"""Flask."""

from __future__ import annotations

from typing import Any

from llama_logging.middlewares import serve_wsgi_within_trace


def install(module: Any) -> None:
    """Have every request served within its trace."""
    serve_wsgi_within_trace(module.Flask)
