"""Strategies that wait: for addresses, files and names, against the real thing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest

from llama_logging.exceptions import ConfigError
from llama_logging.recovery.probes import steadily
from llama_logging.recovery.strategy import Deadline
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import Patient, attempt, make


@contextlib.contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with listening() as port:
        return port


def test_all_dependencies_are_waited_for() -> None:
    with listening() as one:
        port = free_port()
        wait = make(
            "wait_for_dependency", address=[f"127.0.0.1:{one}", f"redis://:secret@127.0.0.1:{port}/0"], delay=0.05
        )
        assert wait.scope == f"127.0.0.1:{one} and 127.0.0.1:{port}"
        remedy = attempt(wait, timeout=0.2)
        assert remedy.status is OutcomeStatus.FAILED
        assert f"127.0.0.1:{port}: " in remedy.detail
        servers: list[socket.socket] = []
        timer = Timer(0.1, lambda: servers.append(socket.create_server(("127.0.0.1", port))))
        timer.start()
        assert attempt(wait).status is OutcomeStatus.RECOVERED
        timer.join()
        servers[0].close()


async def works() -> bool:
    return True


async def does_not_work() -> bool:
    return False


async def never_says() -> bool:
    await asyncio.sleep(30)
    return True


@pytest.mark.parametrize(
    ("probe", "timeout", "status", "told"),
    [
        (works, 30.0, OutcomeStatus.RECOVERED, "answers"),
        (does_not_work, 2.0, OutcomeStatus.FAILED, "the probe said no"),
        (never_says, 0.2, OutcomeStatus.FAILED, "TimeoutError"),
    ],
)
def test_a_probe_may_be_a_coroutine_function(
    probe: Callable[..., object], timeout: float, status: OutcomeStatus, told: str
) -> None:
    remedy = attempt(make("wait_and_probe", probe=f"{__name__}.{probe.__name__}"), timeout=timeout)
    assert (remedy.status, told in remedy.detail) == (status, True)


@pytest.mark.parametrize("address", ["db", "db:port", "postgresql:///shop", [], "sqlite:///x.db", "tcp://:5"])
def test_an_address_that_names_no_port_is_a_mistake(address: object) -> None:
    with pytest.raises(ConfigError, match="address"):
        make("wait_for_dependency", address=address)


def test_a_locked_sqlite_file_is_waited_for_and_its_wal_emptied(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE carts (id)")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO carts VALUES (1)")
    busy = make("sqlite.busy", database=str(path))
    remedy = attempt(busy, timeout=0.2)
    assert (remedy.status, remedy.detail) == (OutcomeStatus.FAILED, f"{path}: database is locked")
    timer = Timer(0.1, writer.execute, ["COMMIT"])
    timer.start()
    assert attempt(busy).status is OutcomeStatus.RECOVERED
    timer.join()
    moved = writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert moved[1] == moved[2]
    assert writer.execute("SELECT * FROM carts").fetchall() == [(1,)]
    writer.close()


def test_no_sqlite_file_is_made_and_no_other_trouble_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "no ?such.sqlite"
    assert "unable to open" in attempt(make("sqlite.busy", database=str(path))).detail
    assert not path.exists()
    path.write_text("this is no database, whatever it is called" * 100)
    remedy = attempt(make("sqlite.busy", database=str(path)))
    assert (remedy.status, "not a database" in remedy.detail) == (OutcomeStatus.FAILED, True)


def test_a_name_that_is_known_and_one_that_never_is() -> None:
    assert attempt(make("dns.refresh", host="localhost")).detail == "localhost is known already"
    # What no resolver needs to be asked for: a label has 63 characters at most.
    remedy = attempt(make("dns.refresh", host="x" * 64), timeout=0)
    assert remedy.status is OutcomeStatus.FAILED


connections = Patient()


def test_a_name_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to where it was are dropped, once."""
    monkeypatch.setitem(globals(), "connections", Patient())
    answers = [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")] * 2
    real = socket.getaddrinfo

    def flaky(*arguments: object) -> object:
        if answers:
            raise answers.pop()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", flaky)
    remedy = attempt(make("dns.refresh", host="localhost", close=f"{__name__}:connections.treat"))
    assert (remedy.status, remedy.detail) == (OutcomeStatus.RECOVERED, "localhost is known again")
    assert connections.notes == ["treated"]


def test_a_steady_probe_begins_anew_at_each_relapse() -> None:
    now = [0.0]
    answers = iter(["", "", "ill", "", "", "", ""])
    probe = steadily(lambda deadline: next(answers), settle=3)
    deadline = Deadline(60, lambda: now[0])
    said = []
    for second in range(7):
        now[0] = second
        said.append(probe(deadline))
    soon = "it works, but not yet for 3 s"
    assert said == [soon, soon, "ill", soon, soon, soon, ""]
