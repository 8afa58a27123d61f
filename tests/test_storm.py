"""Processes killed in the midst of a storm of errors: what they said is done is in the registry, once.

`LLAMA_LOGGING_TEST_KILLS=1000` is the long form.
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llama_logging.journal.places import directories_for
from llama_logging.journal.reading import journals
from llama_logging.opening import open_registry
from llama_logging.stores import urls
from llama_logging.stores.sqlite import SQLiteStore

KILLS = int(os.environ.get("LLAMA_LOGGING_TEST_KILLS", "10"))

pytestmark = pytest.mark.timeout(120 + 10 * KILLS)

WORKER = """
import logging, os, sys, threading
from llama_logging.handlers import RegistryHandler
from llama_logging.journal import writing

url, name, ingester, size, segment = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
writing.SEGMENT_BYTES = segment
handler = RegistryHandler(store=url)
handler.pipeline.journal.quota = 2**50  # else repeats are counted only, where ingestion does not keep up
if not ingester:
    handler.pipeline.ingester._started = True
log = logging.getLogger("app")
log.propagate = False
log.addHandler(handler)
filling = "x" * size

def fail(text):
    raise ValueError(text)

def work(thread):
    for number in range(10**9):
        one = f"{name}-{thread}-{number};"
        try:
            fail(one + filling)
        except ValueError:
            log.exception("it failed")
        os.write(1, f"done {one}\\n".encode())

for thread in range(4):
    threading.Thread(target=work, args=[thread], daemon=True).start()
threading.Event().wait()
"""


class Worker:
    """A process of four threads that log as fast as they can, and say what is done."""

    def __init__(self, url: urls.StoreURL, name: str, *, ingester: bool, size: int, segment: int = 16 * 2**20) -> None:
        words = [url.url, name, str(int(ingester)), str(size), str(segment)]
        self._process = subprocess.Popen([sys.executable, "-c", WORKER, *words], stdout=subprocess.PIPE)
        self._said = b""

    @property
    def out(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def has_spoken(self) -> bool:
        return bool(self._said)

    def listen(self) -> bool:
        """Read what was said so far; False at the end."""
        data = os.read(self.out, 2**16)
        self._said += data
        return bool(data)

    def kill(self) -> set[str]:
        """End it, now; all that it said is done."""
        self._process.send_signal(signal.SIGKILL)
        while self.listen():
            pass
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return {line.removeprefix("done ") for line in self._said.decode().split("\n")[:-1]}


def kill_in_a_storm(url: urls.StoreURL, name: str, *, ingester: bool, size: int) -> set[str]:
    worker = Worker(url, name, ingester=ingester, size=size)
    worker.listen()
    until = time.monotonic() + random.uniform(0.02, 0.3)
    with listening([worker]) as selector:
        while (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.listen()
    return worker.kill()


@contextmanager
def listening(workers: list[Worker]) -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.out, selectors.EVENT_READ, worker)
        yield selector


def check(url: urls.StoreURL, said: set[str]) -> None:
    """All that was said is there, once; the rest is a few at most that were under way; nothing is left over."""
    store = open_registry(url)
    assert isinstance(store, SQLiteStore)
    with store._reading() as execute:
        rows = execute("SELECT substr(message, 1, instr(message, ';')) FROM errors").fetchall()
        integrity = execute("PRAGMA integrity_check").fetchone()[0]
        counted = execute("SELECT sum(count) FROM groups").fetchone()[0]
        by_minute = execute("SELECT sum(count) FROM counts").fetchone()[0]
    store.close()
    found = [row[0] for row in rows]
    print(f"{len(said)} said, {len(found)} found, {counted} counted", file=sys.stderr)
    assert said <= set(found)
    assert len(found) == len(set(found)) == counted == by_minute
    assert integrity == "ok"
    # What a writer was making when it was killed goes a minute later.
    assert list(journals(directories_for(url.path))) == []


PLAIN, LIVE, LARGE = (False, 0), (True, 0), (False, 100_000)


@pytest.mark.parametrize(("ingester", "size"), [PLAIN, LIVE, LARGE], ids=["plain", "with an ingester", "100 KB"])
def test_a_killed_process_loses_nothing_and_doubles_nothing(
    store_url: urls.StoreURL, ingester: bool, size: int
) -> None:
    said: set[str] = set()
    for turn in range(KILLS):
        said |= kill_in_a_storm(store_url, str(turn), ingester=ingester, size=size)
        if turn % 50 == 49:
            open_registry(store_url).close()
    check(store_url, said)


def test_writers_and_ingesters_killed_at_random_lose_nothing_and_double_nothing(store_url: urls.StoreURL) -> None:
    """Four writers with small segments, three sidecars, all killed again and again."""
    command = [sys.executable, "-m", "llama_logging", "ingest", "--follow", "--store", store_url.url]
    said: set[str] = set()
    names = iter(range(10**9))

    def writer() -> Worker:
        return Worker(store_url, str(next(names)), ingester=False, size=0, segment=200_000)

    def sidecar() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    writers, sidecars = [writer() for _ in range(4)], [sidecar() for _ in range(3)]
    try:
        for _ in range(KILLS):
            at = random.randrange(len(writers) + len(sidecars))
            until = time.monotonic() + random.uniform(0.02, 0.3)
            with listening(writers) as selector:
                while (left := until - time.monotonic()) > 0 or (at < len(writers) and not writers[at].has_spoken):
                    for key, _ in selector.select(max(0.01, left)):
                        key.data.listen()
            if at < len(writers):
                said |= writers[at].kill()
                writers[at] = writer()
            else:
                at -= len(writers)
                sidecars[at].kill()
                sidecars[at].wait()
                sidecars[at] = sidecar()
    finally:
        for each in writers:
            said |= each.kill()
        for process in sidecars:
            process.kill()
            process.wait()
    check(store_url, said)
