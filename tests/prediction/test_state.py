"""What was learned, over the end of processes."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llama_logging.handlers import PredictionHandler
from llama_logging.predicting.memory import MOST, STAYS, Learned, Memory
from llama_logging.prediction.predictor import VERSION
from tests.conftest import Run

FOLDER = "llama_logging.db.prediction"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Callable[..., Memory]]:
    """Makes memories of one folder."""
    made: list[Memory] = []

    def make(role: str = "shop") -> Memory:
        made.append(Memory(str(tmp_path / "kept"), role))
        return made[-1]

    yield make
    for one in made:
        one.release()


def kept(own_place: Path) -> dict[str, Any]:
    (path,) = (own_place / FOLDER).glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_what_was_kept_is_adopted_by_the_next(memory: Callable[..., Memory]) -> None:
    first = memory()
    assert first.adopt() == Learned()
    first.keep({"a": 1})
    first.keep({"a": 2})
    first.release()
    second = memory()
    assert second.adopt() == Learned({"a": 2})
    assert first.name == second.name == "shop-0"


def test_two_at_once_keep_apart_and_the_second_begins_with_a_copy(memory: Callable[..., Memory]) -> None:
    first, second = memory(), memory()
    first.adopt()
    first.keep({"a": 1})
    assert second.adopt() == Learned({"a": 1}, inherited=True)
    second.keep({"a": 2})
    first.release()
    second.release()
    assert [memory().adopt().content for _ in range(2)] == [{"a": 1}, {"a": 2}]


def test_a_newcomer_learns_from_the_newest(memory: Callable[..., Memory], tmp_path: Path) -> None:
    several = [memory() for _ in range(3)]
    for number, one in enumerate(several):
        one.adopt()
        one.keep({"n": number})
        os.utime(tmp_path / "kept" / f"shop-{number}.json", (number % 2, number % 2))
    assert memory().adopt().content == {"n": 1}


def test_roles_are_apart_whatever_they_are_called(memory: Callable[..., Memory], tmp_path: Path) -> None:
    odd = memory("../../etc/passwd\n")
    odd.adopt()
    odd.keep({})
    assert memory().adopt() == Learned()
    assert {path.name for path in (tmp_path / "kept").glob("*.json")} == {".._.._etc_passwd_-0.json"}


def test_only_the_owner_can_read_it(memory: Callable[..., Memory], tmp_path: Path) -> None:
    one = memory()
    one.adopt()
    one.keep({})
    assert [oct((tmp_path / "kept" / name).stat().st_mode & 0o777) for name in ("", "shop-0.json")] == [
        "0o700",
        "0o600",
    ]


def test_a_folder_of_others_is_not_used(memory: Callable[..., Memory], tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept").chmod(0o777)
    with pytest.raises(PermissionError, match="others may write"):
        memory().adopt()


def test_what_cannot_be_written_leaves_what_was_there(
    memory: Callable[..., Memory], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = memory()
    one.adopt()
    one.keep({"a": 1})
    with pytest.raises(TypeError):
        one.keep({"a": object()})
    one.release()
    assert memory().adopt() == Learned({"a": 1})


def test_one_whose_descriptors_were_closed_owns_its_file_again(memory: Callable[..., Memory]) -> None:
    """As a daemon does it that closes all it has inherited."""
    one = memory()
    one.adopt()
    assert one._lock is not None
    os.close(one._lock)
    one.keep({"a": 1})
    assert memory().adopt().inherited


def test_there_is_an_end_to_how_many(memory: Callable[..., Memory]) -> None:
    for _ in range(MOST):
        memory().adopt()
    with pytest.raises(OSError, match=f"{MOST} processes"):
        memory().adopt()


def test_programs_that_never_come_again_leave_no_files_for_ever(
    memory: Callable[..., Memory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As jobs do whose names have a date in them."""
    monkeypatch.setattr("llama_logging.predicting.memory.FEW", 2)
    long_ago = time.time() - 2 * STAYS
    owned = [memory(role) for role in ("running", "killed early", "job-1", "job-2", "recent")]
    for number, one in enumerate(owned):
        one.adopt()
        if number != 1:
            one.keep({})
    for path in (tmp_path / "kept").iterdir():
        if not path.name.startswith("recent"):
            os.utime(path, (long_ago, long_ago))
    for one in owned[1:]:
        one.release()
    memory("new").adopt()
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        *("running-0.json", "running-0.lock", "recent-0.json", "recent-0.lock", "new-0.lock")
    }


