"""The trace that a request came with: what is logged while it is worked on is given the ids of its `traceparent`."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

from llama_logging.tracing import TRACEPARENT, TRACESTATE, followed

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
        with followed(_of_asgi(scope, TRACEPARENT), _of_asgi(scope, TRACESTATE)):
            await self.app(scope, receive, send)


class TraceWSGI:
    """Wraps a WSGI application; what its answer's iterator logs belongs to the request as well."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request within its trace."""
        headers = environ.get("HTTP_TRACEPARENT", ""), environ.get("HTTP_TRACESTATE", "")
        with followed(*headers):
            answer = self.app(environ, start_response)
        return _Answer(answer, headers) if headers[0] else answer


def serve_asgi_within_trace(cls: Any) -> None:
    """Have the applications of a class serve each request within its trace."""
    serve = cls.__call__

    @functools.wraps(serve)
    async def within(self: Any, scope: Any, receive: Any, send: Any) -> None:
        await TraceASGI(functools.partial(serve, self))(scope, receive, send)

    cls.__call__ = within


def serve_wsgi_within_trace(cls: Any) -> None:
    """Have the applications of a class serve each request within its trace."""
    serve = cls.__call__

    @functools.wraps(serve)
    def within(self: Any, environ: Any, start_response: Any) -> Any:
        return TraceWSGI(functools.partial(serve, self))(environ, start_response)

    cls.__call__ = within


class _Answer:
    """An answer whose parts are made within the trace. Between them the server goes on in no trace."""

    def __init__(self, answer: Iterable[bytes], headers: tuple[str, str]) -> None:
        self._answer, self._headers = answer, headers

    def __iter__(self) -> Iterator[bytes]:
        with followed(*self._headers):
            parts = iter(self._answer)
        while True:
            with followed(*self._headers):
                try:
                    part = next(parts)
                except StopIteration:
                    return
            yield part

    def close(self) -> None:
        """PEP 3333: the server closes what it was given."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            with followed(*self._headers):
                close()


def _of_asgi(scope: MutableMapping[str, Any], header: str) -> str:
    # As WSGI has them: several of tracestate are one list (RFC 9110, 5.3), of traceparent none.
    return ",".join(value.decode("latin-1") for name, value in scope.get("headers") or () if name == header.encode())
