"""The trace that a request came with: for applications without OpenTelemetry.

Nothing is sent, nothing measured, no span begun: what is logged while a request is worked on is given
the ids of its `traceparent` header.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

from llama_logging.tracing import followed

_HEADER = "traceparent"

ASGIApp = Callable[[MutableMapping[str, Any], Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Any]
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TraceASGI:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[..., Awaitable[Any]],
        send: Callable[..., Awaitable[Any]],
    ) -> None:
        """Serve a request within its trace."""
        with followed(_of_asgi(scope)):
            await self.app(scope, receive, send)


class TraceWSGI:
    """Wraps a WSGI application; what its answer's iterator logs belongs to the request as well."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request within its trace."""
        header = str(environ.get("HTTP_TRACEPARENT", ""))
        with followed(header):
            answer = self.app(environ, start_response)
        return _Answer(answer, header) if header else answer


class _Answer:
    """An answer whose parts are made within the trace. Between them the server goes on in no trace."""

    def __init__(self, answer: Iterable[bytes], header: str) -> None:
        self._answer, self._header = answer, header

    def __iter__(self) -> Iterator[bytes]:
        with followed(self._header):
            parts = iter(self._answer)
        while True:
            with followed(self._header):
                try:
                    part = next(parts)
                except StopIteration:
                    return
            yield part

    def close(self) -> None:
        """PEP 3333: the server closes what it was given."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            with followed(self._header):
                close()


def _of_asgi(scope: MutableMapping[str, Any]) -> str:
    found = [value for name, value in scope.get("headers") or () if name == _HEADER.encode()]
    # More than one is none (W3C Trace Context, 3.2): nobody knows which is meant.
    return found[0].decode("latin-1") if len(found) == 1 else ""
