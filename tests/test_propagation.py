"""A trace goes through the libraries that applications are made of, each in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from llama_logging import propagation
from tests import hosts
from tests.conftest import Run
from tests.test_hosts import RUN, command, errors, finished, need, redis, started, wait_for
from tests.test_middlewares import HEADER, SPAN, TRACE

pytestmark = pytest.mark.timeout(240)
__all__ = ["redis"]

YAML = hosts.REGISTRY.replace("store:", "tracing: true, store:")

BEGIN = """
import logging
from llama_logging.handlers import RegistryHandler
logging.root.addHandler(RegistryHandler(tracing=True))
"""

INCOMING = {
    "starlette": """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
async def fails(request):
    logging.error("no stock")
    return PlainTextResponse("ok")
TestClient(Starlette(routes=[Route("/", fails)])).get("/", headers=HEADERS)
""",
    "fastapi": """
from fastapi import FastAPI
from fastapi.testclient import TestClient
app = FastAPI()
@app.get("/")
def fails():
    logging.error("no stock")
TestClient(app).get("/", headers=HEADERS)
""",
    "flask": """
from flask import Flask
app = Flask("app")
@app.get("/")
def fails():
    logging.error("no stock")
    return "ok"
app.test_client().get("/", headers=HEADERS)
""",
    "django": """
import asyncio
from django.conf import settings
settings.configure(DEBUG=False, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="-")
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from wsgiref.util import setup_testing_defaults
def fails(request):
    logging.error("no stock")
    return HttpResponse("ok")
urlpatterns = [path("", fails)]
environ = {"HTTP_TRACEPARENT": HEADERS["traceparent"]}
setup_testing_defaults(environ)
get_wsgi_application()(environ, lambda *args: None)
async def receive():
    await asyncio.sleep(0)
    return {"type": "http.request", "body": b"", "more_body": False} if not asked.append(1) and len(asked) == 1 else (
        await asyncio.sleep(60))
async def send(message):
    pass
asked = []
headers = [(b"traceparent", HEADERS["traceparent"].encode()), (b"host", b"localhost")]
asyncio.run(get_asgi_application()({"type": "http", "method": "GET", "path": "/", "headers": headers}, receive, send))
""",
}


@pytest.mark.parametrize("library", INCOMING)
def test_a_request_is_worked_on_within_its_trace(library: str, run: Run) -> None:
    need(f"{library} httpx")
    code = BEGIN + f"HEADERS = {{'traceparent': {HEADER!r}}}\n" + INCOMING[library]
    done = run("-W", "ignore", "-c", code + "logging.error('between requests')\n")
    assert (done.code, done.err) == (0, "")
    found = {(error.error_message, error.trace_id, error.span_id) for error in errors()}
    assert found == {("no stock", TRACE, SPAN), ("between requests", "", "")}


UNHANDLED = """
import asyncio
from starlette.applications import Starlette
from starlette.routing import Route
def fails(request):
    raise LookupError("left to the server")
async def nothing(*args):
    return {"type": "http.request", "body": b"", "more_body": False}
scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"traceparent", HEADER)]}
async def serve():
    try:
        await Starlette(routes=[Route("/", fails)])(scope, nothing, nothing)
    except LookupError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
asyncio.run(serve())
"""


def test_what_a_request_leaves_to_its_server_belongs_to_its_trace(run: Run) -> None:
    """The server logs it when the request is over."""
    done = run("-c", BEGIN + f"HEADER = {HEADER.encode()!r}\n" + UNHANDLED)
    assert done.code == 0, done.err
    assert {(error.error_message, error.trace_id) for error in errors()} == {("left to the server", TRACE)}


LOST = """
import asyncio
from starlette.applications import Starlette
from starlette.routing import Route
async def lost():
    raise LookupError("lost")
def later():
    raise ValueError("later")
async def works(request):
    asyncio.get_running_loop().call_soon(later)
    asyncio.create_task(lost())
async def nothing(*args):
    return {"type": "http.request", "body": b"", "more_body": False}
scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"traceparent", HEADER)]}
async def serve():
    try:
        await Starlette(routes=[Route("/", works)])(scope, nothing, nothing)
    except TypeError:
        pass  # it has answered nothing
    await asyncio.sleep(0.05)
asyncio.Runner(loop_factory=FACTORY).run(serve())
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a task tells its context since Python 3.12")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "handler", ["", "asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)"]
)
def test_what_nobody_fetches_from_a_task_belongs_to_the_request_that_began_it(
    own_place: Path, run: Run, loop: str, handler: str
) -> None:
    """The loop tells of it when no request is worked on any more; under `run` also where a handler takes it."""
    need(f"{loop} starlette")
    (own_place / "logging.yaml").write_text(YAML.replace("PLACE", str(own_place)))
    code = LOST.replace("HEADER", f"{HEADER.encode()!r}").replace("FACTORY", f"{loop}.new_event_loop")
    code = code.replace("async def serve():\n", f"async def serve():\n    {handler}\n")
    (own_place / "app.py").write_text(f"import {loop}\n{code}")
    done = finished([*RUN, "--", *command("python app.py")], own_place)
    assert done.code == 0, done.err
    found = {(error.error_message, error.trace_id, error.tags.get("url.path")) for error in errors()}
    assert {("lost", TRACE, "/"), ("later", TRACE, "/")} <= found


