from __future__ import annotations

import gc
import json
import logging
import logging.config
import os
import re
import shutil
import subprocess
import sys
import weakref
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llama_logging
from llama_logging import semconv
from llama_logging.capture.capturing import capture
from llama_logging.capture.tracing import followed
from llama_logging.context import ErrorContext
from llama_logging.formatters import ConsoleFormatter, JsonFormatter
from llama_logging.handlers import RecoveryHandler
from llama_logging.recovery.outcome import Outcome
from llama_logging.redaction.credentials import REDACTED
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import printable, wants_colour

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


@pytest.mark.parametrize("created", [1_764_000_000.9999996, 1_764_000_000.0000005, 1_764_000_000.123456, 1, 0.25])
def test_an_error_has_one_moment_wherever_it_is_written(created: float) -> None:
    record = record_of(raised())
    record.created = created
    context = capture(record)
    assert context is not None
    assert json.loads(JsonFormatter().format(record))["timestamp"] == f"{context.timestamp:%Y-%m-%dT%H:%M:%S.%f}Z"


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


@pytest.mark.parametrize("remembers", [True, False])
def test_json_by_the_elastic_common_schema(remembers: bool) -> None:
    """Its fields of a log line of an error, and `ecs.version`, which it demands."""
    formatter = JsonFormatter(style="ecs")
    formatter._is_plain = remembers
    data = json.loads(formatter.format(record_of(raised(), args=())))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", data["@timestamp"])
    assert (data["log.level"], data["log.logger"], data["message"]) == ("ERROR", "app.shop", "failed")
    assert (data["error.type"], data["error.message"]) == ("ValueError", "no such article")
    assert data["error.stack_trace"].endswith("ValueError: no such article\n")
    assert re.fullmatch(r"[0-9a-f-]{36}", data["error.id"])
    assert data["log.origin.function"] == "tests.test_formatters.raised"
    assert data["log.origin.file.name"] == __file__
    assert data["ecs.version"].count(".") == 2
    assert not {"timestamp", "severity_text", "exception.type"} & data.keys()


def test_a_number_of_tests_and_a_missing_password_are_no_secrets_in_json() -> None:
    extra: dict[str, Any] = {
        "pass": 12,
        "fail": 0,
        "password": None,
        "api_key": "",
        "db_password": 1234,
        "token": "abc",
    }
    data = json.loads(JsonFormatter().format(record_of(raised(), **extra)))
    assert {key: data[key] for key in extra} == {**extra, "db_password": REDACTED, "token": REDACTED}


def test_json_with_plain_names() -> None:
    """Those of an ErrorContext, where it has one."""
    data = json.loads(JsonFormatter(style="plain").format(record_of(raised(), article="apple")))
    assert (data["level"], data["logger"], data["article"]) == ("ERROR", "app.shop", "apple")
    assert {name for name in data if hasattr(ErrorContext, name) or name in ErrorContext.__dataclass_fields__} >= {
        "timestamp", "error_id", "fingerprint", "error_type", "error_message", "stack_trace",
        "source_function", "source_file", "source_line",
    }  # fmt: skip
    assert not [name for name in data if "." in name]


def test_the_style_of_json_is_set_in_yaml_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    dictionary: dict[str, Any] = {"version": 1, "disable_existing_loggers": False}
    dictionary["formatters"] = {"json": {"class": "llama_logging.formatters.JsonFormatter", "style": "ecs"}}
    dictionary["handlers"] = {
        "out": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
    }
    dictionary["loggers"] = {"styled": {"handlers": ["out"], "propagate": False}}
    logging.config.dictConfig(dictionary)
    logging.getLogger("styled").error("told")
    assert json.loads(capsys.readouterr().out)["log.level"] == "ERROR"
    assert JsonFormatter("{message}", style="{").format(record_of())
    with pytest.raises(ValueError, match="no style 'esc': otel, ecs, plain"):
        JsonFormatter(style="esc")


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
    assert json.loads(line)["lone"] == "\\udcff"


def test_json_has_a_line_for_every_extra() -> None:
    """Cycles, NaN and objects whose repr raises break json.dumps; better a short line than none."""

    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError

    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    extra: dict[Any, Any] = {
        "cycle": cycle,
        "odd": Unprintable(),
        "nan": float("nan"),
        "keys": {(1, 2): 3},
        7: "seven",
        ("a", "b"): "pair",
        "day": date(2026, 1, 2),
    }
    record = record_of()
    record.__dict__.update(extra)
    data = json.loads(JsonFormatter().format(record), parse_constant=pytest.fail)
    assert data["odd"].endswith("Unprintable>")
    assert (data["nan"], data["day"], data["7"]) == ("nan", "2026-01-02", "seven")
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


