"""One request through three services, each a process, with one registry: what failed first, and what followed.

`gateway` uses the SDK of OpenTelemetry; `orders` has our middleware and nothing else; `stock` has not one line for it,
and is started by `llama-logging run`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from llama_logging.stores import urls
from tests.conftest import Run
from tests.test_hosts import TIMEOUT, free_port, is_listening, need

pytestmark = pytest.mark.timeout(240)

YAML = """
version: 1
disable_existing_loggers: false
handlers:
  registry: {class: llama_logging.handlers.RegistryHandler, tracing: true}
  recovery:
    class: llama_logging.handlers.RecoveryHandler
    rules: [{name: shelf, match: {class: LookupError}, ladder: [{llm.fallback_text: {text: the shelf is empty}}]}]
root: {handlers: [registry, recovery]}
"""

ASKING = """
import logging, os, sys
import httpx, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def ask(request):
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        try:
            answer = await client.get(sys.argv[2])
            answer.raise_for_status()
        except httpx.HTTPError:
            logging.getLogger("app").exception("no answer")
            return PlainTextResponse("sorry", 502)
    return PlainTextResponse("fine")

app = Starlette(routes=[Route("/", ask)])
"""

SERVE = """
uvicorn.run(app, port=int(sys.argv[1]), log_config=None)
"""

CONFIGURE = """
from llama_logging import configure
configure("logging.yaml")
"""

STOCK = """
import logging, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def shelf(request):
    try:
        raise LookupError("article 7")
    except LookupError:
        # Before it answers: a server logs what leaves a request after that, and those who asked may come before it.
        logging.getLogger("stock").exception("nothing on the shelf")
        return PlainTextResponse("", 500)

app = Starlette(routes=[Route("/", shelf)])
"""

SDK = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
told = ask
async def ask(request):
    with trace.get_tracer("gateway").start_as_current_span("order") as span:
        answer = await told(request)
    answer.headers["trace"] = f"{span.get_span_context().trace_id:032x}"
    return answer
app = Starlette(routes=[Route("/", ask)])
"""

MIDDLEWARE = """
from llama_logging.middlewares import TraceASGI
app = TraceASGI(app)
"""


@pytest.fixture
def gateway(own_place: Path, postgres_url: urls.StoreURL) -> Iterator[int]:
    """The port of the first of three services."""
    need("httpx starlette uvicorn opentelemetry.sdk")
    (own_place / "logging.yaml").write_text(YAML)
    stock, orders, port = free_port(), free_port(), free_port()
    with ExitStack() as stack:

        def serve(name: str, text: str, port: int, asked: int, *before: str) -> None:
            (own_place / f"{name}.py").write_text(text)
            words = [*before, f"{name}.py", str(port), f"http://127.0.0.1:{asked}/"]
            environment = {"OTEL_SERVICE_NAME": name, "LLAMA_LOGGING_STORE": postgres_url.url}
            stack.enter_context(served(words, own_place, environment, port))

        serve("stock", STOCK + SERVE, stock, 0, "-m", "llama_logging", "run", "--")
        serve("orders", CONFIGURE + ASKING + MIDDLEWARE + SERVE, orders, stock)
        serve("gateway", CONFIGURE + ASKING + SDK + SERVE, port, orders)
        yield port


@contextmanager
def served(words: list[str], folder: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    with (folder / f"{environment['OTEL_SERVICE_NAME']}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + TIMEOUT
            while not is_listening(port) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait()


def test_a_failure_is_followed_through_all_services(
    gateway: int, postgres_url: urls.StoreURL, cli: Run, own_place: Path
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{gateway}/")
    caught.value.close()
    assert caught.value.code == 502, (own_place / "gateway.log").read_text()
    trace_id = caught.value.headers["trace"]

    done = cli("trace", trace_id, "--json", "--store", postgres_url.url)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["services"] == ["stock", "orders", "gateway"]
    assert [error["error_type"] for error in told["errors"]] == ["LookupError", *["HTTPStatusError"] * 2]
    assert [len(error["recovery_attempts"]) for error in told["errors"]] == [1, 0, 0]
    assert len({error["span_id"] for error in told["errors"]}) == 1

    first, _, _, *rows = cli("trace", trace_id, "--store", postgres_url.url).out.splitlines()
    assert first.startswith("stock failed first, at ")
    assert "; then orders, gateway, within " in first
    assert [row.split()[1] for row in rows] == ["stock", "orders", "gateway"]
    assert "llm.fallback_text fallback" in rows[0]