OUTGOING = """
import asyncio, http.server, json, threading
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told.append([self.headers["traceparent"], self.headers["tracestate"]])
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
told = []
server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
import %s as httpx, requests
from llama_logging.capture.tracing import followed
async def ask():
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url)
def all():
    httpx.get(url)
    asyncio.run(ask())
    requests.get(url)
all()
with followed(%r, "a=1"):
    all()
    httpx.get(url, headers={"Traceparent": "another"})
print(json.dumps(told))
"""


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_requests_carry_the_trace_on(run: Run, library: str) -> None:
    need(library)
    done = run("-c", BEGIN + OUTGOING % (library, HEADER))
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == [[None, None]] * 3 + [[HEADER, "a=1"]] * 3 + [["another", None]]


SPANS = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
from llama_logging.capture.tracing import carry
headers = {}
with trace.get_tracer("app").start_as_current_span("order") as span:
    carry(headers)
    logging.warning("slow")
    try:
        raise LookupError("broken: token=hunter2hunter2")
    except LookupError:
        logging.exception("cannot order")
with trace.get_tracer("app").start_as_current_span("fine"):
    logging.info("fine")
context = span.get_span_context()
ids = f"{context.trace_id:032x}-{context.span_id:016x}"
assert headers == {"traceparent": f"00-{ids}-{context.trace_flags:02x}"}, headers
for span in kept.get_finished_spans():
    print(span.name, span.status.status_code.name, span.status.description, dict(span.attributes))
print(f"{context.trace_id:032x}")
"""


def test_the_span_of_opentelemetry_is_marked_with_the_error(run: Run) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    done = run("-c", BEGIN + SPANS, OTEL_SDK_DISABLED="false")
    assert (done.code, done.err) == (0, "")
    (error,) = errors()
    marks = {"error.type": "LookupError", "llama_logging.error_id": error.error_id}
    marked, fine, trace_id = done.out.splitlines()
    assert marked == f"order ERROR {error.error_message} {marks}"
    assert "hunter2" not in done.out
    assert fine == "fine UNSET None {}"
    assert error.trace_id == trace_id


def test_a_task_of_celery_belongs_to_the_trace_of_its_sender(own_place: Path, redis: int) -> None:
    need("celery")
    (own_place / "app.py").write_text(hosts.CELERY.replace("PORT", str(redis)))
    (own_place / "logging.yaml").write_text(YAML.replace("PLACE", str(own_place)))
    words = command("celery -A app worker --concurrency 1 --loglevel INFO")
    send = "import app; app.work.delay()"
    traced = f"from llama_logging.capture.tracing import followed\nwith followed({HEADER!r}): {send}"
    (own_place / "sender.py").write_text(f"{traced}\n{send}\n")
    with started([*RUN, "--", *words], own_place) as worker:
        done = finished([*RUN, "--", "sender.py"], own_place)
        assert done.code == 0, done.err
        wait_for(own_place / "server.log", "raised unexpected", worker)
    told = sorted((error.error_message, error.trace_id, error.span_id) for error in errors())
    assert [one for one in told if one[1]] == [("broken", TRACE, SPAN), ("no stock", TRACE, SPAN)]
    assert all(one[1] in ("", TRACE) for one in told)


def test_a_job_of_rq_belongs_to_the_trace_of_its_sender(own_place: Path, redis: int) -> None:
    need("rq")
    (own_place / "app.py").write_text(hosts.RQ)
    (own_place / "logging.yaml").write_text(YAML.replace("PLACE", str(own_place)))
    url = f"redis://127.0.0.1:{redis}"
    (own_place / "sender.py").write_text(
        "import rq, redis\n"
        "from llama_logging.capture.tracing import followed\n"
        f"with followed({HEADER!r}, 'a=1'):\n"
        f"    rq.Queue(connection=redis.Redis.from_url({url!r})).enqueue('app.work')\n"
    )
    done = finished([*RUN, "--", "sender.py"], own_place)
    assert done.code == 0, done.err
    done = finished([*RUN, "--", *command(f"rq worker --burst --url {url} --path .")], own_place)
    assert done.code == 0, done.err
    assert {(error.error_message, error.trace_id) for error in errors()} == {("broken", TRACE), ("no stock", TRACE)}


def test_without_being_asked_for_nothing_is_followed_or_passed_on(run: Run) -> None:
    done = run("-c", BEGIN.replace("tracing=True", "") + OUTGOING % ("httpx", HEADER))
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)[3:6] == [[None, None]] * 3


def test_a_library_that_is_not_as_we_know_it_works_all_the_same(own_place: Path, run: Run) -> None:
    (own_place / "requests").mkdir()
    (own_place / "requests" / "__init__.py").write_text("from requests.sessions import ask\n")
    (own_place / "requests" / "sessions.py").write_text("def ask(): return 'answer'\n")
    done = run("-c", BEGIN + "import sys; sys.path.insert(0, '.')\nimport requests; print(requests.ask())")
    assert (done.code, done.out) == (0, "answer\n")
    assert done.err.startswith("llama_logging: requests.sessions: traces end there: AttributeError")


def test_every_bridge_is_there(run: Run) -> None:
    modules = ", ".join(sorted({f"{propagation.__name__}.{name}" for name in propagation.BRIDGES.values()}))
    assert run("-c", f"import {modules}").code == 0
