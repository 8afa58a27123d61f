from __future__ import annotations

import json
import logging
import re
import sys
from datetime import date
from typing import Any

import pytest

from llama_logging.formatters import ConsoleFormatter, JsonFormatter, printable, wants_colour
from llama_logging.handlers import RecoveryHandler

ATTACK = "pay\x1b[2J\rload\nCRITICAL forged line \u202e\u2028\x9b31m\x00"


def record_of(error: BaseException | None = None, message: str = "failed", **extra: Any) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("app.shop", logging.ERROR, "a.py", 3, message, None, info)
    record.__dict__.update(extra)
    return record


def raised(message: str = "no such article") -> ValueError:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_an_error_as_json_has_opentelemetrys_names() -> None:
    line = JsonFormatter().format(record_of(raised(), article="apple"))
    data = json.loads(line)
    assert data["message"] == "failed"
    assert data["exception.type"] == "ValueError"
    assert data["exception.message"] == "no such article"
    assert data["exception.stacktrace"].endswith("ValueError: no such article\n")
    assert (data["severity_text"], data["severity_number"], data["logger"]) == ("ERROR", 17, "app.shop")
    assert data["code.function.name"] == "tests.test_formatters.raised"
    assert data["article"] == "apple"
    assert data["llama_logging.fingerprint"].startswith("v1:")
    assert re.fullmatch(r"[0-9a-f-]{36}", data["llama_logging.error_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", data["timestamp"])
    assert "exc_info" not in data


def test_a_plain_record_as_json_stays_plain() -> None:
    record = logging.LogRecord("app", logging.INFO, "a.py", 3, "hello %s", ("you",), None)
    data = json.loads(JsonFormatter().format(record))
    assert data.pop("timestamp")
    assert data == {"severity_text": "INFO", "severity_number": 9, "logger": "app", "message": "hello you"}


def test_json_is_one_ascii_line_whatever_it_holds() -> None:
    line = JsonFormatter().format(record_of(raised(ATTACK), ATTACK, odd=object(), lone="\udcff"))
    assert "\n" not in line
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == ATTACK


def test_json_has_a_line_for_every_extra() -> None:
    """Cycles, NaN and objects whose repr raises break json.dumps; better a short line than none."""

    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError

    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    extra: dict[str, Any] = {
        "cycle": cycle,
        "odd": Unprintable(),
        "nan": float("nan"),
        "keys": {(1, 2): 3},
        "day": date(2026, 1, 2),
    }
    data = json.loads(JsonFormatter().format(record_of(**extra)), parse_constant=pytest.fail)
    assert data["odd"].endswith("Unprintable>")
    assert (data["nan"], data["day"]) == ("nan", "2026-01-02")
    assert JsonFormatter().format(record_of(message="x" * 100_000)).count("x") >= 100_000


def test_json_takes_python_json_loggers_options() -> None:
    formatter = JsonFormatter(fmt="%(message)s %(process)d", rename_fields={"message": "body"}, static_fields={"a": 1})
    data = json.loads(formatter.format(record_of()))
    assert data["body"] == "failed"
    assert data["a"] == 1
    assert "process" in data


def test_the_console_shows_the_error_and_how_to_see_it() -> None:
    lines = ConsoleFormatter(colour=False).format(record_of(raised())).splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR    app\.shop  failed", lines[0])
    assert lines[1] == "  | Traceback (most recent call last):"
    assert lines[-2] == "  | ValueError: no such article"
    assert re.fullmatch(r"  llama-logging show [0-9a-f-]{36}", lines[-1])


def test_the_console_shows_the_recovery() -> None:
    record = record_of(raised())
    rules = [{"match": {"class": "ValueError"}, "ladder": [{"fallback_value": {"value": 1}}]}]
    handler = RecoveryHandler(rules=rules)
    handler.handle(record)
    handler.engine.dispatch(record.__dict__["_llama_logging_context"]).wait(10)
    assert ConsoleFormatter(colour=False).format(record).splitlines()[-1].startswith("  recovery fallback · ")


def test_a_plain_record_on_the_console_is_one_line() -> None:
    record = logging.LogRecord("app", logging.INFO, "a.py", 3, "hello %s", ("you",), None)
    assert ConsoleFormatter(colour=False).format(record).endswith("INFO     app  hello you")


def test_nothing_can_forge_a_line_or_steer_the_terminal() -> None:
    text = ConsoleFormatter(colour=False).format(record_of(raised(ATTACK), ATTACK))
    assert not [line for line in text.split("\n") if line.startswith("CRITICAL")]
    assert set(text) - {"\n"} == {character for character in text if character.isprintable()}
    assert "\\x1b[2J" in text


def test_a_format_of_ones_own_is_kept() -> None:
    formatter = ConsoleFormatter("%(levelname)s|%(message)s", colour=False)
    assert formatter.format(record_of()).splitlines()[0] == "ERROR|failed"


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(Terminal())
    assert not wants_colour(sys.__stdin__ and object())
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(Terminal())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert wants_colour(object())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())


def test_colours_do_not_change_the_words() -> None:
    record = record_of(raised())
    plain, coloured = (ConsoleFormatter(colour=colour).format(record) for colour in (False, True))
    assert "\x1b[31mERROR" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_arguments_that_do_not_fit_are_shown_as_such() -> None:
    record = logging.LogRecord("app", logging.INFO, "a.py", 3, "too %s many %s", ("one",), None)
    assert "arguments not formatted: TypeError" in ConsoleFormatter(colour=False).format(record)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ud800"])
def test_what_could_hide_or_forge_is_made_visible(character: str) -> None:
    shown = printable(f"a{character}b")
    assert character not in shown
    assert shown.startswith("a\\")


def test_ordinary_text_is_left_alone() -> None:
    assert printable("täglich 🦙\tok") == "täglich 🦙\tok"
