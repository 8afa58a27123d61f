from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from llama_logging import wire
from llama_logging.compaction import Known, compact, reduce
from llama_logging.context import ErrorSeverity
from llama_logging.exceptions import ConfigError
from llama_logging.handlers import RegistryHandler
from llama_logging.ingest import ingest
from llama_logging.journal import pressure, writing
from llama_logging.journal.framing import seal
from llama_logging.journal.places import directories_for
from llama_logging.journal.reading import Reader, journals
from llama_logging.pipeline import Pipeline
from llama_logging.registry.intake import Batch
from llama_logging.stores import urls
from llama_logging.stores.sqlite import SQLiteStore
from tests.conftest import NOON, Run, make_context


@pytest.fixture
def store(store_url: urls.StoreURL) -> Iterator[SQLiteStore]:
    opened = SQLiteStore(store_url)
    yield opened
    opened.close()


@pytest.fixture
def pipeline(store_url: urls.StoreURL) -> Iterator[Pipeline]:
    """One whose errors stay in the journal."""
    made = Pipeline(store_url)
    made.ingester._started = True
    yield made
    made.journal.close()


def waiting(store: SQLiteStore, directory: str) -> list[dict[str, object]]:
    """All frames that the store does not have."""
    found = []
    for path in journals([directory]):
        with Reader(path) as reader:
            start = store.reached(reader.name)[0]
            while (piece := reader.read(start)).end > start:
                assert piece.damaged == 0
                found += [json.loads(frame) for frame in piece.frames]
                start = piece.end
    return found


def total(store: SQLiteStore, directory: str) -> int:
    """How many errors there are: in the store, in journals, and counted there."""
    frames = waiting(store, directory)
    ids = {frame["id"] for frame in frames if frame["k"] == "error"}
    with store._reading() as execute:
        ids |= {row[0] for row in execute("SELECT error_id FROM errors")}
    return len(ids) + sum(int(str(frame.get("count", 1))) for frame in frames if frame["k"] == "count")


def used(directory: str) -> int:
    return sum(os.stat(path).st_blocks * 512 for path in journals([directory]))


def fill(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, errors: int = 2000) -> str:
    """Segments of 100 KB with errors of a few groups and severities; the directory."""
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 100_000)
    for number in range(errors):
        context = make_context(
            fingerprint=f"v1:{number % 7}",
            severity=list(ErrorSeverity)[1 + number % 4],
            timestamp=NOON + timedelta(seconds=number),
            additional_context={"order": "x" * 200},
        )
        if number % 50 == 0:  # its own code was still to speak
            pipeline.add(replace(context, complete=False))
        pipeline.add(context)
    pipeline.journal.close()
    return os.path.dirname(next(iter(journals(directories_for(pipeline.url.path)))))


