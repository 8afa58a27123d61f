from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llama_logging.exceptions import StoreError
from llama_logging.ingest import ingest, waiting
from llama_logging.journal import journals
from llama_logging.pipeline import Pipeline, flush, open_registry, pipeline_for
from llama_logging.registry import Batch, Store
from llama_logging.stores import open_store, urls
from tests.conftest import Run, make_context

STORM = """
import logging, sys
from llama_logging.handlers import RegistryHandler
log = logging.getLogger("app")
log.addHandler(RegistryHandler(store=sys.argv[1]))
log.propagate = False
def fail(number):
    raise ValueError(f"number {number}")
for number in range(int(sys.argv[2])):
    try:
        fail(number)
    except ValueError:
        log.exception("failed %s", number)
    print(number, flush=True)
"""


def count(store: Store) -> int:
    return sum(group.count for group in store.groups())


def settled(url: urls.StoreURL, expected: int) -> int:
    """How many errors the file holds, once it is as many as expected or time is up; nothing is adopted."""
    store, deadline = open_store(url), time.monotonic() + 10
    while (found := count(store)) < expected and time.monotonic() < deadline:
        time.sleep(0.02)
    store.close()
    return found


def test_errors_arrive_by_themselves(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    for _ in range(5):
        assert pipeline.add(make_context())
    assert settled(store_url, 5) == 5


def test_a_query_does_not_wait_for_the_thread(store_url: urls.StoreURL) -> None:
    pipeline_for(store_url).add(make_context())
    store = open_registry(store_url)
    assert count(store) == 1
    store.close()


def test_the_journal_of_a_dead_process_is_adopted_and_removed(store_url: urls.StoreURL) -> None:
    pipeline = Pipeline(store_url)
    pipeline.ingester._started = True  # it died before it could
    pipeline.add(make_context())
    pipeline.journal.close()
    assert len(list(journals(store_url.directories))) == 1
    store = open_registry(store_url)
    assert count(store) == 1
    assert list(journals(store_url.directories)) == []
    store.close()


def test_the_journal_of_a_living_process_stays(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    pipeline.add(make_context())
    open_registry(store_url).close()
    assert list(journals(store_url.directories)) == [pipeline.journal.path]


def test_nothing_is_counted_twice_however_often_it_is_read(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    for number in range(1, 4):
        pipeline.add(make_context())
        for _ in range(2):
            store = open_registry(store_url)
            assert count(store) == number
            store.close()


def test_a_store_that_fails_leaves_the_journal_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database")
    url = urls.parse(f"sqlite:///{tmp_path}/notes.txt")
    pipeline = pipeline_for(url)
    for _ in range(3):
        assert pipeline.add(make_context())
    with pytest.raises(StoreError, match="3 errors are safe in the journal"):
        open_registry(url)
    os.unlink(tmp_path / "notes.txt")
    store = open_registry(url)
    assert count(store) == 3
    store.close()


def test_damaged_frames_cost_only_themselves(store_url: urls.StoreURL) -> None:
    pipeline = Pipeline(store_url)
    pipeline.ingester._started = True
    for _ in range(10):
        pipeline.add(make_context())
    path = pipeline.journal.path
    pipeline.journal.close()
    data = Path(path).read_bytes()
    at = data.rindex(b"no such article")
    Path(path).write_bytes(data[:at] + b"X" + data[at + 1 :] + b'\n{"k":"error","torn')
    store = open_registry(store_url)
    assert count(store) == 9
    store.close()


def test_what_waits_is_counted(store_url: urls.StoreURL) -> None:
    pipeline = Pipeline(store_url)
    pipeline.ingester._started = True
    pipeline.add(make_context())
    pipeline.add(make_context())
    directories = store_url.directories
    store = open_store(store_url)
    assert waiting(None, directories) == waiting(store, directories) == 2
    ingest(store, directories)
    assert waiting(store, directories) == 0
    pipeline.journal.close()
    store.close()


def test_an_ingester_that_dies_between_commit_and_unlink_does_no_harm(store_url: urls.StoreURL) -> None:
    """The next one finds the checkpoint at the end of the file, and removes it."""
    pipeline = Pipeline(store_url)
    pipeline.ingester._started = True
    pipeline.add(make_context())
    path = pipeline.journal.path
    pipeline.journal.close()
    store = open_store(store_url)
    from llama_logging.journal import Reader

    with Reader(path) as reader:
        piece = reader.read(0)
        store.ingest(Batch(reader.name, 0, piece.end, piece.frames))
    ingest(store, store_url.directories)
    assert count(store) == 1
    assert not os.path.exists(path)
    assert store.checkpoint(os.path.basename(path)) == 0
    store.close()


def test_the_end_of_the_process_brings_everything_in(store_url: urls.StoreURL) -> None:
    """A script of a few milliseconds is over before the thread has looked once."""
    done = subprocess.run([sys.executable, "-c", STORM, store_url.url, "50"], check=True, capture_output=True)
    assert done.stderr == b""
    assert settled(store_url, 50) == 50
    assert list(journals(store_url.directories)) != []
    open_registry(store_url).close()
    assert list(journals(store_url.directories)) == []


def test_a_hundred_errors_and_sigkill_right_after_the_last(store_url: urls.StoreURL, cli: Run) -> None:
    command = [sys.executable, "-c", STORM + "input()", store_url.url, "100"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    for line in process.stdout:
        if line.strip() == "99":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert json.loads(cli("summary", "--json", "--store", store_url.url).out)["total_errors"] == 100
    store = open_registry(store_url)
    assert count(store) == 100
    store.close()


def test_processes_killed_in_a_storm_lose_nothing_and_double_nothing(store_url: urls.StoreURL) -> None:
    """Writers with their own ingesters, all killed at random moments, and the registry asked meanwhile."""
    said = 0
    for turn in range(8):
        process = subprocess.Popen([sys.executable, "-c", STORM, store_url.url, "100000"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 * turn)
        if turn % 2:
            open_registry(store_url).close()
        process.send_signal(signal.SIGKILL)
        said += 1 + process.stdout.read().count(b"\n")
        process.wait()
        process.stdout.close()
    store = open_registry(store_url)
    found = count(store)
    # The kill may fall between the write and the word.
    assert said <= found <= said + 8
    assert sum(store.count_by_severity(None, make_context().severity).values()) == found
    health = store.health()
    assert (health.errors, health.problems) == (found, ())
    store.close()


def test_several_processes_may_write_to_one_registry(store_url: urls.StoreURL) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", STORM, store_url.url, "200"], stdout=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    store = open_registry(store_url)
    assert count(store) == 800
    store.close()


def test_a_forked_child_has_an_ingester_of_its_own(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    pipeline.add(make_context())
    assert settled(store_url, 1) == 1
    child = os.fork()
    if not child:
        pipeline.add(make_context())
        os._exit(0 if settled(store_url, 2) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_process_that_logs_without_pause_is_not_run_after(store_url: urls.StoreURL) -> None:
    """What comes while a journal is read is for the next look."""
    pipeline = Pipeline(store_url)
    pipeline.ingester._started = True
    pipeline.add(make_context())
    store = open_store(store_url)
    take = store.ingest

    def slowly(batch: Batch) -> int:
        pipeline.add(make_context())
        return take(batch)

    store.ingest = slowly  # type: ignore[method-assign]
    for looks in range(1, 4):
        ingest(store, store_url.directories)
        assert count(store) == looks
    pipeline.journal.close()
    store.close()


def test_flush_brings_in_what_this_process_has_logged(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    pipeline.ingester._started = True
    pipeline.add(make_context())
    flush()
    assert settled(store_url, 1) == 1
