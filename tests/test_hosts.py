"""Applications that are not ours, through both doors: each error once, and all else as it was."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from llama_logging.attachment.configuration import shipped_text
from llama_logging.context import ErrorContext
from llama_logging.opening import open_registry
from llama_logging.stores import urls
from tests import hosts
from tests.conftest import Finished, Run
from tests.hosts import PROGRAMS, QUEUES, SERVERS, Program, Server

RUN = [sys.executable, "-m", "llama_logging", "run"]
TIMEOUT = 60

pytestmark = pytest.mark.timeout(240)


def need(modules: str) -> None:
    """Skip the test if one of *modules* is not installed."""
    for module in modules.split():
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'llama_logging[hosts]'")


def command(words: str, **changes: str) -> list[str]:
    """*words* as typed, with the programs of this Python's environment."""
    program, *rest = words.split()
    for name, value in changes.items():
        rest = [word.replace(name, value) for word in rest]
    beside = Path(sys.executable).with_name(program)
    return [sys.executable if program == "python" else str(beside) if beside.exists() else program, *rest]


def errors() -> list[ErrorContext]:
    """What the registry of this folder has."""
    store = open_registry(urls.parse(urls.DEFAULT))
    try:
        return store.errors(limit=1000)
    finally:
        store.close()


def counted(found: list[ErrorContext]) -> Counter[tuple[str, str]]:
    return Counter((error.error_type, error.error_message) for error in found)


