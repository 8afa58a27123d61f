from __future__ import annotations

import json
from pathlib import Path

import pytest

from llama_logging.attachment.ready import ready
from llama_logging.exceptions import ConfigError

TEXT = "version: 1\nroot: {level: INFO}\n"


@pytest.fixture
def config(own_place: Path) -> Path:
    path = own_place / "logging.yaml"
    path.write_text(TEXT)
    return path


def kept(config: Path) -> Path:
    (found,) = (config.parent / "state" / "configurations").iterdir()
    return found


def test_a_configuration_is_kept_for_the_next_start(config: Path) -> None:
    assert json.loads(ready(str(config))) == {"version": 1, "root": {"level": "INFO"}}
    assert kept(config).stat().st_mode & 0o777 == 0o600
    kept(config).write_text('{"kept": 1}\n' + TEXT)
    assert ready(str(config)) == '{"kept": 1}'


def test_one_that_was_changed_is_read_again(config: Path) -> None:
    """Whatever its date and length are, and though what is left of it stood there before."""
    ready(str(config))
    for text in (TEXT.replace("INFO", "WARN"), "root: {level: INFO}\n"):
        config.write_text(text)
        assert json.loads(ready(str(config))).get("version") == (1 if "version" in text else None)
        assert json.loads(ready(str(config)))["root"]["level"] in text


def test_what_others_could_have_written_is_not_believed(config: Path) -> None:
    ready(str(config))
    kept(config).write_text('{"kept": 1}\n' + TEXT)
    kept(config).chmod(0o666)
    assert json.loads(ready(str(config)))["version"] == 1


@pytest.mark.parametrize("line", ["x-token: hunter2", "# password=hunter2", "x: postgresql://app:hunter2@db/shop"])
def test_a_secret_is_not_written_down_once_more(config: Path, line: str) -> None:
    config.write_text(f"{TEXT}{line}\n")
    assert json.loads(ready(str(config)))["version"] == 1
    assert not (config.parent / "state").exists()


def test_what_json_cannot_hold_is_left_to_yaml(config: Path) -> None:
    config.write_text("1: one\n2026-03-01: a day\n")
    assert ready(str(config)) == ""


@pytest.mark.parametrize("text", ["", "[", "- 1", "a: \0"])
def test_mistakes_are_told_as_ever(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"logging\.yaml"):
        ready(str(config))


def test_one_that_is_missing_is_told_as_ever() -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        ready("none.yaml")


def test_where_nothing_can_be_kept_nothing_is(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_LOGGING_DIR", str(config))
    assert json.loads(ready(str(config)))["version"] == 1
