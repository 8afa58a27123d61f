"""The hosts that are tried: what to type, and what must be seen. `python -m tests.hosts` writes docs/hosts.md."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "hosts.md"

REGISTRY = """
version: 1
disable_existing_loggers: false
handlers:
  registry: {class: llama_logging.handlers.RegistryHandler, store: "sqlite:///PLACE/llama_logging.db"}
root: {handlers: [registry]}
"""

ASGI = """
import logging
async def app(scope, receive, send):
    if scope["type"] != "http":
        message = await receive()
        while message["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
            message = await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/logged":
        logging.getLogger("shop").error("no stock")
    if scope["path"] == "/broken":
        raise LookupError("broken")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""

WSGI = """
import logging
def app(environ, start_response):
    if environ["PATH_INFO"] == "/logged":
        logging.getLogger("shop").error("no stock")
    if environ["PATH_INFO"] == "/broken":
        raise LookupError("broken")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

DJANGO = """
import logging, sys
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(DEBUG=False, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="-")
def fine(request):
    return HttpResponse("ok")
def logged(request):
    logging.getLogger("shop").error("no stock")
    return HttpResponse("ok")
def broken(request):
    raise LookupError("broken")
urlpatterns = [path("fine", fine), path("logged", logged), path("broken", broken)]
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""

AIOHTTP = """
import logging, sys
from aiohttp import web
async def answer(request):
    if request.path == "/logged":
        logging.getLogger("shop").error("no stock")
    if request.path == "/broken":
        raise LookupError("broken")
    return web.Response(text="ok")
app = web.Application()
app.add_routes([web.get("/{path}", answer)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
"""

TORNADO = """
import asyncio, logging, sys
import tornado.web
class Answer(tornado.web.RequestHandler):
    async def get(self, path):
        if path == "logged":
            logging.getLogger("shop").error("no stock")
        if path == "broken":
            raise LookupError("broken")
        self.write("ok")
async def main():
    tornado.web.Application([("/(.*)", Answer)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
"""

SANIC = """
import logging, sys
from sanic import Sanic, text
app = Sanic("shop")
@app.get("/<path>")
async def answer(request, path):
    if path == "logged":
        logging.getLogger("shop").error("no stock")
    if path == "broken":
        raise LookupError("broken")
    return text("ok")
if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), motd=False)
"""

FLASK = """
import logging
from flask import Flask
app = Flask("app")
@app.get("/fine")
def fine():
    return "ok"
@app.get("/logged")
def logged():
    logging.getLogger("shop").error("no stock")
    return "ok"
@app.get("/broken")
def broken():
    raise LookupError("broken")
"""


@dataclass(frozen=True)
class Server:
    """A host that answers requests.

    Attributes:
        name: As it stands in the table.
        needs: The modules that must be there.
        app: The text of app.py.
        words: What to type; PORT stands for a port.
        file: What to type to have it load a logging.yaml itself; empty where it takes none.
        extra: A regular expression of messages that the server itself logs as errors.
    """

    name: str
    needs: str
    app: str
    words: str
    file: str = ""
    extra: str = ""


SERVERS = (
    Server("uvicorn", "uvicorn", ASGI, "uvicorn app:app --port PORT", "--log-config logging.yaml"),
    Server(
        "uvicorn, two workers", "uvicorn", ASGI, "uvicorn app:app --port PORT --workers 2", "--log-config logging.yaml"
    ),
    Server("uvicorn, reload", "uvicorn", ASGI, "uvicorn app:app --port PORT --reload", "--log-config logging.yaml"),
    Server("gunicorn", "gunicorn", WSGI, "gunicorn app:app -b 127.0.0.1:PORT", "--log-config-json logging.json"),
    Server(
        "gunicorn, gevent",
        "gunicorn gevent",
        WSGI,
        "gunicorn app:app -b 127.0.0.1:PORT -k gevent",
        "--log-config-json logging.json",
    ),
    Server(
        "gunicorn, uvicorn worker",
        "gunicorn uvicorn_worker",
        ASGI,
        "gunicorn app:app -b 127.0.0.1:PORT -k uvicorn_worker.UvicornWorker",
        "--log-config-json logging.json",
    ),
    Server("hypercorn", "hypercorn", ASGI, "hypercorn app:app -b 127.0.0.1:PORT", "--log-config json:logging.json"),
    Server("Django", "django", DJANGO, "python app.py runserver PORT --noreload", extra='"GET /broken HTTP/1.1" 500 '),
    Server("Django, reload", "django", DJANGO, "python app.py runserver PORT", extra='"GET /broken HTTP/1.1" 500 '),
    Server("Flask", "flask", FLASK, "flask run --port PORT"),
    Server("Flask, debug", "flask", FLASK, "flask run --port PORT --debug --no-reload"),
    Server("aiohttp", "aiohttp", AIOHTTP, "python app.py PORT"),
    Server("Sanic", "sanic", SANIC, "python app.py PORT"),
    Server("Tornado", "tornado", TORNADO, "python app.py PORT", extra="500 GET /broken "),
)


@dataclass(frozen=True)
class Program:
    """A host that runs to its end.

    Attributes:
        name: As it stands in the table.
        needs: The modules that must be there; empty for the standard library.
        code: The text of app.py.
        seen: What must be seen, each once: type and message, with the line of app.py where it is told.
        words: What to type.
        options: Of `llama-logging run`.
        noise: A regular expression of what differs from run to run in its output.
    """

    name: str
    needs: str
    code: str
    seen: tuple[tuple[str, str], ...]
    words: str = "python app.py"
    options: str = ""
    noise: str = r"0x[0-9a-f]+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,\d]*|pid \d+|\d+\.\d+s?"


def _wiping(how: str) -> str:
    return f"""
import logging, logging.config, logging.handlers
logging.basicConfig(level=logging.INFO)
log = logging.getLogger("shop")
log.info("began")
{how}
try:
    raise LookupError("broken")
except LookupError:
    log.exception("cannot check out")
log.error("no stock")
print("ended")
"""


_BOTH = (("LookupError", "broken"), ("LogMessage", "no stock"))
WIPES = {
    "dictConfig": 'logging.config.dictConfig({"version": 1})',
    "basicConfig(force=True)": "logging.basicConfig(force=True)",
    "handlers.clear()": "logging.root.handlers.clear()",
    "setLevel(CRITICAL)": "log.setLevel(logging.CRITICAL)",
    "logging.disable()": "logging.disable(logging.CRITICAL)",
    "disabled = True": "log.disabled = True",
    "propagate = False": "log.propagate = False",
    "logging.shutdown()": "logging.shutdown()",
}

_MULTIPROCESSING = """
import logging, multiprocessing
def work():
    logging.getLogger("shop").error("no stock")
    raise LookupError("broken")
if __name__ == "__main__":
    child = multiprocessing.get_context("METHOD").Process(target=work)
    child.start()
    child.join()
    print(child.exitcode)
"""

PROGRAMS = (
    *(Program(f"a program with {name}", "", _wiping(how), _BOTH) for name, how in WIPES.items()),
    *(
        Program(f"multiprocessing, {method}", "", _MULTIPROCESSING.replace("METHOD", method), _BOTH)
        for method in ("fork", "spawn", "forkserver")
    ),
    Program(
        "uncaught, in a program and a thread",
        "",
        """
import threading
def work():
    raise LookupError("broken")
thread = threading.Thread(target=work, name="T")
thread.start()
thread.join()
raise ValueError("at the end")
""",
        (("LookupError", "broken"), ("ValueError", "at the end")),
    ),
    Program(
        "a finaliser",
        "",
        """
class Session:
    def __del__(self):
        raise LookupError("broken")
Session()
print("ended")
""",
        (("LookupError", "broken"),),
    ),
    Program(
        "an event loop with its own exception handler",
        "",
        """
import asyncio, gc
async def work():
    raise LookupError("broken")
async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: print("mine"))
    task = asyncio.ensure_future(work())
    await asyncio.sleep(0.01)
    del task
    gc.collect()
asyncio.run(main())
""",
        (("LookupError", "broken"),),
    ),
    Program(
        "a loop of uvloop with its own exception handler",
        "uvloop",
        """
import asyncio, uvloop
def work():
    raise LookupError("broken")
async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: print("mine"))
    loop.call_soon(work)
    await asyncio.sleep(0.01)
uvloop.run(main())
""",
        (("LookupError", "broken"),),
    ),
    Program(
        "a daemon that closes all files, and os._exit",
        "",
        """
import logging, os, time
log = logging.getLogger("shop")
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        log.error("no stock")
        os.chdir("/")
        os.closerange(3, writer)
        os.closerange(writer + 1, 1024)
        nothing = [os.open(os.devnull, os.O_RDWR) for _ in range(9)]
        try:
            raise LookupError("broken")
        except LookupError:
            log.exception("cannot check out")
        os._exit(0)
    os._exit(0)
os.close(writer)
os.read(reader, 1)
print("ended")
""",
        _BOTH,
    ),
    Program(
        "calls that do not fit their arguments",
        "",
        """
import logging
logging.basicConfig(level=logging.INFO)
def work():
    logging.info("%d apples", "no")
    logging.error("no stock: %d", "none")
work()
""",
        (("LogMessage", "no stock: %d [arguments not formatted: TypeError]"),),
    ),
    Program(
        "a buffer that formats in its own way, later",
        "",
        """
import json, logging, logging.handlers, sys
class Own(logging.Formatter):
    def formatException(self, info):
        return "own text of " + repr(info[1])
    def format(self, record):
        known = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
        return super().format(record) + json.dumps(sorted(set(vars(record)) - known))
behind = logging.StreamHandler(sys.stdout)
behind.setFormatter(Own())
logging.root.addHandler(logging.handlers.MemoryHandler(100, flushLevel=99, target=behind))
try:
    raise LookupError("broken")
except LookupError:
    logging.exception("cannot check out", extra={"user": 3})
logging.error("no stock")
""",
        _BOTH,
    ),
    Program(
        "a formatter that takes the exception away",
        "",
        """
import logging, sys
class Short(logging.Formatter):
    def format(self, record):
        record.exc_info = record.exc_text = None
        return super().format(record)
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(Short())
logging.root.addHandler(handler)
def fail():
    try:
        raise LookupError("broken")
    except LookupError as error:
        return error
logging.error("cannot check out", exc_info=fail())
""",
        (("LookupError", "broken"),),
    ),
    Program(
        "records that a queue brings from a process to its parent",
        "",
        """
import logging, logging.handlers, multiprocessing, threading
def work(queue):
    logging.root.handlers[:] = [logging.handlers.QueueHandler(queue)]
    try:
        raise LookupError("broken")
    except LookupError:
        logging.exception("cannot check out")
    logging.error("no stock")
if __name__ == "__main__":
    logging.basicConfig()
    queue = multiprocessing.get_context("spawn").Queue()
    child = multiprocessing.get_context("spawn").Process(target=work, args=(queue,))
    child.start()
    for _ in range(2):
        record = queue.get()
        logging.getLogger(record.name).handle(record)
    child.join()
""",
        _BOTH,
    ),
    Program(
        "printed tracebacks",
        "",
        """
import traceback
try:
    raise LookupError("broken")
except LookupError:
    traceback.print_exc()
""",
        (("LookupError", "broken"),),
        options="--printed",
    ),
    Program(
        "tracebacks that rich prints",
        "rich",
        """
from rich.console import Console
try:
    raise LookupError("broken")
except LookupError:
    Console().print_exception()
""",
        (("LookupError", "broken"),),
        options="--printed",
    ),
    Program(
        "loguru",
        "loguru",
        """
import sys
from loguru import logger
logger.remove()
logger.add(sys.stdout, format="{level} {message}")
try:
    raise LookupError("broken")
except LookupError:
    logger.exception("cannot check out")
logger.remove()
logger.error("no {}", "stock")
""",
        _BOTH,
    ),
    Program(
        "loguru behind logging",
        "loguru",
        """
import inspect, logging, sys
from loguru import logger
logger.remove()
logger.add(sys.stdout, format="{level} {file}:{line} {function} {message}")
class Intercept(logging.Handler):
    def emit(self, record):
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        logger.opt(depth=depth, exception=record.exc_info).log(record.levelname, record.getMessage())
logging.basicConfig(handlers=[Intercept()], force=True)
try:
    raise LookupError("broken")
except LookupError:
    logging.exception("cannot check out")
logging.error("no stock")
""",
        _BOTH,
    ),
    Program(
        "logging behind loguru",
        "loguru",
        """
import logging
from loguru import logger
logging.basicConfig()
class Propagate(logging.Handler):
    def emit(self, record):
        logging.getLogger(record.name).handle(record)
logger.remove()
logger.add(Propagate(), format="{message}")
try:
    raise LookupError("broken")
except LookupError:
    logger.exception("cannot check out")
logger.error("no stock")
""",
        _BOTH,
    ),
    Program(
        "structlog",
        "structlog",
        """
import structlog
structlog.configure(processors=[structlog.processors.KeyValueRenderer(sort_keys=True)])
log = structlog.get_logger()
try:
    raise LookupError("broken")
except LookupError:
    log.exception("cannot check out", user=3)
log.error("no stock")
""",
        _BOTH,
    ),
    Program(
        "structlog on logging",
        "structlog",
        """
import logging, structlog
place = structlog.processors.CallsiteParameterAdder(additional_ignores=["logging"])
show = structlog.stdlib.ProcessorFormatter(
    processors=[place, structlog.stdlib.ProcessorFormatter.remove_processors_meta, lambda *args: " ".join(
        f"{key}={value}" for key, value in sorted(args[2].items()) if key not in ("process", "thread"))],
)
logging.basicConfig()
logging.root.handlers[0].setFormatter(show)
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)
log = structlog.get_logger("shop")
try:
    raise LookupError("broken")
except LookupError:
    log.exception("cannot check out", user=3)
log.error("no stock")
""",
        _BOTH,
    ),
    Program(
        "Twisted",
        "twisted",
        """
import sys
from twisted.logger import Logger, globalLogBeginner, textFileLogObserver
from twisted.python import log as older
log = Logger(namespace="shop")
log.error("no stock")  # told once more when logging begins
globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.__stdout__, timeFormat=None)])
print("printed", file=sys.stderr)
log.info("open")
try:
    raise LookupError("broken")
except LookupError:
    log.failure("cannot check out")
try:
    raise ValueError("broken, too")
except ValueError:
    older.err(None, "cannot pay")
""",
        (*_BOTH, ("ValueError", "broken, too")),
    ),
    Program(
        "Twisted on logging",
        "twisted",
        """
import logging
from twisted.internet.defer import fail
from twisted.logger import Logger, STDLibLogObserver, globalLogBeginner
logging.basicConfig()
globalLogBeginner.beginLoggingTo([STDLibLogObserver("shop")], redirectStandardIO=False)
log = Logger()
log.error("no {what}", what="stock")
fail(LookupError("broken"))
""",
        _BOTH,
    ),
    Program(
        "IPython",
        "IPython",
        """
def work():
    raise LookupError("broken")
work()
""",
        (("LookupError", "broken"),),
        words="ipython --no-banner --colors=NoColor --HistoryManager.enabled=False --profile-dir=. app.py",
    ),
    Program(
        "Streamlit",
        "streamlit",
        """
import sys
if __name__ == "__main__" and "inner" not in sys.argv:
    from streamlit.testing.v1 import AppTest
    AppTest.from_string("raise LookupError('broken')", default_timeout=60).run()
    print("ended")
""",
        (("LookupError", "broken"),),
        noise=r"(?s)\d{4}-\d\d-\d\d .*?\n|/tmp/\S+|[^\w\n]",
    ),
    Program(
        "Gradio",
        "gradio",
        """
import logging, os, urllib.request
if __name__ == "__main__":
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio
    def work():
        logging.getLogger("shop").error("no stock")
        raise LookupError("broken")
    with gradio.Blocks() as app:
        gradio.Button("work").click(work, api_name="work")
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True)
    asked = urllib.request.Request(url + "gradio_api/run/work", b'{"data": []}', {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(asked)
    except OSError as error:
        print(error)
    app.close(verbose=False)
""",
        _BOTH,
    ),
    Program(
        "APScheduler",
        "apscheduler",
        """
import logging, time
from apscheduler.schedulers.background import BackgroundScheduler
def work():
    logging.getLogger("shop").error("no stock")
    raise LookupError("broken")
scheduler = BackgroundScheduler()
scheduler.start()
scheduler.add_job(work, id="job", name="job", misfire_grace_time=60)
while scheduler.get_jobs():
    time.sleep(0.02)
scheduler.shutdown()
""",
        _BOTH,
        noise=r"0x[0-9a-f]+|trigger: .*? UTC\)",
    ),
    Program(
        "Scrapy",
        "scrapy",
        """
import logging
import scrapy
from scrapy.crawler import CrawlerProcess
class Spider(scrapy.Spider):
    name = "shop"
    async def start(self):
        yield scrapy.Request("data:,page")
    def parse(self, response):
        self.logger.error("no stock")
        raise LookupError("broken")
process = CrawlerProcess({"LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False})
process.crawl(Spider)
process.start()
""",
        _BOTH,
        noise=r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|0x[0-9a-f]+",
    ),
)

CELERY = """
import logging
from celery import Celery
app = Celery("app", broker="redis://127.0.0.1:PORT/0")
@app.task
def work():
    logging.getLogger("shop").error("no stock")
    raise LookupError("broken")
"""
RQ = """
import logging
def work():
    logging.getLogger("shop").error("no stock")
    raise LookupError("broken")
"""
QUEUES = (
    ("Celery, prefork", "celery -A app worker --concurrency 2"),
    ("RQ", "rq worker --burst --url redis://..."),
    ("RQ, jobs in the worker", "rq worker -w rq.SimpleWorker --burst --url redis://..."),
    ("RQ, spawned jobs", "rq worker -w rq.worker.SpawnWorker --burst --url redis://..."),
    ("RQ, a pool of workers", "rq worker-pool -n 2 --burst --url redis://..."),
)
FLOWS = (
    ("Prefect", "`llama-logging run -- python app.py`", "`PREFECT_LOGGING_SETTINGS_PATH=logging.yaml python app.py`"),
    ("IPython kernel", "`llama-logging run -- CMD`, whatever starts the kernel", ""),
    ("Dagster", "", "the handler in `dagster.yaml`, under `python_logs: dagster_handler_config: handlers:`"),
)
"""tests/test_flows.py"""


def table() -> str:
    """The table of the document."""
    rows = ["| host | what to type | the same without `run` | seen |", "|---|---|---|---|"]
    for server in SERVERS:
        more = "; and a line of the server's own about it" if server.extra else ""
        file = f"`{server.words} {server.file}`" if server.file else ""
        words = f"`llama-logging run -- {server.words}`"
        rows.append(f"| {server.name} | {words} | {file} | every 500 and what the application logs{more} |")
    for name, words in QUEUES:
        rows.append(f"| {name} | `llama-logging run -- {words}` | | failed jobs and what they log |")
    for name, words, file in FLOWS:
        rows.append(f"| {name} | {words} | {file} | failed runs, or cells, and what they log |")
    for program in PROGRAMS:
        options = f"{program.options} " if program.options else ""
        words = f"`llama-logging run {options}-- {program.words.split(' --', 1)[0]}`"
        rows.append(f"| {program.name} | {words} | | {', '.join(kind for kind, _ in program.seen)} |")
    return "\n".join(rows)


def document() -> str:
    """The document with a new table."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.sub(r"(?s)\| host \|.*?\n\n|\Z", table() + "\n\n", text, count=1)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    sys.stdout.write(table() + "\n")