LEARNING = """
import logging, os, sys, time
from llama_logging.handlers import PredictionHandler
handler = PredictionHandler(inline=True, tick=0.05)
logging.root.addHandler(handler)
logging.root.setLevel("INFO")
for number in range(50):
    record = logging.root.makeRecord("app", 20, "", 0, "step %d", (number,), None)
    record.created = time.time() - 3000 + 60 * number
    logging.root.handle(record)
"""


def test_a_killed_process_is_succeeded_with_what_it_had_kept(
    own_place: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    code = LEARNING + "handler.watch.shift.save(); print(handler.watch.shift.learner.name, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"shop-0\n"
        before = kept(own_place)
        process.send_signal(signal.SIGKILL)
    done = run("-c", LEARNING + "print(handler.watch.shift.learner.name)")
    assert (done.out, done.err) == ("shop-0\n", "")
    assert before["predictor"]["version"] == kept(own_place)["predictor"]["version"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "it is damaged"),
        (b"[]", "no JSON object"),
        (b'{"predictor": {"version": 99}}', "unknown version 99"),
        (b'{"predictor": {}}', "unknown version None"),
        (b'{"predictor": 3}', "AttributeError"),
        (b"{}", "KeyError"),
        (b"\xff\xfe", "it is damaged"),
    ],
)
def test_what_cannot_be_used_is_told_once_and_learned_anew(
    own_place: Path, caplog: pytest.LogCaptureFixture, content: bytes, told: str
) -> None:
    handler = PredictionHandler(inline=True, tick=0.05)
    handler.handle(logging.LogRecord("app", logging.INFO, "", 1, "x", (), None))
    handler.close()
    (path,) = (own_place / FOLDER).glob("*.json")
    path.write_bytes(content)
    for _ in range(3):
        one = logging.LogRecord("app", logging.INFO, "", 1, "x", (), None)
        handler.handle(one)
    (warning,) = [entry for entry in caplog.records if entry.name == "llama_logging.prediction"]
    assert warning.levelno == logging.WARNING
    assert told in warning.getMessage()
    handler.close()
    assert kept(own_place)["predictor"]["version"] == VERSION


def test_where_nothing_can_be_kept_it_is_told_and_predicted_all_the_same(
    own_place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (own_place / FOLDER).write_text("a file in the place of the folder")
    handler = PredictionHandler(inline=True)
    handler.handle(logging.LogRecord("app", logging.INFO, "", 1, "x", (), None))
    assert ["is not kept" in entry.getMessage() for entry in caplog.records] == [True]
    assert handler.watch.shift.learner is not None
    handler.close()


def test_where_nothing_can_be_kept_any_more_it_is_told_once_until_it_can(
    own_place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    handler = PredictionHandler(inline=True)
    begin = time.time()

    def later(minutes: int) -> list[str]:
        one = logging.LogRecord("app", logging.INFO, "", 1, "x", (), None)
        one.created = begin + 60 * minutes
        handler.handle(one)
        return [entry.getMessage() for entry in caplog.records]

    assert later(0) == []
    (lock,) = (own_place / FOLDER).glob("*.lock")
    in_the_way = lock.with_suffix(".new")
    in_the_way.mkdir()
    later(6)
    assert ["is not kept: " in message for message in later(12)] == [True]
    in_the_way.rmdir()
    assert len(later(18)) == 1
    in_the_way.mkdir()
    assert len(later(24)) == 2
    in_the_way.rmdir()
    handler.close()


def test_the_state_may_be_kept_elsewhere(own_place: Path) -> None:
    handler = PredictionHandler(inline=True, state=str(own_place / "var"))
    handler.handle(logging.LogRecord("app", logging.INFO, "", 1, "x", (), None))
    handler.close()
    assert len(list((own_place / "var").glob("*.json"))) == 1
