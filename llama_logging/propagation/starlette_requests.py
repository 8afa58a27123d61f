"""Starlette, and what is made of it: FastAPI."""

from __future__ import annotations

from typing import Any

from llama_logging.middlewares import serve_asgi_within_trace


def install(module: Any) -> None:
    """Have every request served within its trace."""
    serve_asgi_within_trace(module.Starlette)
