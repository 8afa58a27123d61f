"""What tests share: a place of their own, contexts to order, processes to kill."""

from __future__ import annotations

import _thread
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from llama_logging import imperative, pipeline, tap
from llama_logging.capture import breadcrumbs, grouping, variables
from llama_logging.capture.capturing import capture
from llama_logging.config import mistakes
from llama_logging.context import ErrorContext, ErrorSeverity, Stack
from llama_logging.ids import new_id
from llama_logging.recovery import active, flags, outcome, strategy
from llama_logging.redaction import own
from llama_logging.runtime import background
from llama_logging.stores import urls
from tests import servers
from tests.stand_in import Ollama

# How long an example takes is up to the machine, and to who else uses it.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has its background jobs do: tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "coverage" in sys.modules:
    # Threads that are not `threading`'s own, as those of this package, are not followed by themselves.
    def _followed(function: Callable[..., object], args: Sequence[Any] = (), kwargs: Mapping[str, Any] = {}) -> int:
        def run() -> None:
            sys.settrace(threading.gettrace())
            function(*args, **kwargs)

        return _start(run, ())

    _start, _thread.start_new_thread = _thread.start_new_thread, _followed

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test runs in its own folder, and leaves logging and this package as it found them."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("LLAMA_LOGGING", "OTEL_", "SENTRY_", "OLLAMA"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LLAMA_LOGGING_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    root, level, handlers = logging.root, logging.root.level, list(logging.root.handlers)
    yield tmp_path
    root.setLevel(level)
    root.handlers[:] = handlers
    for name in [
        name
        for name in logging.root.manager.loggerDict
        if name.startswith(("app", "uvicorn", "gunicorn", "llama_logging"))
    ]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.disabled = False
        logger.setLevel(logging.NOTSET)
    for known in list(pipeline._pipelines.values()):
        known.close()
    pipeline._pipelines.clear()
    tap._use(())
    tap._sticking.clear()
    active._engine = None
    strategy.REGISTERED._functions.clear()
    flags.flags._values.clear()
    mistakes._warned.clear()
    own.own_patterns.clear()
    own.own_keys.clear()
    grouping.GROUPING.use(())
    breadcrumbs.TRAILS.__init__()  # type: ignore[misc]
    variables.VARIABLES.__init__()  # type: ignore[misc]
    for name in ("_registry", "_handlers", "_engine"):
        imperative.error_handler.__dict__.pop(name, None)
    outcome.remember(outcome.NONE)


@pytest.fixture
def store_url(tmp_path: Path) -> urls.StoreURL:
    """A store that does not exist yet."""
    return urls.parse(f"sqlite:///{tmp_path}/errors.db")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL database for all tests, each with a schema of its own."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if servers.GIVEN_URL:
        yield servers.GIVEN_URL
        return
    try:
        server = servers.Server()
    except servers.NoServer as error:
        pytest.skip(str(error))
    yield server.url()
    server.close()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[urls.StoreURL]:
    """A store that does not exist yet, in PostgreSQL."""
    import psycopg

    url = urls.parse(f"{postgres}{'&' if '?' in postgres else '?'}schema=test_{os.urandom(6).hex()}")
    yield url
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {url.schema} CASCADE".encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> urls.StoreURL:
    """A store that does not exist yet, of each kind."""
    found: urls.StoreURL = request.getfixturevalue("store_url" if request.param == "sqlite" else "postgres_url")
    return found


def captured(fail: Callable[[], object]) -> ErrorContext:
    """What *fail* raises, as it is captured."""
    try:
        fail()
    except BaseException:
        context = capture(logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", (), sys.exc_info()))
    assert context is not None
    return context


def our_threads() -> list[threading.Thread]:
    """Threads of this package that run; of those that wait `threading.enumerate` tells nothing."""
    return [each for each in gc.get_objects() if type(each) is background.Thread and each.is_alive()]


def make_context(**changes: Any) -> ErrorContext:
    """An error; whatever matters to a test is changed."""
    stack: dict[str, Any] = {
        "module": "shop.cart",
        "function": "add",
        "file": "/srv/shop/cart.py",
        "line": 12,
        "error_type": "ValueError",
        "template": "Traceback (most recent call last):\n  ...\n\0",
        "exceptions": (),
        "grouping": ("ValueError", "shop.cart.add: raise ValueError(text)"),
        "fingerprint": "v1:0123456789abcdef",
    }
    stack.update((name, changes.pop(name)) for name in list(changes) if name in stack)
    exceptions = stack["exceptions"]
    stack["exceptions"] = tuple(replace(error, message="", attributes={}) for error in exceptions)
    values: dict[str, Any] = {
        "error_id": new_id(),
        "timestamp": NOON,
        "severity": ErrorSeverity.ERROR,
        "error_message": "no such article",
        "log_message": "cannot add",
        "stack": Stack(**stack),
        "parts": ("ValueError: no such article\n",),
        "messages": tuple(error.message for error in exceptions),
        "attributes": tuple(error.attributes for error in exceptions),
        "grouping": stack["grouping"],
        "fingerprint": stack["fingerprint"],
        "logger_name": "shop",
        "thread_name": "MainThread",
        **changes,
    }
    return ErrorContext(**values)


@dataclass
class Finished:
    """What a process did."""

    code: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in the test's folder: `run("-c", code)` with this Python, to its end."""

    def finished(*words: str, timeout: float = 60, **env: str) -> Finished:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return finished


@pytest.fixture
def cli(run: Run) -> Run:
    """Runs `llama-logging` with these words."""

    def finished(*words: str, **env: str) -> Finished:
        return run("-m", "llama_logging", *words, **env)

    return finished


Start = Callable[..., Ollama]


@pytest.fixture
def start(own_place: Path) -> Iterator[Start]:
    """Starts stand-in servers that keep their state in one folder, and ends what is left of them."""
    started: list[Ollama] = []

    def new(*options: str, port: str = "0") -> Ollama:
        started.append(Ollama(own_place / "server", *options, port=port))
        return started[-1]

    yield new
    for server in started:
        server.close()


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ollama]:
    """One stand-in server for all tests of a file."""
    server = Ollama(tmp_path_factory.mktemp("ollama"))
    yield server
    server.close()


@pytest.fixture
def ollama(lasting_server: Ollama) -> Ollama:
    """A stand-in server as it is at first; it costs no start."""
    lasting_server.renew()
    return lasting_server