def test_the_console_shows_json_as_it_was_logged() -> None:
    line = '{"event": "no stock", "order": 7}'
    assert f"  {line}\n" in ConsoleFormatter(colour=False).format(record_of(ValueError("x"), line))


def test_the_console_shows_the_recovery() -> None:
    record = record_of(raised())
    rules = [{"match": {"class": "ValueError"}, "ladder": [{"fallback_value": {"value": 1}}]}]
    handler = RecoveryHandler(rules=rules)
    handler.handle(record)
    handler.engine.dispatch(record.__dict__["_llama_logging_context"]).wait(10)
    text = ConsoleFormatter(colour=False).format(record)
    assert text.splitlines()[-1].startswith("  recovery fallback; ")
    assert text.isascii()  # what stands there is ours: standard output may take no more


def test_a_plain_record_on_the_console_is_one_line() -> None:
    record = logging.LogRecord("app", logging.INFO, "a.py", 3, "hello %s", ("you",), None)
    assert ConsoleFormatter(colour=False).format(record).endswith("INFO     app  hello you")


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
@pytest.mark.parametrize("error", [None, raised()])
def test_no_secret_is_in_the_name_of_a_level(formatter: logging.Formatter, error: ValueError | None) -> None:
    for _ in range(3):
        line = formatter.format(record_of(error, levelname="password=hunter2"))
        assert "hunter2" not in line
        assert f"password={REDACTED}" in line


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


def of_a_form(message: str, said: str, *args: Any, **changes: Any) -> tuple[logging.LogRecord, ErrorContext]:
    """A record whose error is of a form that was seen before."""
    capture(record_of(raised("first"), args=()))
    record = record_of(raised(said), message, args=args)
    context = capture(record)
    assert context is not None
    assert context.form is not None
    record.__dict__.update(changes)
    return record, context


texts = st.text() | st.sampled_from([ATTACK, "", "password=hunter2", "lone \udcff", "x" * 9_000, "a\nb", "%s", "🦙"])


# What begins so may be JSON, which has no form.
messages = texts.filter(lambda text: text[:1] != "{")


@given(message=messages, said=texts, args=st.lists(st.integers() | st.text(), max_size=2), colour=st.booleans())
def test_what_is_remembered_of_a_form_changes_no_character(
    message: str, said: str, args: list[Any], colour: bool
) -> None:
    for formatter in (JsonFormatter(), JsonFormatter(style="ecs"), ConsoleFormatter(colour=colour)):
        # The texts around the gaps are those of another error.
        formatter.format(of_a_form("another", "told")[0])
        record, _ = of_a_form(message, said, *args)
        ours, whole = told_by(formatter, record)
        assert ours == whole


def told_by(formatter: JsonFormatter | ConsoleFormatter, record: logging.LogRecord) -> tuple[str, str]:
    """What it says with what it remembers, and without; its mistake, if it makes one."""
    found = []
    for remembers in (True, False):
        formatter._is_plain = remembers
        try:
            found.append(formatter.format(record))
        except (TypeError, ValueError) as error:
            found.append(repr(error))
    formatter._is_plain = True
    return found[0], found[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"levelname": "\x1b[31mERROR"},
        {"levelno": 50, "levelname": "CRITICAL"},
        {"name": "renamed"},
        {"msg": "said later", "args": None},
        {"msg": 7},
        {"user": "added by a filter", "api_key": "k"},
        {"stack_info": "Stack (most recent call last):"},
        {"created": 1.5},
    ],
)
def test_what_another_handler_changed_is_shown(changes: dict[str, Any]) -> None:
    for formatter in (JsonFormatter(), ConsoleFormatter(colour=False)):
        formatter.format(of_a_form("as it was", "told")[0])
        ours, whole = told_by(formatter, of_a_form("as it was", "told", **changes)[0])
        assert ours == whole
        # And the next one is as before.
        record, _ = of_a_form("as it was", "told")
        assert told_by(formatter, record)[0] == told_by(formatter, record)[1]


