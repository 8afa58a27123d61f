"""`llama-logging serve`, as a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_logging.cli.main import main
from llama_logging.pipeline import pipeline_for
from llama_logging.stores import urls
from tests.cli.test_commands import keep
from tests.conftest import Run, make_context

pytest.importorskip("uvicorn", reason="the dashboard's packages are not installed")

CERTIFICATES = Path(__file__).parents[1] / "recovery" / "certificates"
BLOCKED = (
    "import sys; sys.modules['starlette'] = None; from llama_logging.cli.main import main; sys.exit(main(['serve']))"
)


@contextlib.contextmanager
def served(*words: str, ended_by: int = signal.SIGINT, **env: str) -> Iterator[tuple[str, list[str]]]:
    """Where it is, and what it has said; it must end well by that signal."""
    command = [sys.executable, "-m", "llama_logging", "serve", "--port", "0", *words]
    with subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "to sign in" in line:
                    break
            found = re.search(r" at (https?://\S+?)/ ", "".join(said))
            assert found, said
            yield found[1], said
        finally:
            process.send_signal(ended_by)
            out, rest = process.communicate(timeout=30)
    assert (process.returncode, out, rest) == (0, "", "")


def test_what_is_no_request_is_not_told_of() -> None:
    """Whoever can reach it could fill a disk with what it says."""
    with served() as (url, _), socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as connection:
        connection.sendall(b"nothing\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_so_many_come_in_that_files_are_left() -> None:
    """And nothing is said of those for whom there is no room."""
    resource = pytest.importorskip("resource", reason="there is no POSIX")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
        try:
            url, _ = stack.enter_context(served())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        with contextlib.ExitStack() as inside:
            where = ("127.0.0.1", int(url.rpartition(":")[2]))
            come = [inside.enter_context(socket.create_connection(where, 10)) for _ in range(250)]
            assert come[-1].recv(1) == b""
        for _ in range(1_000):
            with contextlib.suppress(OSError):  # it has not seen yet that they have gone
                assert get(f"{url}/health")[0] == 200
                return
    raise AssertionError("nobody is let in any more")


def get(url: str, *, host: str = "", context: ssl.SSLContext | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait_for(text: str, url: str) -> None:
    """What waits in journals is brought in before the page is asked for, and while it is."""
    for _ in range(100):
        if text in get(url)[1]:
            return
    raise AssertionError(get(url)[1])


def test_what_waits_in_journals_is_shown(own_place: Path) -> None:
    """It brings in what others have written, before it is asked and while it is."""
    keep(make_context())
    with served() as (url, said):
        assert url.startswith("http://127.0.0.1:")
        assert re.search(r"open http://127.0.0.1:\d+/\?token=\S{40}", said[-1])
        wait_for("no such article", url)


def test_the_registry_of_the_file_that_is_named_is_shown(own_place: Path) -> None:
    handler = "{class: llama_logging.handlers.RegistryHandler, store: 'sqlite:///mine.db'}"
    (own_place / "my.yaml").write_text(f"version: 1\nhandlers: {{registry: {handler}}}\n")
    pipeline_for(urls.parse("sqlite:///mine.db")).add(make_context(error_message="of the file"))
    with served("-c", "my.yaml") as (url, _):
        wait_for("of the file", url)


def test_a_folder_that_is_not_there_is_told_of(own_place: Path) -> None:
    with served("--store", "sqlite:///none/a.db") as (url, said):
        assert f"no registry at sqlite:///{own_place}/none/a.db yet, nor the folder {own_place}/none:" in said[0]
        assert get(url)[0] == 200
    with served("--store", "sqlite:///a.db") as (_, said):  # the first error will make it
        assert "no registry" not in "".join(said)


def test_a_service_manager_ends_it() -> None:
    with served(ended_by=signal.SIGTERM) as (url, _):
        assert get(url)[0] == 200


def following(url: str) -> http.client.HTTPConnection:
    """An open page that has asked to be told of changes."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/live")
    return connection


def test_an_open_page_does_not_make_the_end_a_noise() -> None:
    with served() as (url, _):
        page = following(url)
        assert page.getresponse().status == 200
    page.close()


def test_so_many_pages_are_told_and_no_more_however_fast_they_come() -> None:
    with served() as (url, _):
        pages = [following(url) for _ in range(120)]
        assert Counter(page.getresponse().status for page in pages) == {200: 100, 503: 20}
        for page in pages:
            page.close()


def test_it_is_not_asked_under_another_name() -> None:
    with served() as (url, _):
        assert get(url, host="evil.example")[0] == 421
    with served("--allow-host", "errors.example") as (url, _):
        assert get(url, host="errors.example")[0] == 401
        assert get(url)[0] == 401  # for whoever asks under that name may be anybody


def test_a_token_of_ones_own_signs_in_as_often_as_it_is_shown() -> None:
    token = "0123456789abcdef-0"
    with served("--private", LLAMA_LOGGING_DASHBOARD_TOKEN=token) as (url, said):
        assert token not in "".join(said)
        assert get(url)[0] == 401
        for _ in range(2):
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
            connection.request("GET", f"/?token={token}")
            response = connection.getresponse()
            assert response.status == 303
            connection.close()


def test_it_is_served_by_tls_and_below_a_path() -> None:
    files = ("--ssl-certfile", str(CERTIFICATES / "good.pem"), "--ssl-keyfile", str(CERTIFICATES / "key.pem"))
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    with served(*files, "--root-path", "/errors/") as (url, _):
        assert re.fullmatch(r"https://127.0.0.1:\d+/errors", url)
        stripped, text = get(url.removesuffix("/errors") + "/overview", context=unverified)
        status, text = get(f"{url}/overview", context=unverified)
        assert (stripped, status) == (200, 200)
        assert not re.search(r'(?:href|src|action)="/(?!errors/)', text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ssl-certfile", "none.pem"], "there is no none.pem"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1:8321: "),
        (["--port", "99999"], "cannot listen on 127.0.0.1:99999: "),
    ],
)
def test_what_cannot_be_served_is_said(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["serve", *words]) == 2
    assert capsys.readouterr().err.startswith(f"llama-logging: {said}")


def test_what_is_missing_is_said(run: Run) -> None:
    done = run("-c", BLOCKED)
    assert done.code == 1
    assert "pip install 'llama_logging[web]'" in done.err
    assert "Traceback" not in done.err
