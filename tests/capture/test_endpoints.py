"""What a framework raises in its own code, the same for all views or tasks, is grouped by which it was serving."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.test_hosts import errors, need

BEGIN = """
import asyncio, logging
from llama_logging.handlers import RegistryHandler
logging.root.addHandler(RegistryHandler())
PATHS = ("/apples/1", "/apples/2", "/pears/1", "/plums/1")
def apples(*request, **parts): return None
def pears(*request, **parts): return None
def plums(*request, **parts): raise LookupError("no plums")
"""
"""Two views that return what is no response, and one that fails by itself."""

ASGI = """
async def send(message): pass
async def serve(app):
    async def receive(): return body.pop() if body else await asyncio.Event().wait()
    for path in PATHS:
        body = [{"type": "http.request", "body": b"", "more_body": False}]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"here")]}
        try:
            await app(scope, receive, send)
        except Exception:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.routing import Mount, Route
app = Starlette(routes=[Route("/apples/{n}", apples), Route("/plums/{n}", plums), Mount("/", routes=[
    Route("/pears/{n}", pears)])])
"""
DJANGO = """
from django.conf import settings
settings.configure(DEBUG=False, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="-")
from django.core.asgi import get_asgi_application
from django.urls import path
urlpatterns = [path("apples/<n>", apples), path("pears/<n>", pears), path("plums/<n>", plums)]
"""

FRAMEWORKS = {
    "starlette": f"{ASGI}{STARLETTE}asyncio.run(serve(app))",
    "starlette, with a middleware of the application's": f"""{ASGI}{STARLETTE}
from starlette.middleware.base import BaseHTTPMiddleware
async def timed(request, call_next): return await call_next(request)
app.add_middleware(BaseHTTPMiddleware, dispatch=timed)
asyncio.run(serve(app))
""",
    "django": f"{DJANGO}{ASGI}asyncio.run(serve(get_asgi_application()))",
    "django, by WSGI": f"""{DJANGO}
from django.core.wsgi import get_wsgi_application
from wsgiref.util import setup_testing_defaults
app = get_wsgi_application()
for path in PATHS:
    environ = {{"PATH_INFO": path}}
    setup_testing_defaults(environ)
    app(environ, lambda *args: None)
""",
    "flask": """
from flask import Flask
app = Flask("shop")
for view in (apples, pears, plums):
    app.add_url_rule(f"/{view.__name__}/<n>", view_func=view)
for path in PATHS:
    app.test_client().get(path)
""",
    "quart": """
from quart import Quart
app = Quart("shop")
for view in (apples, pears, plums):
    app.add_url_rule(f"/{view.__name__}/<n>", view_func=view)
async def serve():
    for path in PATHS:
        await app.test_client().get(path)
asyncio.run(serve())
""",
    "celery": """
from celery import Celery
app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
def apples(n): pass
def pears(n): pass
for name in PATHS:
    task = app.task(globals()[name.split("/")[1]], name=name.split("/")[1])
    try:
        app.tasks[task.name].apply(throw=True)
    except Exception:
        logging.exception("not done")
""",
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_error_of_the_frameworks_own_is_grouped_by_what_it_served(framework: str, run: Run) -> None:
    need(framework.partition(",")[0])
    done = run("-W", "ignore", "-c", BEGIN + FRAMEWORKS[framework])
    assert done.code == 0, done.err
    found = errors()
    assert sorted(Counter(error.fingerprint for error in found).values()) == [1, 1, 2]
    # Of the view that failed by itself its own call tells.
    told = sorted(str(error.exceptions[0].attributes.get("endpoint", "")) for error in found)
    assert [name.rpartition(".")[2] for name in told] == ["", "apples", "apples", "pears"]


ROUTER = """
from fastapi import APIRouter
router = APIRouter()
@router.get("/{shop}/number", response_model=int)
def read(shop: str): return shop
"""
FASTAPI = f"""{ASGI}
from fastapi import FastAPI
from routers.pears import api as pears
from routers.plums import api as plums
app = FastAPI()
app.include_router(pears.router, prefix="/pears")
app.include_router(plums.router, prefix="/plums")
PATHS = ("/pears/a/number", "/pears/b/number", "/plums/a/number")
asyncio.run(serve(app))
"""


def test_functions_of_one_name_in_files_of_one_name_are_told_apart(own_place: Path, run: Run) -> None:
    """The file's name alone had put what FastAPI finds wrong with the answers of all such routes into one group."""
    need("fastapi")
    for name in ("pears", "plums"):
        file = own_place / "routers" / name / "api.py"
        file.parent.mkdir(parents=True)
        file.write_text(ROUTER)
    done = run("-c", BEGIN + FASTAPI)
    assert done.code == 0, done.err
    found = errors()
    assert {error.error_type for error in found} == {"ResponseValidationError"}
    pears, plums = "endpoint routers.pears.api.read", "endpoint routers.plums.api.read"
    assert sorted(error.grouping[-1] for error in found) == [pears, pears, plums]
