from __future__ import annotations

import logging.config
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llama_logging import config
from llama_logging.config import mistakes, values
from llama_logging.config.files import load
from llama_logging.config.options import Options
from llama_logging.config.values import as_count, as_seconds, as_text, convert, did_you_mean, import_object
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.rules import parse_rules
from llama_logging.reporters.configuration import parse_channels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", r"x\.yaml:\d+:\d+: "),
        ("a: !!python/object/apply:os.system [echo pwned]", "only plain data is allowed"),
        ("a: !!python/name:os.system", "only plain data is allowed"),
        ("- a\n- b", "expected a mapping with `version: 1`, got list"),
        ("", "got NoneType"),
        ("a: *unknown", "undefined alias"),
        ("a0: &a0 []\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 20_000)), "make more than"),
        ("a: &a [b, *a]", "make more than 100000 values, or refer to themselves"),
        (
            "a0: &a0 [b]\n" + "\n".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 12)),
            "make more than 100000 values",
        ),
        ("\x00", "special characters are not allowed"),
    ],
)
def test_a_broken_or_hostile_file_is_refused_with_its_place(own_place: Path, text: str, message: str) -> None:
    (own_place / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load("x.yaml")


def test_a_file_that_is_not_utf8_or_not_there_is_refused(own_place: Path) -> None:
    (own_place / "x.yaml").write_bytes(b"a: \xff\xfe\n")
    for name in ("x.yaml", "none.yaml"):
        with pytest.raises(ConfigError, match=name):
            load(name)


def test_nested_options_become_plain_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """DictConfig resolves ext:// in them only where they are asked for by []."""
    monkeypatch.setenv("MODEL", "llama3")
    data = logging.config.ConvertingDict({"a": ["ext://sys.maxsize", {"b": "env://MODEL"}]})
    data.configurator = logging.config.BaseConfigurator({})  # type: ignore[attr-defined]
    converted = convert(data)
    import sys

    assert converted == {"a": [sys.maxsize, {"b": "llama3"}]}
    assert type(converted) is dict
    assert type(converted["a"]) is list


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), (2, 2), ("500ms", 0.5), ("5m", 300), ("7d", 604800), (0, 0)])
def test_durations(text: Any, seconds: float) -> None:
    assert as_seconds(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-3", "3 fortnights", "", None, True, "nan", "inf", "1h30m", []])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ConfigError, match="expected a duration"):
        as_seconds(text)


@pytest.mark.parametrize("size", ["9" * 400, int("9" * 400), 2**63, "8388608T"])
def test_a_size_that_nothing_can_have_costs_that_option_alone(size: object, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options("RegistryHandler", {"quota": size}, ["quota"])
    assert options.read("quota", values.as_bytes, 7) == 7
    assert "RegistryHandler: quota: expected a size below 8388608T, got" in capsys.readouterr().err


def test_a_number_that_is_too_large_to_reckon_with_costs_that_option_alone(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options("ours", {"age": "1e300"}, ["age"])
    assert options.read("age", lambda given: timedelta(seconds=as_seconds(given)), None) is None
    assert "ours: age: " in capsys.readouterr().err


@pytest.mark.parametrize("parse", [values.as_bool, values.as_text, values.as_argv, values.as_mapping, values.as_list])
def test_a_wrong_type_is_named(parse: Any) -> None:
    with pytest.raises(ConfigError, match=r"expected .*, got 7"):
        parse(7)


@pytest.mark.parametrize("dotted", ["os.path.join", "os.path:join", "collections.abc.Mapping"])
def test_objects_by_their_dotted_path(dotted: str) -> None:
    assert callable(import_object(dotted))


@pytest.mark.parametrize("dotted", ["", "os", "no.such.module", "os.no_such_name", "..", "os:"])
def test_what_is_not_there(dotted: str) -> None:
    with pytest.raises(ConfigError, match="cannot import"):
        import_object(dotted)


def test_hints_only_where_something_is_close() -> None:
    assert did_you_mean("stroe", ["store", "level"]) == ", did you mean 'store'?"
    assert did_you_mean("xyz", ["store", "level"]) == ""


def test_a_wrong_password_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options("Mail", {"password": 12345678, "port": "x"}, ["password", "port"])
    assert options.read("password", as_text, "") == ""
    options.read("port", as_count, 0)
    told = capsys.readouterr().err
    assert "password" in told
    assert "12345678" not in told
    assert "got 'x'" in told


def test_the_same_warning_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    mistakes.warn("look")
    mistakes.warn("look")
    assert capsys.readouterr().err == "llama_logging: look\n"


def test_an_unset_variable_costs_what_it_is_for_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SET", "as it is")
    webhook = {"url": "https://hooks.example/x"}
    channels = {
        "url": {"webhook": {"url": "env://UNSET", "headers": {"X": "env://UNSET"}}},
        "header": {"webhook": {**webhook, "headers": {"X-Key": "env://UNSET"}}},
        "list": {"mail": {"host": "mail.example", "from": "a@b.example", "to": ["c@d.example", "env://UNSET"]}},
        "good": {"webhook": {**webhook, "headers": {"X-Key": "env://SET"}}},
    }
    rule = {"match": {"class": "KeyError"}, "ladder": [{"fallback_value": {"value": "env://UNSET"}}]}
    given = {"channels": channels, "rules": [rule, {**rule, "ladder": ["retry"]}]}
    options = Options("ours", given, given)
    assert list(options.read("channels", partial(parse_channels, options), {})) == ["header", "good"]
    assert [rule.name for rule in options.read("rules", partial(parse_rules, options, mode=None), ())] == ["rules[1]"]
    told = capsys.readouterr().err
    places = ["channels.url.webhook.url", "channels.header.webhook.headers", "channels.list.mail.to[1]"]
    for place in [*places, "rules[0].ladder[0].fallback_value.value"]:
        assert f"{place}: the environment variable UNSET is not set" in told
    assert len(told.splitlines()) == 4


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (as_count, "7", 7),
        (values.as_number, " 5000 ", 5000),
        (values.as_share, "0.25", 0.25),
        (values.as_level, "warning", 30),
        (values.as_level, "25", 25),
        (values.as_bytes, "64M", 2**26),
        (values.as_bool, "true", True),
    ],
)
def test_what_is_no_text_may_come_from_the_environment(
    parse: Any, text: str, value: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SET", text)
    options = Options("ours", {"set": "env://SET", "default": f"env://UNSET?default={text}"}, ["set", "default"])
    assert [options.read(name, parse, None) for name in ("set", "default")] == [value, value]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["", "-1", "1.5", "7 things", "0x10", "1_000", "٣", "9" * 5000])
def test_a_text_that_is_no_number_of_things_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a whole number from 0 to 1000, got"):
        as_count(text)


@pytest.mark.parametrize("text", ["", "x", "2", "nan", "-0.1"])
def test_a_text_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a share from 0 to 1, got"):
        values.as_share(text)


@pytest.mark.parametrize("default", ["http://127.0.0.1:21960/x?a=1&token=2", "a+b", "%41", "?default=x", "ü = &", ""])
def test_a_default_is_all_that_stands_behind_it(default: str) -> None:
    assert convert(f"env://UNSET?default={default}") == default


def test_what_was_told_is_forgotten_before_it_fills_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3_000):
        mistakes.warn(f"fault {number}")
        mistakes.warn(f"fault {number}")
    assert len(capsys.readouterr().err.splitlines()) == 3_000
    assert len(mistakes._warned) <= 1_000


def test_all_of_it_is_found_by_one_name() -> None:
    """The rooms are this package's own; others have imported from the whole."""
    for name in ("Options", "UNKNOWN", "Problem", "as_text", "collecting", "convert", "import_object", "load", "warn"):
        assert getattr(config, name) is not None
    for name in ("as_txt", "_warned"):
        assert not hasattr(config, name)


def test_what_is_told_is_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    mistakes.warn("a\x1b[2J\n  b")
    assert capsys.readouterr().err == "llama_logging: a\\x1b[2J\n  b\n"
