from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llama_logging
from llama_logging import AdvancedErrorHandler, ErrorContext, ErrorSeverity
from tests.conftest import Run


class GenerationError(Exception):
    pass


class ModelError(GenerationError):
    pass


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


def test_the_missions_program_runs_as_it_was_written(run: Run, own_place: Path) -> None:
    done = run(str(Path(__file__).with_name("mission_example.py")))
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "Fallback story about a brave llama"
    assert lines[1] == "{'connected': True, 'attempted_for': 'OllamaConnectionError'}"
    assert lines[2] == "{'success': False, 'message': 'no recovery strategy for ZeroDivisionError'}"
    assert lines[4:7] == [
        "Total Errors: 3",
        "By Severity: {'CRITICAL': 1, 'ERROR': 2}",
        "Top Error Types: {'AIGenerationError': 1, 'OllamaConnectionError': 1, 'ZeroDivisionError': 1}",
    ]
    assert len(lines) == 10
    assert "ZeroDivisionError: nobody has a strategy for this" in lines[7]
    logged = [json.loads(line) for line in (own_place / "llamakeeper_errors.log").read_text().splitlines()]
    assert [entry["exception.type"].rpartition(".")[2] for entry in logged] == [
        "AIGenerationError",
        "OllamaConnectionError",
        "ZeroDivisionError",
    ]


def test_the_summary_is_over_restarts(run: Run) -> None:
    program = str(Path(__file__).with_name("mission_example.py"))
    run(program)
    assert "Total Errors: 6" in run(program).out


