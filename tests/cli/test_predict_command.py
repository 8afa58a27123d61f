import json
from pathlib import Path

import pytest

from llama_logging.cli.main import OK, USAGE, main
from tests.prediction.streams import announced


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    lines = (
        json.dumps({"timestamp": o.at, "level": o.level, "logger": "app", "message": o.template})
        for o in announced(10.0)
    )
    path.write_text("\n".join([*lines, "no record"]) + "\n")
    return path


def test_evaluate_prints_the_baselines_beside_the_predictor(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "evaluate", str(log), "--horizon", "5m"]) == OK

    out, err = capsys.readouterr()
    assert "an error within 300 s" in out
    assert all(name in out for name in ("predictor", "base", "persistence", "hazard", "ewma", "onsets foreseen"))
    assert "1 line was no record" in err


def test_evaluate_prints_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "evaluate", str(log), "--json"]) == OK

    (document,) = json.loads(capsys.readouterr().out)
    assert [horizon["horizon"] for horizon in document["horizons"]] == [60.0, 300.0]
    assert document["skipped"] == 1


def test_evaluate_names_the_file_that_is_no_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.txt").write_text("hello\n")

    assert main(["predict", "evaluate", str(tmp_path / "app.txt")]) == USAGE
    assert "app.txt" in capsys.readouterr().err
