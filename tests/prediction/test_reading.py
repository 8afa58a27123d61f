import gzip
import hashlib
import json
import logging
from pathlib import Path

import pytest

from llama_logging.exceptions import ConfigError
from llama_logging.prediction.forecast import Observation
from llama_logging.prediction.reading import Reading, read

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def of(path: Path, text: str) -> list[Observation]:
    path.write_text(text, encoding="utf-8")
    return list(read(Reading(str(path))))


@pytest.mark.parametrize(
    "document",
    [
        {"timestamp": "2026-01-01T12:00:00Z", "level": "ERROR", "logger": "app.db", "message": "lost 5 rows"},
        {"asctime": "2026-01-01 12:00:00,000", "levelname": "ERROR", "name": "app.db", "message": "lost 5 rows"},
        {"@timestamp": "2026-01-01T13:00:00+01:00", "log.level": "error", "log": {"logger": "app.db"},
         "message": "lost 5 rows"},
        {"time": NOON, "level": 40, "name": "app.db", "msg": "lost 5 rows"},
        {"timestamp": NOON * 1000, "severity": "ERROR", "logger": "app.db", "message": "lost 5 rows"},
        {"event": "lost 5 rows", "level": "error", "logger": "app.db", "timestamp": "2026-01-01T12:00:00+00:00"},
    ],
)  # fmt: skip
def test_json_lines_of_all_styles_say_the_same(tmp_path: Path, document: dict[str, object]) -> None:
    (observation,) = of(tmp_path / "app.log", json.dumps(document) + "\n")

    assert observation == Observation(
        at=NOON, level=logging.ERROR, template="app.db: lost <n> rows", group="app.db: lost <n> rows", numbers=(5.0,)
    )


@pytest.mark.parametrize("name", ["fingerprint", "llama_logging.fingerprint"])
def test_errors_are_of_the_group_that_our_formatter_tells(tmp_path: Path, name: str) -> None:
    document = {"timestamp": NOON, "level": "ERROR", "logger": "app.db", "message": "lost 5 rows", name: "v1:a"}
    (observation,) = of(tmp_path / "app.log", json.dumps(document) + "\n")
    assert observation.group == "v1:a"


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01 12:00:00,000 ERROR app.db lost 5 rows",
        "2026-01-01 12:00:00,000 - app.db - ERROR - lost 5 rows",
        "2026-01-01T12:00:00Z [ERROR] app.db: lost 5 rows",
        "[2026-01-01 12:00:00.000] ERROR [app.db] lost 5 rows",
        "2026-01-01 12:00:00.000 | ERROR    | app.db | lost 5 rows",
    ],
)
def test_text_of_the_usual_shapes_says_the_same(tmp_path: Path, line: str) -> None:
    (observation,) = of(tmp_path / "app.log", line + "\n")

    assert (observation.at, observation.level) == (NOON, logging.ERROR)
    assert observation.template == "app.db: lost <n> rows"


def test_a_traceback_is_no_record_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(
        '2026-01-01 12:00:00 ERROR app failed\nTraceback (most recent call last):\n  File "a.py"\nKeyError: 1\n'
    )
    reading = Reading(str(path))

    assert len(list(read(reading))) == 1
    assert (reading.records, reading.skipped) == (1, 3)


def test_a_trace_of_numbers_is_read_packed(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"dt_ms,level,logger,template,etype\n0,20,0,0,0\n1500,40,1,7,2\nx,y,z,,\n"))
    reading = Reading(str(path))

    first, second = read(reading)

    assert (first.at, first.group) == (0.0, "")
    assert (second.at, second.template, second.group) == (1.5, "1: 7", "1: 7 2")
    assert reading.skipped == 1


def test_a_file_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"app\.log: expected JSON lines .* 2 lines skipped"):
        of(tmp_path / "app.log", "hello\nworld\n")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere"):
        list(read(Reading(str(tmp_path / "nowhere"))))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_reading_tells_how_much_of_the_file_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"app.log{suffix}"
    said = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000))  # hardly to be compressed
    lines = "".join(f"2026-01-31 12:00:00 INFO app.db row {text}\n" for text in said)
    path.write_bytes(gzip.compress(lines.encode()) if suffix else lines.encode())
    reading = Reading(str(path))
    shares = [reading.share() for _ in read(reading)]

    assert 0.0 < shares[0] < 0.3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
