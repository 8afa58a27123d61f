"""requests: its requests carry the trace on."""

from __future__ import annotations

import functools
from typing import Any

from llama_logging.capture.tracing import carry


def install(module: Any) -> None:
    """Have every request carry the active trace."""
    send = module.Session.send

    @functools.wraps(send)
    def carrying(self: Any, request: Any, **kwargs: Any) -> Any:
        carry(request.headers)
        return send(self, request, **kwargs)

    module.Session.send = carrying
