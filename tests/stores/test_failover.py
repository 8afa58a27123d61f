"""A primary killed in a storm, and its standby in its place."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llama_logging.context import ErrorSeverity
from llama_logging.exceptions import StoreError
from llama_logging.opening import open_registry
from llama_logging.registry import Store
from llama_logging.registry.intake import Batch
from llama_logging.stores import urls
from tests import servers
from tests.conftest import make_context
from tests.stores.test_store import add, frames_of

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

from llama_logging.stores import postgres, postgres_session  # noqa: E402  (it needs psycopg)

WRITERS = 4

# Each error has a number of its own, said once it is acknowledged.
STORM = """
import logging, sys, time
from llama_logging.handlers import RegistryHandler
log = logging.getLogger("app")
log.addHandler(RegistryHandler(store=sys.argv[1]))
log.propagate = False
for number in range(1_000_000):
    try:
        raise ValueError(number)
    except ValueError:
        log.exception("failed", extra={"number": f"{sys.argv[2]}-{number}"})
    print(f"{sys.argv[2]}-{number}", flush=True)
    time.sleep(0.002)
"""


def test_a_server_that_does_not_start_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets it, and so nobody could close it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(servers.NoServer):
        servers.Server({"max_connections": "none"})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def pair() -> Iterator[tuple[servers.Server, servers.Server]]:
    """A primary and its standby; what the one has committed, the other has."""
    with contextlib.ExitStack() as stack:
        try:
            primary = servers.Server({"wal_keep_size": "1GB", "synchronous_commit": "remote_apply"})
            stack.callback(primary.close)
            standby = servers.Server(copy_of=primary)
            stack.callback(standby.close)
        except servers.NoServer as error:
            pytest.skip(str(error))
        with psycopg.connect(primary.url(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
            until(lambda: state(admin) == ("sync",))
        yield primary, standby


def state(admin: Any) -> Any:
    return admin.execute("SELECT sync_state FROM pg_stat_replication").fetchone()


def until(is_so: Any) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def stored(url: urls.StoreURL) -> int:
    try:
        with contextlib.closing(open_registry(url)) as store:
            return sum(store.count_by_severity(None, ErrorSeverity.DEBUG).values())
    except StoreError:
        return -1


def numbers(store: Store) -> list[str]:
    found: list[str] = []
    position = 0
    while True:
        position, errors = store.errors_after(position, 1000)
        found += [error.additional_context["number"] for error in errors]
        if not errors:
            return found


def test_what_no_standby_has_is_not_taken_for_safe(
    pair: tuple[servers.Server, servers.Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sees it before either, and it is there once when the standby is back."""
    monkeypatch.setattr(postgres_session, "COMMIT_TIMEOUT", 0.5)
    primary, standby = pair
    with contextlib.closing(postgres.PostgresStore(urls.parse(primary.url()))) as store:
        add(store, make_context())
        standby.kill()
        late = Batch("j", 1, 2, frames_of(make_context()))
        with pytest.raises(StoreError, match="no word that it is safe"):
            store.ingest(late)
        assert (store.groups()[0].count, store.reached("j")[0]) == (1, 1)
        standby.start()
        until(lambda: store.reached("j")[0] == 2)
        assert store.ingest(late) == 2
        assert store.groups()[0].count == 2


@pytest.mark.timeout(300)
def test_no_acknowledged_error_is_lost_or_doubled_when_the_primary_dies(
    pair: tuple[servers.Server, servers.Server], tmp_path: Path
) -> None:
    primary, standby = pair
    url = urls.parse(primary.url("postgres", standby))
    said = [tmp_path / f"said-{name}" for name in range(WRITERS)]
    storm = []
    for name, path in enumerate(said):
        with path.open("wb") as output:
            storm.append(subprocess.Popen([sys.executable, "-c", STORM, url.url, str(name)], stdout=output))
    try:
        until(lambda: stored(url) > 200)
        primary.kill()
        before = sum(path.read_bytes().count(b"\n") for path in said)
        # The storm goes on while there is no server at all.
        until(lambda: sum(path.read_bytes().count(b"\n") for path in said) > before + 400)
        with pytest.raises(StoreError, match="errors are safe in the journal"):
            open_registry(url)
        standby.promote()
        reached = stored(url)
        until(lambda: stored(url) > reached + 200)
    finally:
        for number, process in enumerate(storm):
            process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        for process in storm:
            process.wait()
    with contextlib.closing(open_registry(url)) as store:
        found = numbers(store)
        assert len(found) == len(set(found))
        acknowledged = {line for path in said for line in path.read_text().splitlines()}
        assert acknowledged <= set(found)
        # A kill may fall between the write and the word.
        assert len(found) <= len(acknowledged) + WRITERS
        assert sum(group.count for group in store.groups()) == len(found)
        assert store.health().gaps == ()
        assert not os.listdir(url.directories[0])
