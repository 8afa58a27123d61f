from __future__ import annotations

import _thread
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llama_logging import ingest as ingestion
from llama_logging import wire
from llama_logging.cli.main import main
from llama_logging.context import ErrorSeverity
from llama_logging.exceptions import StoreError
from llama_logging.handlers import RegistryHandler
from llama_logging.ids import new_id
from llama_logging.ingest import Intake, ingest, waiting
from llama_logging.journal import file
from llama_logging.journal.places import directories_for
from llama_logging.journal.reading import Reader, journals
from llama_logging.journal.writing import Journal
from llama_logging.opening import open_registry
from llama_logging.pipeline import Pipeline, flush, pipeline_for
from llama_logging.registry import Store
from llama_logging.registry.intake import Batch
from llama_logging.runtime import native
from llama_logging.stores import counting, known, moves, open_store, sqlite, sqlite_file, states, urls
from llama_logging.stores.sqlite import SQLiteStore
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


def written(url: urls.StoreURL, errors: int = 0) -> Pipeline:
    """One that brings nothing in, with so many *errors* in its journal."""
    pipeline = Pipeline(url)
    pipeline.ingester._started = True
    for _ in range(errors):
        pipeline.add(make_context())
    return pipeline


def settled(url: urls.StoreURL, expected: int) -> int:
    """How many errors the file holds, once it is as many as expected or time is up; nothing is adopted."""
    store, deadline = open_store(url), time.monotonic() + 10
    while (found := count(store)) < expected and time.monotonic() < deadline:
        time.sleep(0.02)
    store.close()
    return found


def is_indexed(url: urls.StoreURL) -> bool:
    """Whether somebody has the words of the newest error indexed, within 10 s."""
    deadline = time.monotonic() + 10
    ask = "SELECT (SELECT max(position) FROM errors) = value + 0 FROM registry WHERE name = 'errors indexed'"
    with contextlib.closing(sqlite3.connect(url.path)) as registry:
        while not (found := registry.execute(ask).fetchone()[0]) and time.monotonic() < deadline:
            time.sleep(0.02)
    return bool(found)


def test_what_is_only_counted_is_counted_once_however_many_ingest(store_url: urls.StoreURL) -> None:
    """One has read a journal, and brings it in after another has brought it in whole."""
    pipeline = written(store_url, 1)
    pipeline._write(wire.dumps(wire.encode_count(make_context())))
    pipeline.journal.close()
    (path,) = journals(store_url.directories)
    with contextlib.closing(open_store(store_url)) as store:
        with Reader(path) as slow, slow.undisturbed() as ours:
            assert ours
            piece = slow.read(0)
            # The lock of an open file is its owner's: the other finds the journal abandoned, too.
            slow.abandoned = False
            fcntl.flock(slow._fd, fcntl.LOCK_UN)
            ingest(store, store_url.directories)
            assert count(store) == 2
            store.ingest(Batch(slow.name, 0, piece.end, piece.frames))
        assert count(store) == 2
        ingest(store, store_url.directories)
        assert count(store) == 2
        assert list(journals(store_url.directories)) == []


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


