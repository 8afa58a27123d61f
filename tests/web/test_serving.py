"""Connections to the dashboard: how long one may be open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the dashboard's packages are not installed")

import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from llama_logging.web import serving


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """Answers after longer than a connection may be idle."""
    await asyncio.sleep(0.3)
    await PlainTextResponse("at last")(scope, receive, send)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"at last"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: ", b"at last"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", b"at last"),
    ],
    ids=["nothing", "half a request", "a request", "half of the second", "no body"],
)
def test_a_connection_ends_on_which_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, answer: bytes
) -> None:
    """But not while it is answered."""
    monkeypatch.setattr(serving, "PATIENCE", 0.1)
    config = uvicorn.Config(slow, log_config=None, log_level="critical", lifespan="off", timeout_keep_alive=60)

    async def ask() -> bytes:
        def connection() -> serving.Connection:
            return serving.Connection(config, ServerState(), {})

        async with await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(sent)
            told = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            return told

    assert asyncio.run(ask())[-7:] == answer
