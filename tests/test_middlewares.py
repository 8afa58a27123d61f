"""The trace that a request came with, and the errors of all services that it went through."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from llama_logging.capture import tracing
from llama_logging.cli.main import main
from llama_logging.context import Process
from llama_logging.handlers import RegistryHandler
from llama_logging.middlewares import TraceASGI, TraceWSGI
from llama_logging.opening import open_registry
from llama_logging.stores import urls
from tests.cli.test_commands import keep
from tests.conftest import NOON, Run, make_context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{SPAN}-01"


def traces() -> list[tuple[str, str]]:
    store = open_registry(urls.default())
    found = [(error.trace_id, error.span_id) for error in reversed(store.errors(limit=100))]
    store.close()
    return found


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        (HEADER, True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be", True),
        (f"{HEADER}-more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (HEADER.upper(), False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-01", False),
        ("", False),
        ("x" * 1_000_000, False),
    ],
)
def test_a_traceparent_is_read_as_its_standard_says(text: str, fine: bool) -> None:
    assert tracing.parse(text) == ((TRACE, SPAN) if fine else tracing.NO_TRACE)


@pytest.mark.parametrize(
    ("traceparent", "tracestate", "carried"),
    [
        (HEADER, " a=1,b=2 ", {"traceparent": HEADER, "tracestate": "a=1,b=2"}),
        (f" cc-{TRACE}-{SPAN}-01-what-the-future-will-be", "", {"traceparent": HEADER}),
        (HEADER, "a=\u00f6", {"traceparent": HEADER}),
        (HEADER, "a=1\r\nX-Evil: 1", {"traceparent": HEADER}),
        (f"{HEADER}-more", "a=1", {}),
    ],
)
def test_what_is_passed_on_is_what_any_client_can_send(
    traceparent: str, tracestate: str, carried: dict[str, str]
) -> None:
    headers: dict[str, str] = {}
    with tracing.followed(traceparent, tracestate):
        tracing.carry(headers)
    assert headers == carried


@pytest.mark.parametrize(("count", "state"), [(1, "a=1,b=2"), (2, None)])
def test_several_headers_of_one_name_are_a_list(count: int, state: str | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        tracing.carry(headers)

    headers: dict[str, str] = {}
    came = [(b"traceparent", HEADER.encode())] * count + [(b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    asyncio.run(TraceASGI(app)({"type": "http", "headers": came}, None, None))  # type: ignore[arg-type]
    assert headers.get("tracestate") == state


def fails() -> None:
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("app").exception("failed")


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    fails()


def test_requests_at_the_same_time_have_their_own_traces() -> None:
    logging.root.addHandler(RegistryHandler())
    headers = [[(b"traceparent", f"00-{n:032x}-{SPAN}-01".encode())] for n in range(1, 5)]

    async def many() -> None:
        app = TraceASGI(asgi)
        await asyncio.gather(*(app({"type": "http", "headers": each}, None, None) for each in headers))  # type: ignore[arg-type]
        await app({"type": "http", "headers": []}, None, None)  # type: ignore[arg-type]
        await app({"type": "http", "headers": headers[0] * 2}, None, None)  # type: ignore[arg-type]
        await app({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    asyncio.run(many())
    assert sorted(traces()) == [tracing.NO_TRACE] * 3 + [(f"{n:032x}", SPAN) for n in range(1, 5)]


class Answer:
    closed = False

    def __iter__(self) -> Iterator[bytes]:
        fails()
        yield b"a"
        fails()
        yield b"b"

    def close(self) -> None:
        Answer.closed = True


def test_a_wsgi_answer_is_made_within_the_trace_and_closed() -> None:
    logging.root.addHandler(RegistryHandler())
    app = TraceWSGI(lambda environ, start: Answer())
    environ: dict[str, Any] = {"HTTP_TRACEPARENT": HEADER}
    setup_testing_defaults(environ)
    answer = app(environ, lambda *args: None)
    for _ in answer:
        assert tracing.active() == tracing.NO_TRACE
    answer.close()  # type: ignore[attr-defined]
    assert traces() == [(TRACE, SPAN)] * 2
    assert Answer.closed


def test_a_service_that_says_no_name_is_called_by_its_program(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder that this lies in would fill the column."""
    code = "import logging, sys; sys.argv = ['/srv/venv/bin/uvicorn']\n"
    code += "from llama_logging.handlers import RegistryHandler as R; logging.root.addHandler(R()); logging.error('x')"
    assert run("-c", code, TRACEPARENT=HEADER).code == 0
    assert main(["trace", TRACE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"] == ["uvicorn"]


def test_a_process_belongs_to_the_trace_it_was_started_in(run: Run) -> None:
    code = "import logging; from llama_logging.handlers import RegistryHandler as R; logging.root.addHandler(R())\n"
    code += "for n in range(2):\n    try: 1 / 0\n    except Exception: logging.exception('x')"
    assert run("-c", code, TRACEPARENT=HEADER).code == 0
    assert traces() == [(TRACE, SPAN)] * 2


def test_errors_of_all_services_come_in_the_order_in_which_they_happened(capsys: pytest.CaptureFixture[str]) -> None:
    def of(service: str, second: int, trace: str = TRACE) -> Any:
        process = Process(process=service, pid=1, host="h", boot="", program="p", python="3", service=service)
        return make_context(
            process=process, trace_id=trace, span_id=SPAN, timestamp=NOON + timedelta(seconds=second),
            fingerprint=f"v1:{service}", error_message=service,
        )  # fmt: skip

    keep(of("gateway", 3), of("database", 1), of("shop", 2), of("other", 1, "1" * 32), of("longer", 1, TRACE + "00"))
    assert main(["trace", TRACE, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [error["error_message"] for error in told["errors"]] == ["database", "shop", "gateway"]
    assert [error["after"] for error in told["errors"]] == [0, 1, 2]
    assert main(["trace", TRACE.upper()]) == 0
    assert "2.000s" in capsys.readouterr().out
    assert main(["trace", "2" * 32]) == 1