def finished(words: list[str], folder: Path) -> Finished:
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_is_as_it_was_and_each_of_its_errors_is_there_once(own_place: Path, program: Program) -> None:
    need(program.needs)
    (own_place / "app.py").write_text(program.code)
    (own_place / "logging.yaml").write_text(hosts.REGISTRY.replace("PLACE", str(own_place)))
    words = command(program.words)

    alone = finished(words, own_place)
    done = finished([*RUN, *program.options.split(), "--", *words], own_place)

    def plain(text: str) -> str:
        return re.sub(program.noise, "", text)

    assert (done.code, plain(done.out), plain(done.err)) == (alone.code, plain(alone.out), plain(alone.err))
    found = errors()
    assert counted(found) == Counter(program.seen)
    lines = (own_place / "app.py").read_text().splitlines()
    for error in found:
        if error.error_type == "LogMessage":
            assert Path(error.source_file).name == "app.py"
            assert "stock" in lines[error.source_line - 1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def started(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of these words, until the block ends; then SIGTERM."""
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(TIMEOUT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def serving(words: str, folder: Path, port: int, *before: str) -> Iterator[subprocess.Popen[bytes]]:
    """As `started`, from when the port answers."""
    deadline = time.monotonic() + TIMEOUT
    with started([*before, *command(words, PORT=str(port))], folder) as process:
        while not is_listening(port) and time.monotonic() < deadline:
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.05)
        yield process
        # Its line about a request comes after the answer.
        size, path = -1, folder / "server.log"
        while size != path.stat().st_size and process.poll() is None:
            size = path.stat().st_size
            time.sleep(0.3)


def visit(port: int) -> tuple[int, ...]:
    return tuple(get(f"http://127.0.0.1:{port}/{path}") for path in ("fine", "logged", "broken"))


def place(server: Server, folder: Path, text: str) -> None:
    need(server.needs)
    (folder / "app.py").write_text(server.app)
    (folder / "logging.yaml").write_text(text)
    (folder / "logging.json").write_text(json.dumps(yaml.safe_load(text)))


def log_of(folder: Path, server: Server) -> Counter[str]:
    """The lines of a server's log, in no order: processes write as they come.

    Of several workers one answers, and another may not have come to its first line: each line counts once.
    """
    text = re.sub(r"\x1b\[[\d;]*m|\d+", "", (folder / "server.log").read_text())
    lines = text.splitlines()
    return Counter(set(lines) if "--workers" in server.words else lines)


def assert_each_once(server: Server) -> None:
    found = [error for error in errors() if not (server.extra and re.match(server.extra, error.log_message))]
    assert counted(found) == {("LookupError", "broken"): 1, ("LogMessage", "no stock"): 1}
    (broken,) = [error for error in found if error.error_type == "LookupError"]
    assert 'raise LookupError("broken")' in broken.stack_trace
    assert Path(broken.source_file).name == "app.py"


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_server_is_as_it_was_and_each_of_its_errors_is_there_once(own_place: Path, server: Server) -> None:
    place(server, own_place, hosts.REGISTRY.replace("PLACE", str(own_place)))
    port = free_port()

    with serving(server.words, own_place, port) as alone:
        assert visit(port) == (200, 200, 500)
    expected = log_of(own_place, server)
    with serving(server.words, own_place, port, *RUN, "--") as attached:
        assert visit(port) == (200, 200, 500)

    assert attached.returncode == alone.returncode
    assert log_of(own_place, server) == expected
    assert_each_once(server)


@pytest.mark.parametrize("before", [[], [*RUN, "--"]], ids=["its own", "both"])
@pytest.mark.parametrize("server", [server for server in SERVERS if server.file], ids=lambda server: server.name)
def test_a_server_that_loads_the_file_itself(own_place: Path, server: Server, before: list[str]) -> None:
    """Also with `run`: the handlers of both doors know of each other."""
    place(server, own_place, shipped_text())
    port = free_port()
    with serving(f"{server.words} {server.file}", own_place, port, *before):
        assert visit(port) == (200, 200, 500)
    assert_each_once(server)


@pytest.mark.parametrize("name", ["uvicorn, two workers", "gunicorn"])
def test_doctor_has_nothing_to_say_of_a_server_that_loads_the_file_itself(own_place: Path, cli: Run, name: str) -> None:
    (server,) = [server for server in SERVERS if server.name == name]
    place(server, own_place, shipped_text())
    words = command(f"{server.words} {server.file}", PORT=str(free_port()))
    done = cli("doctor", "--after", "8s", "--", *words)
    assert done.code == 0, done.out


def test_an_error_right_before_sigterm_is_there(own_place: Path) -> None:
    """A server ends by the signal itself: no atexit function runs."""
    (server,) = [server for server in SERVERS if server.name == "uvicorn"]
    place(server, own_place, shipped_text())
    port = free_port()
    with serving(f"{server.words} {server.file}", own_place, port):
        get(f"http://127.0.0.1:{port}/broken")
    assert counted(errors()) == {("LookupError", "broken"): 1}


FASTAPI = """
import logging
from fastapi import FastAPI

app = FastAPI()

@app.get("/broken")
def both():
    try:
        return 1 / 0
    except ZeroDivisionError:
        logging.getLogger("app.shop").exception("no price")
        raise
"""


@pytest.mark.parametrize("option", [" --log-config logging.yaml", ""])
def test_an_error_logged_by_the_application_and_its_server_is_one(own_place: Path, cli: Run, option: str) -> None:
    need("fastapi")
    need("uvicorn")
    (own_place / "app.py").write_text(FASTAPI)
    (own_place / "logging.yaml").write_text(shipped_text())
    port = free_port()
    with serving(f"uvicorn app:app --port PORT{option}", own_place, port, *([] if option else [*RUN, "--"])):
        assert get(f"http://127.0.0.1:{port}/broken") == 500
    (group,) = json.loads(cli("list", "--json").out)
    assert group["count"] == 1
    shown = json.loads(cli("show", group["last_error_id"], "--json").out)
    assert shown["logger_name"] == "app.shop"
    assert [sighting["logger_name"] for sighting in shown["sightings"]] == ["uvicorn.error"]


@pytest.fixture
def redis(own_place: Path) -> Iterator[int]:
    """The port of a Redis server of the test's own."""
    need("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server: apt-get install redis-server")
    port = free_port()
    (own_place / "redis").mkdir()
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
        cwd=own_place / "redis",
        stdout=subprocess.DEVNULL,
    )
    try:
        while not is_listening(port):
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def test_celery(own_place: Path, redis: int) -> None:
    """In its forked workers, where it has replaced the handlers of the root."""
    need("celery")
    (own_place / "app.py").write_text(hosts.CELERY.replace("PORT", str(redis)))
    (own_place / "logging.yaml").write_text(hosts.REGISTRY.replace("PLACE", str(own_place)))
    words = command("celery -A app worker --concurrency 2 --loglevel INFO")
    with started([*RUN, "--", *words], own_place) as worker:
        finished([sys.executable, "-c", "import app; app.work.delay()"], own_place)
        wait_for(own_place / "server.log", "raised unexpected", worker)
    assert worker.returncode == 0
    assert counted(errors()) == {("LookupError", "broken"): 1, ("LogMessage", "no stock"): 1}


@pytest.mark.parametrize("name", [name for name, _ in QUEUES if name.startswith("RQ")])
def test_rq(own_place: Path, redis: int, name: str) -> None:
    """In its work-horse too, a fork that ends by os._exit, or a process of its own."""
    need("rq")
    (own_place / "app.py").write_text(hosts.RQ)
    (own_place / "logging.yaml").write_text(hosts.REGISTRY.replace("PLACE", str(own_place)))
    url = f"redis://127.0.0.1:{redis}"
    enqueue = f"import rq, redis; rq.Queue(connection=redis.Redis.from_url({url!r})).enqueue('app.work')"
    assert finished([sys.executable, "-c", enqueue], own_place).code == 0
    words = dict(QUEUES)[name].replace("redis://...", url)
    done = finished([*RUN, "--", *command(f"{words} --path .")], own_place)
    assert done.code == 0, done.err
    assert counted(errors()) == {("LookupError", "broken"): 1, ("LogMessage", "no stock"): 1}


def wait_for(path: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while words not in path.read_text() and time.monotonic() < deadline:
        assert process.poll() is None, path.read_text()
        time.sleep(0.1)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_failure_that_a_client_swallows_is_a_breadcrumb(own_place: Path, library: str) -> None:
    need(library)
    (own_place / "app.py").write_text(
        f"import {library} as httpx, logging\n"
        "def ask():\n"
        "    try:\n"
        "        return httpx.get('http://127.0.0.1:1/').text\n"
        "    except httpx.HTTPError:\n"
        "        return None\n"
        "if ask() is None:\n"
        "    logging.getLogger('shop').error('no answer')\n"
    )
    text = hosts.REGISTRY.replace("PLACE", str(own_place))
    (own_place / "logging.yaml").write_text(text.replace("store:", "breadcrumbs: 5, store:"))
    assert finished([*RUN, "--", "app.py"], own_place).err == "no answer\n"
    (error,) = errors()
    (crumb,) = error.breadcrumbs
    assert crumb.message.startswith("connect_tcp.failed exception=ConnectError")


WRAPPER = """
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
paths = [os.path.join(here, "wrapper"), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
os.execv(sys.argv[1], sys.argv[1:])
"""
CHAINING = """
import importlib.machinery, importlib.util, os, sys
print("wrapped")
here = os.path.dirname(os.path.abspath(__file__))
others = [path for path in sys.path if os.path.abspath(path) != here]
spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
if spec is not None:
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""
APP = "import logging\nlogging.error('no stock')\n"


@pytest.mark.parametrize("outside", [True, False], ids=["run outside", "run inside"])
def test_a_wrapper_that_attaches_as_we_do(own_place: Path, outside: bool) -> None:
    (own_place / "wrapper").mkdir()
    (own_place / "wrapper" / "sitecustomize.py").write_text(CHAINING)
    (own_place / "wrap.py").write_text(WRAPPER)
    (own_place / "app.py").write_text(APP)
    (own_place / "logging.yaml").write_text(hosts.REGISTRY.replace("PLACE", str(own_place)))
    wrap, run = [sys.executable, "wrap.py"], [*RUN, "--"]
    words = [*run, *wrap] if outside else [*wrap, *run]
    done = finished([*words, sys.executable, "app.py"], own_place)
    assert (done.code, "wrapped\n" in done.out, done.err) == (0, True, "ERROR:root:no stock\n")
    assert counted(errors()) == {("LogMessage", "no stock"): 1}


@pytest.mark.parametrize("outside", [True, False], ids=["run outside", "run inside"])
def test_opentelemetry_instrument(own_place: Path, outside: bool) -> None:
    need("opentelemetry opentelemetry.instrumentation")
    if not importlib.metadata.entry_points(group="opentelemetry_pre_instrument", name="llama_logging"):
        pytest.skip("the installed llama_logging is an older one")
    (own_place / "app.py").write_text(APP)
    (own_place / "logging.yaml").write_text(hosts.REGISTRY.replace("PLACE", str(own_place)))
    none = ("--traces_exporter", "none", "--metrics_exporter", "none", "--logs_exporter", "none")
    wrap, run = [*command("opentelemetry-instrument"), *none], [*RUN, "--"]
    words = [*run, *wrap] if outside else [*wrap, *run]
    done = finished([*words, sys.executable, "app.py"], own_place)
    assert (done.code, "no stock" in done.err) == (0, True)
    assert counted(errors()) == {("LogMessage", "no stock"): 1}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_another_python_without_this_package(own_place: Path, version: str) -> None:
    candidates = [f"python{version}", *map(str, Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))]
    works = (other for other in candidates if shutil.which(other) and finished([other, "-c", ""], own_place).code == 0)
    other = next(works, None)
    if other is None or sys.version.startswith(f"{version}."):
        pytest.skip(f"there is no other Python {version}")
    (own_place / "app.py").write_text(APP)
    (own_place / "logging.yaml").write_text(hosts.REGISTRY.replace("PLACE", str(own_place)))
    alone = finished([other, "app.py"], own_place)
    assert finished([*RUN, "--", other, "app.py"], own_place) == alone
    (error,) = errors()
    assert error.process is not None
    assert error.process.python.startswith(version)


@pytest.mark.parametrize("words", [["-I", "app.py"], ["-E", "app.py"], ["-S", "app.py"]])
def test_what_cannot_be_attached_to_is_said(own_place: Path, words: list[str]) -> None:
    (own_place / "app.py").write_text("print('ran')")
    (own_place / "logging.yaml").write_text(hosts.REGISTRY)
    done = finished([*RUN, "--", sys.executable, *words], own_place)
    assert (done.code, done.out) == (0, "ran\n")
    assert words[0] in done.err
    assert "its errors will not be seen" in done.err


def test_the_table_of_hosts_is_of_what_is_tested() -> None:
    assert hosts.table() in hosts.DOCUMENT.read_text(encoding="utf-8")
