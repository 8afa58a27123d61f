"""Tells open pages that something has changed; what, they ask for themselves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from llama_logging.exceptions import LlamaLoggingError
from llama_logging.web.desk import Desk

PAUSE = 1.0
"""Seconds between two looks, of all pages together."""
HEARTBEAT = 15.0
"""Seconds after which a proxy is shown that the line is alive."""
MOST = 100
"""Pages that are told; more may be open, and are not."""


class Pulse:
    """The registry's pulse, asked for by all open pages together.

    Attributes:
        answers: Whether the store did when it was asked last.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked_at = float("-inf")
        self._value = ""
        self.answers = True
        self.listeners = 0

    async def now(self) -> str:
        """Not older than PAUSE; the last one known while the store does not answer."""
        if time.monotonic() - self._asked_at >= PAUSE:
            self._asked_at = time.monotonic()
            try:
                self._value = await self._desk.ask(lambda store: store.pulse())
                self.answers = True
            except LlamaLoggingError:
                self.answers = False
        return self._value


class Stream(StreamingResponse):
    """A stream of server-sent events, if not too many are open: it counts from before its first byte to its end."""

    def __init__(self, pulse: Pulse, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self._pulse = pulse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if self._pulse.listeners >= MOST:
            await PlainTextResponse("Too many pages are open.", 503)(scope, receive, send)
            return
        self._pulse.listeners += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pulse.listeners -= 1


def stream(desk: Desk, ending: Callable[[], bool]) -> Callable[[Request], Awaitable[Response]]:
    """The handler: a stream of server-sent events, one for each change, until the server is *ending*.

    An event `down` says that the store does not answer any more, `up` that it does again.
    """
    pulse = Pulse(desk)

    async def events(seen: str) -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        told, answers = time.monotonic(), True
        while not ending():
            value = await pulse.now()
            if answers != pulse.answers:
                answers = pulse.answers
                yield f"event: {'up' if answers else 'down'}\ndata: -\n\n"  # without data none is dispatched
            if value and value != seen:
                seen, told = value, time.monotonic()
                yield f"data: {value}\n\n"
            elif time.monotonic() - told > HEARTBEAT:
                told = time.monotonic()
                yield ": \n\n"
            await anyio.sleep(PAUSE)

    async def answer(request: Request) -> Response:
        return Stream(pulse, events(request.query_params.get("seen", "")))

    return answer
