"""The request that is worked on: errors meanwhile have the ids of its `traceparent`, its method and its path."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

from llama_logging import semconv
from llama_logging.capture.tagging import tagged
from llama_logging.capture.tracing import TRACEPARENT, TRACESTATE, followed

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
        headers = _of_asgi(scope, TRACEPARENT), _of_asgi(scope, TRACESTATE)
        with followed(*headers), _request(scope.get("method"), scope.get("path")):
            await self.app(scope, receive, send)


class TraceWSGI:
    """Wraps a WSGI application; what its answer's iterator logs belongs to the request as well."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request within its trace."""
        headers = environ.get("HTTP_TRACEPARENT", ""), environ.get("HTTP_TRACESTATE", "")
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        request = _request(environ.get("REQUEST_METHOD"), _text(path))
        with followed(*headers), request:
            answer = self.app(environ, start_response)
        # A server knows the length of a list, and sends a file by itself.
        is_made = isinstance(answer, (list, tuple, *_file_wrapper(environ)))
        return answer if is_made else _Answer(answer, headers, request)


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
    """An answer whose parts are made within its request. Between them the server works on none."""

    def __init__(self, answer: Iterable[bytes], headers: tuple[str, str], request: tagged) -> None:
        self._answer, self._headers, self._request = answer, headers, request

    def __iter__(self) -> Iterator[bytes]:
        with followed(*self._headers), self._request:
            parts = iter(self._answer)
        while True:
            with followed(*self._headers), self._request:
                try:
                    part = next(parts)
                except StopIteration:
                    return
            yield part

    def close(self) -> None:
        """PEP 3333: the server closes what it was given."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            with followed(*self._headers), self._request:
                close()


def _request(method: object, path: object) -> tagged:
    """What else a server has an application told of, such as its own start, has neither."""
    request = {semconv.HTTP_REQUEST_METHOD: method, semconv.URL_PATH: path}
    return tagged(**{name: value for name, value in request.items() if value})


def _file_wrapper(environ: dict[str, Any]) -> tuple[type, ...]:
    wrapper = environ.get("wsgi.file_wrapper")
    return (wrapper,) if isinstance(wrapper, type) else ()


def _text(path: str) -> str:
    # PEP 3333: bytes, as Latin-1.
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _of_asgi(scope: MutableMapping[str, Any], header: str) -> str:
    # As WSGI has them: several of tracestate are one list (RFC 9110, 5.3), of traceparent none.
    return ",".join(value.decode("latin-1") for name, value in scope.get("headers") or () if name == header.encode())
