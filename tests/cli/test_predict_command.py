import json
import random
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from llama_logging.cli.main import OK, USAGE, main
from llama_logging.prediction.evaluation import evaluate
from llama_logging.prediction.forecast import Observation
from tests.prediction.streams import announced, error


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "app.log", announced(10.0))


def write(path: Path, stream: Iterable[Observation]) -> Path:
    lines = (json.dumps({"timestamp": o.at, "level": o.level, "logger": "app", "message": o.template}) for o in stream)
    path.write_text("\n".join([*lines, "no record"]) + "\n")
    return path


def test_evaluate_prints_the_baselines_beside_the_predictor(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "evaluate", str(log), "--horizon", "5m"]) == OK

    out, err = capsys.readouterr()
    assert "an error within 300 s" in out
    assert all(name in out for name in ("predictor", "base", "persistence", "hazard", "ewma", "onsets foreseen"))
    assert "1 line was no record" in err


def test_evaluate_says_when_a_log_has_too_little(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten hours with an error each half an hour; and three lines."""
    told = "too little to say anything: {} onset{}, and at least 30 are needed, each an error after 60 s without any"
    assert main(["predict", "evaluate", str(log), "--horizon", "60"]) == OK
    out = capsys.readouterr().out
    assert re.search(told.format(r"1\d", "s"), out)
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:3]))
    assert main(["predict", "evaluate", str(log), "--horizon", "60"]) == OK
    assert told.format(0, "s") in capsys.readouterr().out


def test_evaluate_says_nothing_of_it_where_there_is_enough() -> None:
    assert [evaluation.enough for evaluation in evaluate(announced(2.0))] == [False, False]
    assert [evaluation.enough for evaluation in evaluate(announced(40.0))] == [True, True]


def test_evaluate_closes_with_whether_prediction_helps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where all is announced; and where errors come out of nothing."""
    dice = random.Random(1)
    moments = sorted(dice.uniform(0.0, 4e5) for _ in range(200))
    for name, stream in (("announced", announced(100.0)), ("noise", [error(moment) for moment in moments])):
        path = write(tmp_path / f"{name}.log", stream)
        assert main(["predict", "evaluate", str(path), "--horizon", "5m"]) == OK
    told = [line for line in capsys.readouterr().out.splitlines() if " on this log" in line]
    assert told[0] == "prediction helps on this log: within 300 s"
    assert told[1].startswith("prediction does not help on this log: within 300 s (")


def test_evaluate_prints_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "evaluate", str(log), "--json"]) == OK

    (document,) = json.loads(capsys.readouterr().out)
    assert [horizon["horizon"] for horizon in document["horizons"]] == [60.0, 300.0]
    assert [horizon["helps"] for horizon in document["horizons"]] == [False, False]
    assert document["skipped"] == 1


def test_evaluate_names_the_file_that_is_no_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.txt").write_text("hello\n")

    assert main(["predict", "evaluate", str(tmp_path / "app.txt")]) == USAGE
    assert "app.txt" in capsys.readouterr().err
