"""httpx, and httpx2 which is made alike: requests carry the trace on."""

from __future__ import annotations

import functools
from typing import Any

from llama_logging.capture.tracing import carry


def install(module: Any) -> None:
    """Have every request carry the active trace."""
    for client in (module.Client, module.AsyncClient):
        client.send = _carrying(client.send)


def _carrying(send: Any) -> Any:
    # Neither a coroutine function nor none: what *send* returns is handed on as it is.
    @functools.wraps(send)
    def carrying(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        carry(request.headers)
        return send(self, request, *args, **kwargs)

    return carrying