def test_a_registry_that_takes_nothing_in_answers_with_what_it_has(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its disk is full, or another process holds it locked; a gate, which may not pass too soon, fails."""
    url = urls.default()
    pipeline = pipeline_for(url)
    pipeline.ingester._started = True
    pipeline.add(make_context())
    open_registry(url).close()
    pipeline.add(make_context())
    monkeypatch.setattr("llama_logging.stores.sqlite_file.BUSY_TIMEOUT", 0.05)
    with contextlib.closing(sqlite3.connect(url.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = open_registry(url)
        assert count(store) == 1
        store.close()
        assert "database is locked; 1 error is safe in the journal" in capsys.readouterr().err
        assert main(["gate", "--since", "1h"]) == 1
        assert capsys.readouterr().err.startswith("llama-logging: sqlite:")
    store = open_registry(url)
    assert count(store) == 2
    store.close()


def test_the_folders_that_hold_what_waits_are_named(tmp_path: Path) -> None:
    """And no other, though it is there."""
    (tmp_path / "notes.txt").write_text("not a database")
    url = urls.parse(f"sqlite:///{tmp_path}/notes.txt")
    first, state, *_ = url.directories
    os.makedirs(first)
    Journal([state], lambda: "{}").write('{"k":"error","id":"1"}')
    with pytest.raises(StoreError, match=f"1 error is safe in the journal {state}, waiting for it"):
        open_registry(url)
    assert pipeline_for(url).add(make_context())
    with pytest.raises(StoreError, match=f"2 errors are safe in the journals {first} and {state}, waiting for it"):
        open_registry(url)


def left_by_a_dead_process(url: urls.StoreURL, message: str = "") -> str:
    """The path of a journal with one error."""
    pipeline = written(url)
    pipeline.add(make_context(error_message=message))
    path = pipeline.journal.path
    pipeline.journal.close()
    return path


@contextlib.contextmanager
def refusing(url: urls.StoreURL, journal: str) -> Iterator[None]:
    """Within it, the registry refuses what comes of that journal."""
    begin = ["ALTER TABLE journals ADD CONSTRAINT sick CHECK (journal <> '{}')"]
    if url.path:
        # It counts as another's, of which there may be one.
        begin = [
            "INSERT INTO journals VALUES ('another', 0, 0, '')",
            "CREATE UNIQUE INDEX sick ON journals (CASE WHEN journal IN ('another', '{}') THEN 1 END)",
        ]
    with admin(url) as own:
        for statement in begin:
            own.execute(statement.format(journal))
        yield
        own.execute("DROP INDEX sick" if url.path else "ALTER TABLE journals DROP CONSTRAINT sick")


@contextlib.contextmanager
def admin(url: urls.StoreURL) -> Iterator[Any]:
    """A connection of somebody else's."""
    if url.path:
        with contextlib.closing(sqlite3.connect(url.path, isolation_level=None)) as own:
            yield own
    else:
        psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
        with psycopg.connect(urls.without_schema(url), autocommit=True) as own:
            own.execute(f"SET search_path = {url.schema}")
            yield own


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_journal_that_the_store_refuses_holds_up_no_other(
    any_url: urls.StoreURL, place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told of, left for a while, and taken in when it may be."""
    paths = [left_by_a_dead_process(any_url, f"number {number}") for number in range(3)]
    store = open_store(any_url)
    store.forget("")  # it is there
    with refusing(any_url, os.path.basename(paths[place])):
        first = Intake(store, any_url.directories)
        assert first.run() > 0
        assert "sick" in str(first.failure)
        assert [group.count for group in store.groups()] == [2]
        assert list(journals(any_url.directories)) == [paths[place]]
        paths += [left_by_a_dead_process(any_url) for _ in range(2)]
        assert main(["ingest", "--store", any_url.url]) == 1
        assert "left for now, while others come in" in (told := capsys.readouterr().err)
        assert paths[place] in told
        intake = Intake(store, any_url.directories, path=any_url.path or None)
        with pytest.raises(StoreError, match="sick"):
            intake.run()  # nothing else tells that it is not the store
        asked = left_by_a_dead_process(any_url)
        intake.run()
        assert paths[place] in str(intake.failure)
        assert not os.path.exists(asked)
        assert intake.run() == 0
        for pause in (20.0, 40.0):
            intake._left[paths[place]] = intake._left[paths[place]]._replace(until=0.0)
            left_by_a_dead_process(any_url)
            assert intake.run() > 0
            assert intake._left[paths[place]].pause == pause
    for path in list(intake._left):
        intake._left[path] = intake._left[path]._replace(until=0.0)
    assert intake.run() > 0
    assert intake.failure is None
    assert [group.count for group in store.groups()] == [8]
    assert list(journals(any_url.directories)) == []
    assert "" not in [journal.name for journal in store.journals()]
    store.close()


def test_a_registry_that_takes_nothing_new_is_not_asked_for_each_journal(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where what is not there can still be deleted."""
    for _ in range(5):
        left_by_a_dead_process(store_url)
    store = open_store(store_url)
    store.forget("")  # it is there
    with admin(store_url) as own:
        own.execute("CREATE TRIGGER full BEFORE INSERT ON journals BEGIN SELECT RAISE(ABORT, 'full'); END")
    batches = spied(store, monkeypatch)
    with pytest.raises(StoreError, match="full"):
        ingest(store, store_url.directories)
    assert len(batches) == 2  # of a journal, and to see whether it is the journal
    store.close()


def spied(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """What the store is given from now on."""
    batches: list[Batch] = []
    take = store.ingest

    def ingest(batch: Batch) -> int:
        batches.append(batch)
        return take(batch)

    monkeypatch.setattr(store, "ingest", ingest)
    return batches


def test_a_store_that_is_away_is_not_asked_for_each_journal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port, called, ended = server.getsockname()[1], list[int](), threading.Event()

        def answer() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    server.accept()[0].close()
                    called.append(1)

        thread = threading.Thread(target=answer)
        thread.start()
        url = urls.parse(f"postgresql://ada@127.0.0.1:{port}/errors?sslmode=disable&gssencmode=disable")
        for _ in range(5):
            left_by_a_dead_process(url)
        store = open_store(url)
        with pytest.raises(StoreError):
            ingest(store, url.directories)
        ended.set()
        thread.join()
    assert len(called) == 2  # for a journal, and to see whether it is the journal
    assert len(list(journals(url.directories))) == 5
    store.close()


@pytest.mark.parametrize("cut", ["all", "behind the definitions", "in the midst of an error", "behind an error"])
@pytest.mark.parametrize("later", [0, 1, 6])
def test_a_journal_that_was_cut_short_is_read_from_where_it_was(
    any_url: urls.StoreURL, cut: str, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is by now; each once, also what is only counted, and what is gone is a proven loss."""
    monkeypatch.setattr(ingestion, "BATCH_BYTES", 1)
    pipeline = written(any_url, 1)
    pipeline._write(wire.dumps(wire.encode_count(make_context())))
    ends = [os.path.getsize(pipeline.journal.path)]
    for _ in range(3):
        pipeline.add(make_context())
        ends.append(os.path.getsize(pipeline.journal.path))
    store = open_store(any_url)
    ingest(store, any_url.directories)
    pipeline.add(make_context())
    places = {"all": 0, "behind the definitions": ends[0], "in the midst of an error": ends[0] + 9}
    os.truncate(pipeline.journal.path, places.get(cut, ends[1]))
    for _ in range(later):
        pipeline.add(make_context())
    for _ in range(2):
        ingest(store, any_url.directories)
        assert count(store) == 5 + later
        assert [gap.missing for gap in store.health().gaps] == ([1] if later else [])
    pipeline.journal.close()
    ingest(store, any_url.directories)
    assert count(store) == 5 + later
    assert list(journals(any_url.directories)) == []
    store.close()


@pytest.mark.parametrize("cut", [0, 9])
def test_a_journal_that_was_cut_short_before_its_first_look_is_a_proven_loss(
    any_url: urls.StoreURL, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process says once more who it is, and what it had defined."""
    monkeypatch.setattr(file, "LOOK_EVERY", 0.0)
    pipeline = written(any_url, 3)
    os.truncate(pipeline.journal.path, cut)
    for _ in range(2):
        pipeline.add(make_context())
    store = open_store(any_url)
    ingest(store, any_url.directories)
    assert [(gap.missing, gap.process["pid"]) for gap in store.health().gaps] == [(3, os.getpid())]
    assert [error.stack_trace for error in store.errors()] == [make_context().stack_trace] * 2
    store.close()
    pipeline.journal.close()


def test_of_a_journal_that_was_cut_short_definitions_are_read_that_are_new(
    any_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand before the error that refers to them."""
    monkeypatch.setattr(file, "LOOK_EVERY", 0.0)
    pipeline = written(any_url, 8)
    store = open_store(any_url)
    ingest(store, any_url.directories)
    place = os.path.getsize(pipeline.journal.path)
    new = make_context(template="Traceback (most recent call last):\n  elsewhere\n\0", fingerprint="v1:new")
    pipeline.add(new)
    os.truncate(pipeline.journal.path, place // 4)
    pipeline.add(replace(new, error_id=new_id()))
    ingest(store, any_url.directories)
    assert store.errors(fingerprint="v1:new")[0].stack_trace == new.stack_trace
    assert [gap.missing for gap in store.health().gaps] == [1]
    store.close()
    pipeline.journal.close()


def test_of_a_journal_that_was_cut_to_nothing_something_was_lost(any_url: urls.StoreURL) -> None:
    """Nothing tells how much, or whose: its process said no more. What was in the registry is no loss."""
    pipeline = written(any_url)
    store = open_store(any_url)
    for damaged in (1, 1):
        pipeline.add(make_context())
        if store.health().damaged:
            ingest(store, any_url.directories)
        os.truncate(pipeline.journal.path, 0)
        pipeline.journal.close()
        ingest(store, any_url.directories)
        assert (store.health().damaged, list(journals(any_url.directories))) == (damaged, [])
    assert count(store) == 1
    store.close()


def test_what_waits_in_a_journal_that_was_cut_short_is_counted(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = written(store_url, 5)
    store = open_store(store_url)
    ingest(store, store_url.directories)
    os.truncate(pipeline.journal.path, os.path.getsize(pipeline.journal.path) // 2)
    for number in range(1, 8):
        pipeline.add(make_context())
        assert waiting(store, store_url.directories) == number
    store.close()
    pipeline.journal.close()


def test_damaged_frames_cost_only_themselves(store_url: urls.StoreURL) -> None:
    pipeline = written(store_url, 10)
    path = pipeline.journal.path
    pipeline.journal.close()
    data = Path(path).read_bytes()
    at = data.rindex(b"no such article")
    Path(path).write_bytes(data[:at] + b"X" + data[at + 1 :] + b'\n{"k":"error","torn')
    store = open_registry(store_url)
    assert count(store) == 9
    store.close()


def test_a_batch_is_read_in_steps(store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between which other threads get the interpreter; damage is counted in each."""
    monkeypatch.setattr(ingestion, "STEP_BYTES", 2_000)
    monkeypatch.setattr(ingestion, "BATCH_BYTES", 10_000)
    pipeline = written(store_url, 100)
    path = Path(pipeline.journal.path)
    pipeline.journal.close()
    frames = path.read_bytes().split(b"\n\n")
    for number in (40, -2):
        frames[number] += b"x"
    path.write_bytes(b"\n\n".join(frames))
    steps: list[int] = []
    with contextlib.closing(open_store(store_url)) as store:
        batches = spied(store, monkeypatch)
        Intake(store, store_url.directories, breathe=lambda: steps.append(1)).run()
        assert (count(store), store.health().damaged) == (98, 2)
    assert len(batches) > 2
    assert all(8_000 < batch.end - batch.start < 12_000 for batch in batches[:-1])
    assert len(steps) > 3 * len(batches)


def test_what_waits_is_counted(store_url: urls.StoreURL) -> None:
    pipeline = written(store_url, 1)
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
    pipeline = written(store_url, 1)
    path = pipeline.journal.path
    pipeline.journal.close()
    store = open_store(store_url)
    with Reader(path) as reader:
        piece = reader.read(0)
        store.ingest(Batch(reader.name, 0, piece.end, piece.frames))
    ingest(store, store_url.directories)
    assert count(store) == 1
    assert not os.path.exists(path)
    assert store.reached(os.path.basename(path))[0] == 0
    store.close()


def test_the_end_of_the_process_brings_everything_in(store_url: urls.StoreURL) -> None:
    """A script of a few milliseconds is over before the thread has looked once."""
    done = subprocess.run([sys.executable, "-c", STORM, store_url.url, "50"], check=True, capture_output=True)
    assert done.stderr == b""
    assert settled(store_url, 50) == 50
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
    pipeline = written(store_url, 1)
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


def test_threads_that_flush_at_once_find_their_own_errors(store_url: urls.StoreURL) -> None:
    """Each after each; what one does ends nothing that another waits for."""
    pipeline = pipeline_for(store_url)
    missing: list[object] = []

    def work() -> None:
        for _ in range(10):
            context = make_context()
            pipeline.add(context)
            try:
                flush(30)
                with contextlib.closing(open_store(store_url)) as store:
                    store.find(context.error_id)
            except Exception as error:
                missing.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []


def test_an_error_survives_what_its_handler_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut too, where the journal is synced before the logging call returns."""
    synced: list[int] = []
    for durability, expected in (("process", 0), ("critical", 1), ("disk", 2)):
        handler = RegistryHandler(durability=durability)
        monkeypatch.setattr(handler.pipeline.journal, "tend", lambda: None)
        synced.clear()
        monkeypatch.setattr(os, "fdatasync", synced.append)
        for level in (logging.ERROR, logging.CRITICAL):
            handler.handle(logging.LogRecord("app", level, "a.py", 1, "x", None, None))
        assert len(synced) == expected
        monkeypatch.undo()
    assert RegistryHandler().pipeline.sync_from == ErrorSeverity.DEBUG  # no word is no change


def test_an_unknown_durability_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    RegistryHandler(durability="disc")
    assert "durability: unknown durability 'disc'; expected process, critical, disk" in capsys.readouterr().err


def test_the_journal_is_synced_and_space_set_aside_about_each_second(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    pipeline.add(make_context())
    folder, deadline = Path(directories_for(store_url.path)[0]), time.monotonic() + 10
    while not list(folder.glob("*.reserve")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(folder.glob("*.reserve"))
    assert pipeline.journal._file is not None
    assert not pipeline.journal._file.unsynced


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_deleted_under_the_ingester_is_made_anew(store_url: urls.StoreURL, replaced: bool) -> None:
    """What was committed to the old file is gone with it; what still lies in the journal comes again."""
    pipeline = pipeline_for(store_url)
    pipeline.add(make_context())
    assert settled(store_url, 1) == 1
    if replaced:
        open_registry(urls.parse(store_url.url + ".other")).close()
        other = SQLiteStore(urls.parse(store_url.url + ".other"))
        other.forget("")
        other.close()
        os.replace(store_url.path + ".other", store_url.path)
    else:
        os.unlink(store_url.path)
    pipeline.add(make_context())
    assert settled(store_url, 2) == 2
    assert pipeline.ingester.failure is None


def test_a_database_in_place_of_a_deleted_one_gets_what_lies_in_all_journals_at_once(store_url: urls.StoreURL) -> None:
    """Also in those of living processes in which there is nothing new."""
    pipeline, store = Pipeline(store_url), open_store(store_url)
    pipeline.ingester._started = True
    pipeline.add(make_context())
    intake = Intake(store, store_url.directories, path=store_url.path)
    for _ in range(2):
        assert intake.run() > 0
        assert intake.run() == 0
        with contextlib.closing(open_store(store_url)) as other:
            assert count(other) == 1
        os.unlink(store_url.path)
    store.close()
    pipeline.journal.close()


def test_a_journal_is_kept_while_the_database_is_replaced(store_url: urls.StoreURL) -> None:
    """The commit went into a file that nobody will find."""
    pipeline = written(store_url, 1)
    pipeline.journal.close()

    class Replaced(SQLiteStore):
        def ingest(self, batch: Batch) -> int:
            end = super().ingest(batch)
            os.unlink(store_url.path)
            return end

    store = Replaced(store_url)
    store.forget("")
    with pytest.raises(StoreError, match="deleted or replaced"):
        ingest(store, directories_for(store_url.path), path=store_url.path)
    store.close()
    assert len(list(journals(directories_for(store_url.path)))) == 1
    opened = open_registry(store_url)
    assert count(opened) == 1
    opened.close()


def test_an_older_copy_put_in_its_place_between_two_batches_gets_all_of_a_journal(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "BATCH_BYTES", 1)
    pipeline = written(store_url, 5)
    store, copy = SQLiteStore(store_url), f"{store_url.path}.copy"
    store.forget("")
    with contextlib.closing(sqlite3.connect(store_url.path)) as one, contextlib.closing(sqlite3.connect(copy)) as other:
        one.backup(other)
    came = store.ingest

    def after_the_copy(batch: Batch) -> int:
        if intake.errors and os.path.exists(copy):
            for ending in ("-wal", "-shm"):
                os.unlink(f"{store_url.path}{ending}")
            os.replace(copy, store_url.path)
        return came(batch)

    monkeypatch.setattr(store, "ingest", after_the_copy)
    intake = Intake(store, store_url.directories, path=store_url.path, arrived=lambda number: None)
    with pytest.raises(StoreError, match="deleted or replaced"):
        intake.run()
    intake.run()
    assert count(store) == 5
    store.close()
    pipeline.journal.close()


def test_a_journal_with_nothing_new_is_left_alone_for_a_while(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred processes each would ask for the journals of all others, once a second."""
    asked: list[str] = []
    store = open_store(store_url)
    reached = store.reached

    def ask(journal: str) -> tuple[int, int | None]:
        asked.append(journal)
        return reached(journal)

    monkeypatch.setattr(store, "reached", ask)
    pipeline = written(store_url, 1)
    intake = Intake(store, store_url.directories, path=store_url.path or None)
    for _ in range(3):
        intake.run()
    assert len(asked) == 1
    pipeline.add(make_context())
    intake.run()
    assert (len(asked), count(store)) == (2, 2)
    monkeypatch.setattr(ingestion, "LOOK_AGAIN", 0.0)
    intake.run()
    assert len(asked) == 2
    monkeypatch.setattr(ingestion, "ASK_AGAIN", 0.0)
    intake.run()
    assert len(asked) == 3
    store.close()
    pipeline.journal.close()


def test_of_a_journal_that_goes_on_no_more_than_its_last_frame_is_read_again(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be long."""
    monkeypatch.delattr(Reader, "_first_after")
    pipeline, store = Pipeline(store_url), open_store(store_url)
    pipeline.ingester._started = True
    for length in (1, 1, 20_000, 1):
        pipeline.add(make_context(error_message="x" * length))
        ingest(store, store_url.directories)
    assert count(store) == 4
    store.close()
    pipeline.journal.close()


def test_after_a_failure_the_store_is_asked_for_all_journals(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another server that answers next, which has less."""
    asked: list[str] = []
    failures: list[StoreError] = []
    store = open_store(store_url)
    reached = store.reached

    def ask(journal: str) -> tuple[int, int | None]:
        asked.append(journal)
        if failures:
            raise failures.pop()
        return reached(journal)

    monkeypatch.setattr(store, "reached", ask)
    quiet, busy = Pipeline(store_url), Pipeline(store_url)
    intake = Intake(store, store_url.directories, path=store_url.path or None)
    for pipeline in (quiet, busy):
        pipeline.ingester._started = True
        pipeline.add(make_context())
    intake.run()
    failures.append(StoreError("gone"))
    busy.add(make_context())
    with pytest.raises(StoreError):
        intake.run()
    asked.clear()
    intake.run()
    assert len(asked) == 2
    store.close()
    for pipeline in (quiet, busy):
        pipeline.journal.close()


def test_a_journal_that_was_cut_short_is_read_again(store_url: urls.StoreURL) -> None:
    """Nothing is counted twice, and what comes after the cut is not missed."""
    pipeline = written(store_url, 10)
    open_registry(store_url).close()
    os.truncate(pipeline.journal.path, os.path.getsize(pipeline.journal.path) // 2)
    pipeline.add(make_context())
    for _ in range(2):
        store = open_registry(store_url)
        assert count(store) == 11
        store.close()
    pipeline.journal.close()


def test_the_end_of_the_process_does_not_wait_for_a_locked_database(store_url: urls.StoreURL, run: Run) -> None:
    """The thread waits for it and the process does not; the errors wait in the journal."""
    store = SQLiteStore(store_url)
    store.forget("")
    with store._transaction():
        patient = "from llama_logging.stores import sqlite_file; sqlite_file.BUSY_TIMEOUT = 1000.0"
        done = run("-c", patient + STORM, store_url.url, "3")
        assert (done.code, done.err) == (0, "")
    store.close()
    registry = open_registry(store_url)
    assert count(registry) == 3
    registry.close()


def test_a_store_that_comes_back_gets_what_waited(store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.1)
    store = SQLiteStore(store_url)
    store.forget("")
    pipeline = pipeline_for(store_url)
    with store._transaction():
        pipeline.add(make_context())
        deadline = time.monotonic() + 10
        while pipeline.ingester.failure is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "locked" in str(pipeline.ingester.failure)
    store.close()
    assert settled(store_url, 1) == 1


def test_the_thread_is_one_of_the_operating_systems(store_url: urls.StoreURL) -> None:
    """And ends when it is told to; the next error starts another."""
    pipeline = pipeline_for(store_url)
    before = set(os.listdir("/proc/self/task"))  # some of them may end meanwhile

    def started() -> set[str]:
        return set(os.listdir("/proc/self/task")) - before

    for number in (1, 2):
        pipeline.add(make_context())
        assert settled(store_url, number) == number
        assert len(started()) == 1
        pipeline.ingester.stop(10)
        deadline = time.monotonic() + 10
        while started() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not started()


def test_a_thread_that_cannot_be_started_is_tried_again(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    pipeline = pipeline_for(store_url)
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    pipeline.add(make_context())
    monkeypatch.undo()
    pipeline.ingester._retry_at = 0.0
    pipeline.add(make_context())
    assert settled(store_url, 2) == 2


def test_a_thread_that_failed_is_tried_again(store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch) -> None:
    """As without memory, or where what reaches the store is not installed yet."""

    def refuse() -> Store:
        raise MemoryError("no room")

    pipeline = pipeline_for(store_url)
    monkeypatch.setattr(pipeline.ingester, "_open_store", refuse)
    pipeline.add(make_context())
    deadline = time.monotonic() + 30
    while pipeline.ingester.failure is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "no room" in str(pipeline.ingester.failure)
    monkeypatch.undo()
    pipeline.ingester._retry_at = 0.0
    pipeline.add(make_context())
    assert settled(store_url, 2) == 2


def test_what_has_ended_for_good_starts_no_thread_again(store_url: urls.StoreURL) -> None:
    pipeline = pipeline_for(store_url)
    before = len(os.listdir("/proc/self/task"))
    pipeline.ingester.end(10)
    pipeline.add(make_context())
    assert len(os.listdir("/proc/self/task")) == before


def test_where_no_thread_may_run_the_next_process_does_it(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of uWSGI without enable-threads."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={"http": b":8000"}))
    assert not native.may_have_threads()
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={"enable-threads": True}))
    assert native.may_have_threads()


def test_a_command_brings_everything_in(store_url: urls.StoreURL, cli: Run) -> None:
    """The journal of a dead process and that of a living one; a second time there is nothing to do."""
    for _ in range(2):
        pipeline = written(store_url, 1)
    pipeline.journal.close()
    done = cli("ingest", "--store", store_url.url)
    assert (done.code, done.out, done.err) == (0, f"2 errors ingested into {store_url}\n", "")
    assert json.loads(cli("ingest", "--json", "--store", store_url.url).out) == {"store": store_url.url, "errors": 0}
    assert settled(store_url, 2) == 2


def test_a_command_that_cannot_write_to_the_registry_says_so(store_url: urls.StoreURL, cli: Run) -> None:
    Path(store_url.path).write_text("not a database")
    pipeline = written(store_url, 1)
    done = cli("ingest", "--store", store_url.url)
    assert done.code == 1
    assert "not a SQLite database" in done.err
    pipeline.journal.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_stays_and_ends_when_told(store_url: urls.StoreURL, number: signal.Signals) -> None:
    """A registry that cannot be written for a while is told, and waited for; no search has to wait for words."""
    command = [sys.executable, "-m", "llama_logging", "ingest", "--follow", "--store", store_url.url]
    Path(store_url.path).write_text("not a database")
    pipeline = written(store_url, 1)
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follower.stderr is not None
    assert "not a SQLite database" in follower.stderr.readline()
    os.unlink(store_url.path)
    assert "can be read again" in follower.stderr.readline()
    assert settled(store_url, 1) == 1
    pipeline.add(make_context())
    assert settled(store_url, 2) == 2
    assert is_indexed(store_url)
    follower.send_signal(number)
    out, err = follower.communicate(timeout=60)
    assert (follower.returncode, out, err) == (0, f"2 errors ingested into {store_url}\n", "")
    pipeline.journal.close()


QUERY = """
import sys
import threading
from llama_logging.stores import open_store, urls
store = open_store(urls.parse(sys.argv[1]))
print(sum(group.count for group in store.groups()))
store.close()
"""


def test_a_query_in_the_process_drops_none_of_the_ingesters_locks(store_url: urls.StoreURL, run: Run) -> None:
    """Else another process, the last to close as it thinks, deletes the log that the ingester commits to."""
    store = open_store(store_url)
    frame = wire.encode_error(make_context())[0]
    store.ingest(Batch("j", 0, 10, [frame]))
    query = open_store(store_url)
    assert count(query) == 1
    query.close()
    assert run("-c", QUERY, store_url.url).out == "1\n"
    store.ingest(Batch("j", 10, 20, [wire.encode_error(make_context())[0]]))
    assert run("-c", QUERY, store_url.url).out == "2\n"
    store.close()


@pytest.mark.parametrize("content", [b"x", b"not a database", b"# notes\n" * 2000, b"SQLite format 2" + b"\0" * 5000])
def test_a_file_of_somebody_elses_is_left_as_it_is(store_url: urls.StoreURL, content: bytes) -> None:
    Path(store_url.path).write_bytes(content)
    store = open_store(store_url)
    with pytest.raises(StoreError, match="not a SQLite database; it was left as it is"):
        store.forget("j")
    store.close()
    assert Path(store_url.path).read_bytes() == content


def test_what_a_batch_costs_does_not_grow_with_the_registry(store_url: urls.StoreURL) -> None:
    """No statement goes through all errors, groups or counts there are."""
    all_of_them = {f"SCAN {table}" for table in ("errors", "groups", "counts", "day_counts", "group_origins")}
    store = sqlite.SQLiteStore(store_url)
    store.forget("")
    every = (
        *(*counting.STACKS, counting.FOUND, counting.GROUPS, *counting.PLACED, counting.RELEASES, *counting.COUNTS),
        *(*counting.TOTALS, *counting.OTHERS, known.HAS_KNOWN, known.KNOWN.format("?, ?"), *known.SPOKEN),
        *(*states.STATES, states.UNMUTE, *states.TURN, states.UNMUTE_AT, *moves.LEAVE, moves.MOVED, *moves.ENTER),
    )
    with store._reading() as execute:
        for statement in every:
            plan = {row[3] for row in execute(f"EXPLAIN QUERY PLAN {statement}", (7,) * statement.count("?"))}
            assert not plan & all_of_them, statement
    store.close()


def test_a_journal_is_removed_when_the_disk_has_all_of_it(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits do not wait for the disk, and so this does, once for many."""
    left: list[list[str]] = []
    sync = sqlite.SQLiteStore.sync

    def noting(store: sqlite.SQLiteStore) -> None:
        left.append(list(journals(store_url.directories)))
        sync(store)

    monkeypatch.setattr(sqlite.SQLiteStore, "sync", noting)
    paths = []
    for _ in range(5):
        pipeline = Pipeline(store_url)
        pipeline.ingester._started = True  # it died before it could
        pipeline.add(make_context())
        paths.append(pipeline.journal.path)
        pipeline.journal.close()
    monkeypatch.setattr(ingestion, "TOGETHER", 3)
    open_registry(store_url).close()
    assert [sorted(there) for there in left] == [sorted(paths), sorted(paths[3:])]
    assert list(journals(store_url.directories)) == []
