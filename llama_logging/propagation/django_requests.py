"""Django, by ASGI and by WSGI."""

from __future__ import annotations

from typing import Any

from llama_logging.middlewares import serve_asgi_within_trace, serve_wsgi_within_trace


def install(module: Any) -> None:
    """Have every request served within its trace."""
    if module.__name__.endswith(".asgi"):
        serve_asgi_within_trace(module.ASGIHandler)
    else:
        serve_wsgi_within_trace(module.WSGIHandler)