def test_a_recovery_is_shown_as_it_stands() -> None:
    rules = [{"match": {"class": "ValueError"}, "ladder": [{"fallback_value": {"value": 1}}]}]
    json_formatter, console, handler = JsonFormatter(), ConsoleFormatter(colour=False), RecoveryHandler(rules=rules)
    shown = []
    for _ in range(2):
        record, context = of_a_form("failed", "told")
        json_formatter.format(record)
        handler.handle(record)
        handler.engine.dispatch(context).wait(10)
        data = json.loads(json_formatter.format(record))
        shown.append((data["llama_logging.recovery.status"], console.format(record).splitlines()[-1].split("; ")[0]))
    assert shown == [("fallback", "  recovery fallback")] * 2


def test_a_recovery_that_ends_while_its_line_is_written_is_not_remembered_as_pending() -> None:
    """The line of the next error of this form, whose recovery is under way, is its own."""

    class Ending:
        """Pending when it is asked first, over from then on."""

        def __init__(self, *statuses: OutcomeStatus) -> None:
            self._statuses = list(statuses)

        @property
        def status(self) -> OutcomeStatus:
            return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    formatter, told = JsonFormatter(), []
    pending, over = OutcomeStatus.PENDING, OutcomeStatus.RECOVERED
    for outcome in (Ending(pending, over), Ending(pending)):
        record, _ = of_a_form("failed", "told", _llama_logging_outcome=outcome)
        told.append(json.loads(formatter.format(record))["llama_logging.recovery.status"])
    assert told == ["recovered", "pending"]


def test_no_outcome_is_kept_alive_by_what_is_remembered_of_a_form() -> None:
    formatter, outcome = JsonFormatter(), Outcome.settled("", OutcomeStatus.FAILED)
    gone = weakref.ref(outcome)
    record, _ = of_a_form("failed", "told", _llama_logging_outcome=outcome)
    formatter.format(record)
    del outcome, record
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("style", ["otel", "ecs"])
def test_lnav_reads_what_is_written(style: str, tmp_path: Path) -> None:
    if shutil.which("lnav") is None:
        pytest.skip("there is no lnav: apt-get install lnav")
    formats = tmp_path / "lnav" / "formats" / "ours"
    formats.mkdir(parents=True)
    shutil.copy(Path(llama_logging.__path__[0]) / "lnav.json", formats)
    formatter = JsonFormatter(style=style)
    calm = logging.LogRecord("app", logging.INFO, "a.py", 3, "started", None, None)
    lines = [formatter.format(calm), formatter.format(record_of(raised("a\nb")))]
    (tmp_path / "app.jsonl").write_text("".join(f"{line}\n" for line in lines))
    names = semconv.STYLES[style]
    kind, error_id = (names.get(name, name) for name in (semconv.EXCEPTION_TYPE, semconv.ERROR_ID))
    query = f';SELECT log_level, log_body, "{kind}" AS kind, "{error_id}" AS id FROM llama_logging_{style}'
    done = subprocess.run(
        ["lnav", "-n", "-I", str(tmp_path / "lnav"), "-c", query, "-c", ":write-json-to -", "app.jsonl"],
        env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    first, second = json.loads(done.stdout)
    assert (first["log_level"], first["log_body"], first["kind"]) == ("info", "started", None)
    assert (second["log_level"], second["log_body"], second["kind"]) == ("error", "failed", "ValueError")
    assert second["id"] == json.loads(lines[1])[error_id]


@pytest.mark.parametrize(("style", "name"), [("otel", "trace_id"), ("ecs", "trace.id"), ("plain", "trace_id")])
def test_what_is_logged_within_a_trace_has_its_ids_though_it_is_no_error(style: str, name: str) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    formatter = JsonFormatter(style=style)
    calm = logging.LogRecord("app", logging.INFO, "a.py", 3, "started", None, None)
    with followed(f"00-{trace}-b7ad6b7169203331-01"):
        assert json.loads(formatter.format(calm))[name] == trace
        calm.thread = 0  # logged by another thread, formatted behind a queue
        assert name not in json.loads(formatter.format(calm))
    assert name not in json.loads(formatter.format(calm))


def test_a_line_break_at_the_end_of_a_message_ends_no_line() -> None:
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "a.py", 1, "Exception in ASGI application\n", None, None)
    line = ConsoleFormatter(colour=False).format(record).splitlines()[0]
    assert line.endswith("uvicorn.error  Exception in ASGI application")
