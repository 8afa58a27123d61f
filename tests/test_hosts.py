"""Applications that are not ours, through both doors."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llama_logging.attachment.configuration import shipped_text
from tests.conftest import Run

pytest.importorskip("fastapi", reason="pip install 'llama_logging[test]'")
pytest.importorskip("uvicorn", reason="pip install 'llama_logging[test]'")

APP = """
import logging
from fastapi import FastAPI

app = FastAPI()

@app.get("/fine")
def fine():
    return {"ok": True}

@app.get("/broken")
def broken():
    return {"price": 1 / 0}

@app.get("/both")
def both():
    try:
        return 1 / 0
    except ZeroDivisionError:
        logging.getLogger("app.shop").exception("no price")
        raise

@app.get("/logged")
async def logged():
    try:
        return {}["missing"]
    except KeyError:
        logging.getLogger("app.shop").exception("no price")
        return {"ok": False}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@contextmanager
def serving(command: list[str], folder: Path) -> Iterator[str]:
    """A server of these words plus its port, until the block ends; then SIGTERM."""
    port = free_port()
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=folder, stdout=log, stderr=log)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            try:
                get(f"{url}/fine")
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def app(own_place: Path) -> Path:
    (own_place / "app.py").write_text(APP)
    (own_place / "logging.yaml").write_text(shipped_text())
    return own_place


UVICORN = [sys.executable, "-m", "uvicorn", "app:app"]
RUN = [sys.executable, "-m", "llama_logging", "run", "--"]


@pytest.mark.parametrize(
    "command",
    [[*UVICORN, "--log-config", "logging.yaml"], [*RUN, *UVICORN], [*RUN, *UVICORN, "--log-config", "logging.yaml"]],
    ids=["--log-config", "run", "both"],
)
def test_a_fastapi_500_is_one_error_with_its_stack(app: Path, cli: Run, command: list[str]) -> None:
    with serving(command, app) as url:
        assert (get(f"{url}/broken"), get(f"{url}/logged"), get(f"{url}/nowhere")) == (500, 200, 404)
    groups = {group["error_type"]: group for group in json.loads(cli("list", "--json").out)}
    if command == [*RUN, *UVICORN]:
        # uvicorn's default configuration cuts its loggers off from the root.
        groups.pop("ZeroDivisionError", None)
        assert set(groups) == {"KeyError"}
        return
    assert {name: group["count"] for name, group in groups.items()} == {"ZeroDivisionError": 1, "KeyError": 1}
    assert 'return {"price": 1 / 0}' in groups["ZeroDivisionError"]["stack_trace"]
    assert groups["ZeroDivisionError"]["source"] == "app.broken"
    assert "Application startup complete" in (app / "server.log").read_text()


def test_an_error_right_before_sigterm_is_there(app: Path, cli: Run) -> None:
    """A server ends by the signal itself: no atexit function runs."""
    with serving([*UVICORN, "--log-config", "logging.yaml"], app) as url:
        get(f"{url}/broken")
    assert json.loads(cli("summary", "--json").out)["total_errors"] == 1


def test_an_error_logged_by_the_application_and_its_server_is_one(app: Path, cli: Run) -> None:
    with serving([*UVICORN, "--log-config", "logging.yaml"], app) as url:
        assert get(f"{url}/both") == 500
    (group,) = json.loads(cli("list", "--json").out)
    assert group["count"] == 1
    shown = json.loads(cli("show", group["last_error_id"], "--json").out)
    assert shown["logger_name"] == "app.shop"
    assert [sighting["logger_name"] for sighting in shown["sightings"]] == ["uvicorn.error"]