@pytest.mark.parametrize("odd", ['{"k":"error"}', '{"k":"error","fp":[],"sev":"x"}', "[]", "no JSON"])
def test_a_journal_that_cannot_be_made_smaller_holds_up_no_other(
    pipeline: Pipeline, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    """A later version, or somebody else, wrote it."""
    directory = fill(pipeline, monkeypatch)
    name = "j1-0000000000000001-1-000000000000.jsonl"
    Path(directory, name).write_bytes(seal(odd))
    store.forget("")
    before = used(directory)
    assert compact(store, directory, before // 2)
    assert next(iter(journals([directory]))).endswith(name)


def test_what_came_after_a_cut_is_kept_or_counted(pipeline: Pipeline, store: SQLiteStore) -> None:
    """It may stand before what the store had read of the journal."""
    for _ in range(20):
        pipeline.add(make_context())
    directory = os.path.dirname(pipeline.journal.path)
    ingest(store, [directory])
    os.truncate(pipeline.journal.path, os.path.getsize(pipeline.journal.path) // 2)
    for _ in range(50):
        pipeline.add(make_context(additional_context={"order": "x" * 200}))
    pipeline.journal.close()
    compact(store, directory, 1)
    ingest(store, [directory])
    assert sum(group.count for group in store.groups()) == 70
    assert not store.health().gaps


def test_under_pressure_repeats_are_counted_and_nothing_lives_in_memory(pipeline: Pipeline, store: SQLiteStore) -> None:
    pipeline.journal.quota = 100_000
    for _ in range(300):
        pipeline.add(make_context())
    pipeline.journal.tend()
    assert pipeline.journal.pressure
    for number in range(500):
        context = make_context(fingerprint=f"v1:{number % 2}")
        pipeline.add(replace(context, complete=False))
        pipeline.add(context)
        pipeline.add(replace(context, again=True))
    directory = os.path.dirname(pipeline.journal.path)
    kinds = Counter(str(frame["k"]) for frame in waiting(store, directory))
    assert kinds["count"] == 500 - 2 * pressure.IN_FULL
    assert total(store, directory) == 800
    frame = next(frame for frame in waiting(store, directory) if frame["k"] == "count")
    assert set(frame) == {"k", "proc", "ts", "sev", "fp", "type", "stack", "n", "crc"}
    pipeline.journal.quota = 10**9
    pipeline.journal.tend()
    assert pipeline.add(make_context())
    assert waiting(store, directory)[-1]["k"] == "error"


def test_a_new_minute_brings_ten_more_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    repeats, now = pressure.Repeats(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert [repeats.has("v1:0", str(n), True) for n in range(12)] == [False] * 10 + [True] * 2
    now[0] = 59.0
    assert repeats.has("v1:0", "x", True)
    for now[0] in (60.0, 120.0):
        assert [repeats.has("v1:0", str(n), True) for n in range(12)] == [False] * 10 + [True] * 2


def test_an_error_that_is_written_twice_is_a_repeat_both_times_or_never() -> None:
    repeats = pressure.Repeats()
    assert [repeats.has("v1:0", str(n), False) for n in range(12)] == [False] * 10 + [True] * 2
    assert [repeats.was_counted(str(n)) for n in range(12)] == [False] * 10 + [True] * 2
    assert not any(repeats.has("v1:0", str(n), True) for n in range(10))
    assert not repeats.early
    assert repeats.has("v1:0", "another", True)
    assert not repeats.has("v1:1", "of another group", True)


def test_what_is_remembered_of_repeats_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_MOST", 20)
    repeats = pressure.Repeats()
    for number in range(100):
        assert not repeats.has(f"v1:{number}", str(number), False)
        assert max(len(repeats.early), len(repeats._written)) <= 21
        assert repeats.early


def test_details_go_first_then_repeats_then_the_harmless(store: SQLiteStore) -> None:
    contexts = [
        make_context(severity=severity, fingerprint=f"v1:{severity.name}", additional_context={"a": 1})
        for severity in (ErrorSeverity.INFO, ErrorSeverity.ERROR, ErrorSeverity.CRITICAL)
        for _ in range(3)
    ]
    frames = [json.loads(wire.encode_error(context)[0]) for context in contexts]
    audit = {"k": "audit", "attempt_id": "a"}

    def left(step: int) -> Counter[str]:
        known = Known(store)
        for frame in frames:
            known._groups[frame["fp"]] = True
        return Counter(
            f"{frame['k']} {frame.get('sev', '')}{' with details' if 'ctx' in frame else ''}"
            for frame in reduce([*frames, audit], step, known)
        )

    assert left(1) == {"error 20": 3, "error 40": 3, "error 50": 3, "audit ": 1}
    assert left(2) == {"error 20": 1, "error 40": 1, "error 50": 3, "audit ": 1, "count 20": 1, "count 40": 1}
    assert left(3) == {"error 40": 1, "error 50": 3, "audit ": 1, "count 20": 1, "count 40": 1}
    assert left(4) == {"error 50": 3, "audit ": 1, "count 20": 1, "count 40": 1}


def test_the_first_error_of_a_group_is_never_given_up(store: SQLiteStore) -> None:
    frames = [json.loads(wire.encode_error(make_context(fingerprint=f"v1:{n % 3}"))[0]) for n in range(30)]
    reduced = reduce(frames, 4, Known(store))
    assert [frame["id"] for frame in reduced if frame["k"] == "error"] == [frame["id"] for frame in frames[:3]]
    assert sum(frame["count"] for frame in reduced if frame["k"] == "count") == 27


@pytest.mark.parametrize("quota", [600_000, 300_000, 100_000, 0])
def test_journals_are_made_smaller_and_counts_stay_exact(
    pipeline: Pipeline, store: SQLiteStore, quota: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the store has of them already, also in the midst of one; and although it is locked."""
    directory = fill(pipeline, monkeypatch)
    with Reader(next(iter(journals([directory])))) as reader:
        piece = reader.read(0, 30_000)
        store.ingest(Batch(reader.name, 0, piece.end, piece.frames))
    before = used(directory)
    locked = SQLiteStore(pipeline.url)
    with locked._transaction():
        for _ in range(2):
            fits = compact(store, directory, quota)
    locked.close()
    assert fits == (used(directory) <= quota)
    assert used(directory) < before
    assert total(store, directory) == 2000
    kept = [frame for frame in waiting(store, directory) if frame["k"] == "error"]
    assert sum(frame["sev"] == 50 for frame in kept) >= 450
    assert sum(int(str(frame["gone"])) for frame in waiting(store, directory) if frame["k"] == "compacted") >= 0


@pytest.mark.parametrize("quota", [10**9, 150_000, 0])
def test_what_was_lost_is_known_also_of_journals_that_were_made_smaller(
    pipeline: Pipeline, store: SQLiteStore, quota: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else is: what is left of one keeps its number, and the name of its writer."""
    next(pipeline.journal._numbers)
    directory = fill(pipeline, monkeypatch, errors=600)
    compact(store, directory, quota)
    ingest(store, [directory])
    assert [gap.missing for gap in store.health().gaps] == [1]


def test_what_is_still_written_to_is_left_alone(
    pipeline: Pipeline, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(100):
        pipeline.add(make_context())
    before = Path(pipeline.journal.path).read_bytes()
    assert not compact(store, os.path.dirname(pipeline.journal.path), 0)
    assert Path(pipeline.journal.path).read_bytes() == before


def test_what_is_being_read_is_left_alone_and_who_reads_the_old_file_stops(
    pipeline: Pipeline, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = fill(pipeline, monkeypatch, errors=100)
    (path,) = journals([directory])
    with Reader(path) as reader:
        with reader.undisturbed() as ours:
            assert ours
            compact(store, directory, 0)
        with reader.undisturbed() as ours:
            assert ours, "it was rewritten under a reader"
    with Reader(path) as reader:
        shutil.copy(path, f"{path}.copy")
        os.replace(f"{path}.copy", path)
        with reader.undisturbed() as ours:
            assert not ours


COMPACT = """
import sys
from llama_logging.compaction import compact
from llama_logging.stores import open_store, urls
compact(open_store(urls.parse(sys.argv[1])), sys.argv[2], 0)
"""


def test_a_compaction_killed_at_any_of_its_steps_loses_nothing_and_doubles_nothing(
    pipeline: Pipeline, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not installed, or not permitted")
    directory = fill(pipeline, monkeypatch, errors=600)
    with Reader(next(iter(journals([directory])))) as reader:
        piece = reader.read(0, 30_000)
        store.ingest(Batch(reader.name, 0, piece.end, piece.frames))
    command = [sys.executable, "-c", COMPACT, pipeline.url.url, directory]
    for call in ("write", "lseek", "fsync", "rename,renameat,renameat2", "unlinkat,unlink"):
        for number in (1, 2, 5):
            inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
            subprocess.run([strace, "-f", "-qq", "-o", os.devnull, *inject, *command], capture_output=True, check=False)
            assert total(store, directory) == 600
    subprocess.run(command, check=True)
    assert total(store, directory) == 600
    assert sum(frame["k"] == "compacted" for frame in waiting(store, directory)) > 1


def test_processes_that_end_at_once_count_too(run: Run, store_url: urls.StoreURL) -> None:
    """Each is over before it is tended; the registry is down, so that nobody makes room."""
    code = """
import logging, os
from llama_logging.handlers import RegistryHandler
logging.root.addHandler(RegistryHandler(quota="256K"))
logging.lastResort = None
for _ in range(200):
    try:
        raise KeyError("order")
    except KeyError:
        logging.exception("failed")
os._exit(0)
"""
    Path(store_url.path).mkdir()
    directory = store_url.directories[0]
    while not os.path.isdir(directory) or used(directory) <= 256 * 1024 * pressure.PRESSURE:
        assert run("-c", code, LLAMA_LOGGING_STORE=store_url.url).code == 0
    before = set(journals([directory]))
    assert run("-c", code, LLAMA_LOGGING_STORE=store_url.url).code == 0
    (path,) = set(journals([directory])) - before
    with Reader(path) as reader:
        kinds = Counter(json.loads(frame)["k"] for frame in reader.read(0).frames)
    assert kinds["error"] + kinds["count"] == 200
    # The first error is written before the folder is looked at, and a minute may end meanwhile.
    assert kinds["error"] <= 1 + 2 * pressure.IN_FULL


def test_the_ingester_sees_to_the_quota(
    pipeline: Pipeline, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = fill(pipeline, monkeypatch)
    pipeline.journal.quota = 150_000
    pipeline.add(make_context())
    pipeline._tend(store)
    assert pipeline.journal.pressure
    assert total(store, directory) == 2001
    assert any(frame["k"] == "compacted" for frame in waiting(store, directory))


def test_the_quota_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert RegistryHandler().pipeline.journal.quota == 256 * 2**20
    assert RegistryHandler(quota="64M").pipeline.journal.quota == 64 * 2**20
    assert RegistryHandler(quota="much").pipeline.journal.quota == 64 * 2**20
    assert "quota: expected a size such as 64M, 1G or a number of bytes, got 'much'" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        RegistryHandler(quota=True, strict=True)
    logging.root.handlers.clear()