def test_capturing_by_hand(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = AdvancedErrorHandler()
    error = caught(ValueError("no such article"))
    context = handler.capture_error(error, {"article": "apple"}, ErrorSeverity.WARNING)
    assert isinstance(context, ErrorContext)
    assert (context.error_type, context.error_message) == ("ValueError", "no such article")
    assert context.severity is ErrorSeverity.WARNING
    assert context.additional_context == {"article": "apple"}
    assert context.source_module == __name__
    assert context.timestamp.tzinfo is UTC
    assert "in caught" in context.stack_trace
    assert capsys.readouterr().err == ""  # pytest's own handlers are the application's logging here


TWO_HANDLERS = """
from llama_logging import AdvancedErrorHandler
first, second = AdvancedErrorHandler(), AdvancedErrorHandler()
for handler, text in ((first, "once"), (second, "twice")):
    try:
        raise ValueError(text)
    except ValueError as error:
        handler.capture_error(error)
print(second.get_error_summary()["total_errors"])
"""


def test_two_handlers_double_no_console_line(run: Run) -> None:
    done = run("-c", TWO_HANDLERS)
    assert done.out == "2\n"
    assert done.err.count("ERROR    __main__  once\n") == 1
    assert done.err.count("ERROR    __main__  twice\n") == 1


def test_an_application_with_logging_sees_the_error_there(caplog: pytest.LogCaptureFixture) -> None:
    AdvancedErrorHandler().capture_error(caught(ValueError("once")))
    assert [(record.name, record.getMessage()) for record in caplog.records] == [(__name__, "once")]


def test_the_attempt_tells_no_strategy_from_one_that_failed() -> None:
    handler = AdvancedErrorHandler()

    def broken(context: ErrorContext) -> None:
        raise RuntimeError("the remedy is worse")

    handler.register_recovery_strategy(GenerationError, broken)
    none = handler.attempt_recovery(handler.capture_error(caught(KeyError("k"))))
    failed = handler.attempt_recovery(handler.capture_error(caught(GenerationError("g"))))
    assert none == {"success": False, "message": "no recovery strategy for KeyError"}
    assert failed == {
        "success": False,
        "message": f"the recovery failed: {__name__}.{broken.__qualname__}: RuntimeError: the remedy is worse",
    }


@pytest.mark.parametrize("error_type", [GenerationError, "GenerationError", "tests.test_imperative.GenerationError"])
def test_a_strategy_is_for_a_type_and_its_subclasses(error_type: Any) -> None:
    handler = AdvancedErrorHandler()
    handler.register_recovery_strategy(error_type, lambda context: context.error_message)
    context = handler.capture_error(caught(ModelError("m")))
    assert handler.attempt_recovery(context) == {"success": True, "result": "m"}


def test_strategies_of_one_handler_are_not_anothers() -> None:
    handler, other = AdvancedErrorHandler(), AdvancedErrorHandler()
    handler.register_recovery_strategy("ValueError", lambda context: 1)
    assert not other.attempt_recovery(other.capture_error(caught(ValueError())))["success"]


def test_the_module_level_names_work_together() -> None:
    @llama_logging.recovery_strategy("ModelError")
    def heal(context: ErrorContext) -> str:
        return "healed"

    llama_logging.register_recovery_strategy("KeyError", lambda context: "found")
    assert heal(None) == "healed"  # type: ignore[arg-type]
    for error, expected in ((ModelError(), "healed"), (KeyError(), "found")):
        context = llama_logging.capture_error(caught(error))
        assert context.logger_name == __name__
        assert llama_logging.attempt_recovery(context) == {"success": True, "result": expected}
    assert llama_logging.get_error_summary()["total_errors"] == 2
    assert isinstance(llama_logging.error_handler, AdvancedErrorHandler)


def test_every_public_name_is_there() -> None:
    for name in llama_logging.__all__:
        assert getattr(llama_logging, name) is not None
        assert name in dir(llama_logging)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        llama_logging.nonsense  # noqa: B018


def test_the_summary_has_the_missions_form() -> None:
    handler = AdvancedErrorHandler()
    for number in range(12):
        handler.capture_error(caught(ValueError(str(number))), severity=ErrorSeverity.ERROR)
    handler.capture_error(caught(KeyError("k")), severity=ErrorSeverity.CRITICAL)
    handler.capture_error("a message", severity=ErrorSeverity.INFO)
    summary = handler.get_error_summary()
    assert summary["total_errors"] == 13
    assert summary["errors_by_severity"] == {"CRITICAL": 1, "ERROR": 12}
    assert list(summary["top_error_types"].items()) == [("ValueError", 12), ("KeyError", 1)]
    assert len(summary["recent_errors"]) == 10
    newest = summary["recent_errors"][0]
    assert set(newest) == {"error_id", "timestamp", "severity", "error_type", "error_message"}
    assert (newest["error_type"], newest["severity"]) == ("KeyError", "CRITICAL")
    assert newest["timestamp"].tzinfo is not None
    assert handler.get_error_summary(severity_threshold=ErrorSeverity.DEBUG)["total_errors"] == 14


def test_since_may_be_naive_local_time_or_aware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        handler = AdvancedErrorHandler()
        handler.capture_error(caught(ValueError()))
        for since, total in (
            (datetime.now() - timedelta(minutes=1), 1),
            (datetime.now() + timedelta(minutes=1), 0),
            (datetime.now(UTC) - timedelta(minutes=1), 1),
            (datetime.now(UTC) + timedelta(minutes=1), 0),
        ):
            assert handler.get_error_summary(since=since)["total_errors"] == total
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_callback_gets_every_error_and_may_fail() -> None:
    got: list[ErrorContext] = []

    def report(context: ErrorContext) -> None:
        got.append(context)
        raise RuntimeError("broken")

    handler = AdvancedErrorHandler(error_reporting_callback=report)
    contexts = [handler.capture_error(caught(ValueError(str(n)))) for n in range(3)]
    deadline = time.monotonic() + 5
    while len(got) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert got == contexts


def test_a_log_file_that_cannot_be_written_harms_nobody(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = AdvancedErrorHandler(log_file=str(own_place / "no" / "such" / "folder.log"))
    handler.capture_error(caught(ValueError()))
    assert "folder.log" in capsys.readouterr().err
    assert handler.get_error_summary()["total_errors"] == 1


def test_a_message_can_be_captured_too() -> None:
    context = AdvancedErrorHandler().capture_error("the cache is cold")
    assert (context.error_type, context.error_message) == ("LogMessage", "the cache is cold")


def test_nothing_is_made_before_the_first_error(own_place: Path) -> None:
    handler = AdvancedErrorHandler(log_file="x.log", error_reporting_callback=print)
    handler.register_recovery_strategy("ValueError", print)
    assert list(own_place.iterdir()) == []
    assert handler.get_error_summary()["total_errors"] == 0
    assert list(own_place.iterdir()) == []
