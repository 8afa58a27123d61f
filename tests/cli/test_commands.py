from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llama_logging import get_error_summary, process, transfer
from llama_logging.attachment.configuration import shipped_text
from llama_logging.cli import run_command
from llama_logging.cli.main import COMMANDS, main, parser
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail, FrameLocals
from llama_logging.pipeline import pipeline_for
from llama_logging.stores import open_store, urls
from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import NOON, Run, make_context

NOW = datetime.now(UTC)
HOSTILE = "\x1b[2J\nFORGED \u202e"


def keep(*contexts: ErrorContext, attempts: tuple[RecoveryAttempt, ...] = ()) -> None:
    pipeline = pipeline_for(urls.default())
    for context in contexts:
        pipeline.add(context)
    for attempt in attempts:
        pipeline.add_attempt(attempt)


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(words) == code
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    return json.loads(answer(capsys, *words, "--json", code=code))


def some_errors() -> list[ErrorContext]:
    return [
        make_context(timestamp=NOW - timedelta(days=3), error_type="OldError", fingerprint="v1:old"),
        make_context(timestamp=NOW - timedelta(hours=2)),
        make_context(timestamp=NOW - timedelta(minutes=1)),
        make_context(
            timestamp=NOW, severity=ErrorSeverity.INFO, error_type="Notice", error_message=HOSTILE, fingerprint="v1:n"
        ),
    ]


def test_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    keep(*some_errors())
    assert document(capsys, "summary")["total_errors"] == 3
    assert document(capsys, "summary", "--since", "24h")["total_errors"] == 2
    assert document(capsys, "summary", "--severity", "info")["errors_by_severity"] == {"ERROR": 3, "INFO": 1}
    text = answer(capsys, "summary", "--severity", "DEBUG")
    assert "4 errors" in text
    assert "     2  ValueError" in text
    assert "OldError: no such article" in text


@pytest.mark.parametrize(
    "since", ["24h", (NOW - timedelta(hours=24)).isoformat(), str(NOW.date())], ids=["duration", "moment", "date"]
)
def test_since_is_a_duration_or_a_moment(capsys: pytest.CaptureFixture[str], since: str) -> None:
    keep(make_context(timestamp=NOW - timedelta(days=3)), make_context(timestamp=NOW))
    assert document(capsys, "summary", "--since", since)["total_errors"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--store", "mysql://x"),
        ("show", "1", "--store", "x.db"),
        ("run", "--"),
        ("run", "--configure", "-c", "none.yaml", "--", "app.py"),
    ],
)
def test_what_is_asked_for_wrongly_exits_with_2(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("llama-logging: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "required: COMMAND"),
        (["sumary"], "argument COMMAND: invalid choice: 'sumary', did you mean 'summary'?"),
        (["sumary"], "usage: llama-logging [-h]"),
        (["what"], "invalid choice: 'what' (choose from"),
        (
            ["recovery", "oof"],
            "argument ACTION: invalid choice: 'oof', did you mean 'off'?",
        ),
        (["list", "--sort", "lastseen"], "argument --sort: invalid choice: 'lastseen', did you mean 'last_seen'?"),
        (["summary", "--no-such"], "llama-logging summary: error: unrecognized arguments: --no-such\n"),
        (
            ["list", "--serch=x"],
            "llama-logging list: error: unrecognized arguments: --serch=x, did you mean '--sea",
        ),
        (["list", "--serch", "x"], "usage: llama-logging list [-h]"),
        (["report", "list", "--limt", "3"], "llama-logging report list: error: unrecognized arguments: --limt 3, did"),
        (["run", "--printd", "--", "ls"], "llama-logging run: error: unrecognized arguments: --printd, did you mean"),
        (["summary", "--since", "yesterday"], "expected 30m, 24h, 7d or an ISO date and time, got 'yesterday'"),
        (["list", "--severity", "loud"], "expected one of DEBUG, INFO"),
        (["list", "--limit", "-1"], "expected a number, got '-1'"),
    ],
)
def test_argparse_exits_with_2_too(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert told in capsys.readouterr().err


def test_the_list_has_a_line_for_each_group(capsys: pytest.CaptureFixture[str]) -> None:
    errors = some_errors()
    keep(*errors)
    groups = document(capsys, "list")
    assert [(group["fingerprint"], group["count"]) for group in groups] == [
        ("v1:n", 1),
        (errors[1].fingerprint, 2),
        ("v1:old", 1),
    ]
    assert groups[1]["stack_trace"] == errors[1].stack_trace
    assert groups[1]["severity"] == "ERROR"
    lines = answer(capsys, "list").splitlines()
    assert len(lines) == 4
    assert lines[2].split()[1:4] == ["ago", "2", "ERROR"]
    assert errors[2].error_id in lines[2]
    assert len(answer(capsys, "list", "--limit", "1").splitlines()) == 2
    assert "ValueError: no such article\n" in answer(capsys, "list", "--stack")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has standard output be a terminal that is so wide."""

    def be(columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    return be


def test_a_terminal_gets_lines_that_fit_and_ids_that_serve(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """All of one minute, whose ids begin alike."""
    module, message = "shop.orders.checkout.payment", "the card was refused by the issuer, who gave no reason"
    errors = [
        make_context(timestamp=NOW, module=module, error_message=f"{n} {message}", fingerprint=f"v1:{n}23456789abcdef0")
        for n in range(3)
    ]
    keep(*errors, make_context(fingerprint="v1:0234567800000000", timestamp=NOW))
    piped = answer(capsys, "list")
    assert all(error.error_id in piped for error in errors)
    terminal(80)
    heading, *lines = answer(capsys, "list").splitlines()
    assert all(len(line) <= 80 for line in [heading, *lines])
    assert all(len(line) > 78 for line in lines)
    names = [line.split()[-1] for line in lines]
    assert {len(name) for name in names} == {9}
    for name in names:
        shown = document(capsys, "show", name)
        assert shown["fingerprint"].startswith(f"v1:{name}")
    assert document(capsys, "list")[0]["last_error_id"] == errors[2].error_id


def test_a_terminal_gets_columns_below_each_other_of_wide_characters_too(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of these takes two columns."""
    keep(make_context(timestamp=NOW, error_message="データベースに接続できません。" * 9))
    terminal(100)
    _, line = answer(capsys, "list").splitlines()
    assert len(line) + sum(each > "\u3000" for each in line) == 100


@pytest.mark.parametrize("words", [("list", "--limit"), ("tail", "-n")])
def test_a_number_larger_than_there_is_anything_of_means_all(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry was said to be damaged, which counts in 64 bits."""
    keep(*some_errors())
    assert answer(capsys, *words, "9" * 30) == answer(capsys, *words, "1000")


def test_a_tab_in_a_message_is_no_gap_between_columns(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context(error_message="a\tb"))
    assert "\t" not in answer(capsys, "list")
    assert r"a\tb" in answer(capsys, "summary")


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        (100, set()),
        (80, {"STATE"}),
        (66, {"STATE", "WHERE"}),
        (48, {"STATE", "WHERE", "SEVERITY"}),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns_and_errors_that_can_be_read(
    terminal: Callable[[int], None], columns: int, missing: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    keep(make_context(timestamp=NOW, module="shop.orders.checkout", error_message="the card was refused by its issuer"))
    terminal(columns)
    heading, line = answer(capsys, "list").splitlines()
    assert {"STATE", "WHERE", "SEVERITY", "ERROR", "ID"} - set(heading.split()) == missing
    assert len(line) == columns
    assert "ValueError: the " in line


def test_on_a_narrow_terminal_states_stay_where_one_is_not_open(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    keep(make_context(timestamp=NOW, module="shop.orders.checkout", error_message="the card was refused by its issuer"))
    answer(capsys, "resolve", "v1:0123456789abcdef")
    terminal(66)
    heading = answer(capsys, "list").splitlines()[0].split()
    assert ("STATE" in heading, "WHERE" in heading) == (True, False)


@pytest.mark.parametrize(("columns", "longest"), [(200, 40), (60, 21), (40, 0)])
def test_bars_take_the_room_that_is_left(
    terminal: Callable[[int], None], columns: int, longest: int, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(make_context(timestamp=NOW))
    terminal(columns)
    lines = answer(capsys, "stats").splitlines()
    assert max(map(len, lines)) <= columns
    assert max(line.count("█") for line in lines) == longest


def test_one_error_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    context = make_context(additional_context={"user": 7}, timestamp=NOW)
    attempt = RecoveryAttempt(
        attempt_id="a", error_id=context.error_id, fingerprint="", rule="r", strategy="ollama.restart", scope="",
        status=OutcomeStatus.RECOVERED, started_at=NOW, detail="generates again", duration=1.5,
    )  # fmt: skip
    keep(context, attempts=(attempt,))
    text = answer(capsys, "show", context.error_id[:20])
    for part in (
        "ValueError: no such article",
        context.error_id,
        "shop.cart.add (/srv/shop/cart.py:12)",
        "Traceback (most recent call last):",
        "user = 7",
        "recovered  ollama.restart (1.50 s): generates again",
    ):
        assert part in text
    shown = document(capsys, "show", context.error_id)
    assert shown["additional_context"] == {"user": 7}
    assert shown["recovery_attempts"][0]["status"] == "recovered"


def test_a_grouping_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    one = make_context(timestamp=NOW)
    same = make_context(timestamp=NOW)
    other = make_context(grouping=("ValueError", f"shop.cart.remove: {HOSTILE}"), fingerprint="v1:other", timestamp=NOW)
    keep(one, same, other)
    assert "  2  shop.cart.add: raise ValueError(text)" in answer(capsys, "explain", one.error_id)
    assert f"{one.fingerprint} is made from" in answer(capsys, "explain", one.fingerprint)
    assert "They are in one group" in answer(capsys, "explain", one.error_id, same.error_id)
    text = answer(capsys, "explain", one.error_id, other.error_id)
    assert "differ first in input 2" in text
    assert f"{other.error_id}  shop.cart.remove: \\x1b[2J\\nFORGED" in text
    compared = document(capsys, "explain", one.error_id, other.error_id)
    assert (compared["same_group"], compared["differs"]) == (False, 2)


def test_a_rule_is_offered_that_would_join_or_split_two(capsys: pytest.CaptureFixture[str]) -> None:
    same = make_context(tags={"tenant": "a"}), make_context(tags={"tenant": "b"})
    other = make_context(error_type="KeyError", fingerprint="v1:other", grouping=("KeyError",), logger_name="app")
    keep(*same, other)
    ids = [error.error_id for error in (*same, other)]
    assert document(capsys, "explain", *ids[:2])["rule"]["fingerprint"] == ["{default}", "{tags.tenant}"]
    joined = document(capsys, "explain", ids[0], ids[2])
    assert joined["rule"]["match"] == {"logger": ["app", "shop"], "message": "^cannot add"}
    assert joined["takes_in"] == []
    assert "This rule would split them" in answer(capsys, "explain", *ids[:2])
    assert "This rule would join them" in answer(capsys, "explain", ids[0], ids[2])
    assert "No rule can change that" in answer(capsys, "explain", ids[0], ids[0])
    keep(make_context(fingerprint="v1:third", grouping=("x",), error_message="one more\nof them"))
    assert document(capsys, "explain", ids[0], ids[2])["takes_in"] == ["v1:third"]
    text = answer(capsys, "explain", ids[0], ids[2])
    assert "It would also affect v1:third: ValueError: one more\n" in text


def test_groups_are_merged_and_had_apart_again(capsys: pytest.CaptureFixture[str]) -> None:
    contexts = [make_context(fingerprint=f"v1:{n}", timestamp=NOW - timedelta(minutes=n)) for n in range(3)]
    keep(*contexts)
    assert document(capsys, "merge", "v1:0", contexts[1].error_id) == {
        "fingerprint": "v1:0",
        "merged": ["v1:1"],
        "count": 2,
    }
    assert "v1:0 shows 3 errors of 3 groups" in answer(capsys, "merge", "v1:1", "v1:2")
    assert [row["count"] for row in document(capsys, "list")] == [3]
    assert "separated: 2 groups" in answer(capsys, "merge", "--undo", "v1:1", "v1:2")
    assert len(document(capsys, "list")) == 3
    assert "none of these groups was merged" in answer(capsys, "merge", "--undo", "v1:1")
    answer(capsys, "merge", "v1:0", "v1:none", code=1)


def test_history_is_regrouped_by_the_rules_of_a_logging_yaml(
    own_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "{match: {logger: shop}, fingerprint: [shop]}"
    (own_place / "logging.yaml").write_text(f"handlers: {{registry: {{grouping: [{rule}]}}}}")
    keep(*(make_context(fingerprint=f"v1:{n}", error_message=HOSTILE) for n in range(3)))
    text = answer(capsys, "regroup", "-c", "logging.yaml", "--dry-run")
    assert "3 errors would move; nothing was changed" in text
    assert "is made from rule shop" in text
    assert "\x1b[2J" not in text
    assert len(document(capsys, "list")) == 3
    assert document(capsys, "regroup", "-c", "logging.yaml")["moved"] == 3
    assert [row["count"] for row in document(capsys, "list")] == [3]
    assert "nothing changed" in answer(capsys, "regroup", "-c", "logging.yaml")
    assert "3 errors are back" in answer(capsys, "regroup", "--undo")
    assert "nothing to undo" in answer(capsys, "regroup", "--undo")
    assert len(document(capsys, "list")) == 3
    (own_place / "logging.yaml").write_text("handlers: {registry: {grouping: [{match: {logger: shop}}]}}")
    answer(capsys, "regroup", "-c", "logging.yaml", code=2)


def test_an_id_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context())
    assert main(["show", "ffff"]) == 1
    assert "no error has the id 'ffff'" in capsys.readouterr().err


def test_an_unknown_id_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(*some_errors())
    asked: list[str] = []
    find = SQLiteStore.find

    def noted(store: SQLiteStore, id_prefix: str) -> ErrorContext:
        asked.append(id_prefix)
        return find(store, id_prefix)

    monkeypatch.setattr(SQLiteStore, "find", noted)
    assert main(["show", "ffff"]) == 1
    assert asked == ["ffff"]


def test_no_error_text_can_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    context = make_context(
        error_message=HOSTILE, error_type=HOSTILE, logger_name=HOSTILE, module=HOSTILE, thread_name=HOSTILE,
        log_message=HOSTILE, additional_context={HOSTILE: HOSTILE}, timestamp=NOW,
    )  # fmt: skip
    attempt = RecoveryAttempt(
        attempt_id="a", error_id=context.error_id, fingerprint="", rule=HOSTILE, strategy=HOSTILE, scope=HOSTILE,
        status=OutcomeStatus.FAILED, started_at=NOW, detail=HOSTILE, duration=1.5,
    )  # fmt: skip
    keep(context, attempts=(attempt,))
    for words in (["summary"], ["list"], ["list", "--stack"], ["show", context.error_id], ["tail"]):
        text = answer(capsys, *words)
        assert "FORGED" in text
        assert not [line for line in text.splitlines() if line.startswith("FORGED")]
        assert not set(text) & set("\x1b\u202e")


def test_nor_can_a_registry_that_somebody_else_has_made(capsys: pytest.CaptureFixture[str]) -> None:
    """Of ids, too, which we make of hex digits, and what is complained of."""
    keep(*[make_context(timestamp=NOW, fingerprint=f"v1:{name}", grouping=(name,)) for name in ("one", "two")])
    answer(capsys, "ingest")
    with contextlib.closing(sqlite3.connect(urls.default().path)) as connection, connection:
        connection.execute("UPDATE groups SET fingerprint = fingerprint || ?", (HOSTILE,))
        connection.execute("UPDATE errors SET error_id = error_id || ?", (HOSTILE,))
    for words in (
        ["tail"], ["explain", "v1:one"], ["explain", "v1:one", "v1:two"], ["explain", "v1:one", "v1:one"],
        ["resolve", "v1:one"], ["mute", "v1:one"], ["merge", "v1:one", "v1:two"], ["merge", "v1:one", "--undo"],
        ["show", "v1:one"], ["delete", "v1:two", "--yes"],
    ):  # fmt: skip
        main(words)
    seen = capsys.readouterr()
    assert "FORGED" in seen.out
    assert not set(seen.out + seen.err) & set("\x1b\u202e")
    assert not [line for line in (seen.out + seen.err).splitlines() if line.startswith("FORGED")]


def test_what_is_complained_of_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The details of an error may be gone, and its message is told all the same."""
    context = make_context(timestamp=NOW, error_message=HOSTILE, fingerprint="v1:pruned")
    keep(context)
    answer(capsys, "prune", "--keep", "0")
    assert main(["show", "v1:pruned"]) == 1
    told = capsys.readouterr().err
    assert r"the details of ValueError: \x1b[2J\nFORGED \u202e in " in told
    assert not set(told) & set("\x1b\u202e")


def test_a_line_break_at_the_end_of_a_message_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Servers log "Exception in ASGI application" so; what is kept keeps it."""
    context = make_context(error_message="Exception in\nASGI application\n")
    again = replace(context, again=True, log_message="Exception once more\n")
    keep(context, again)
    for words in (["summary"], ["list"], ["show", context.error_id], ["tail"]):
        text = answer(capsys, *words)
        assert "ValueError: Exception in\\nASGI application" in text
        assert "application\\n" not in text
    assert "Exception once more (ValueError)" in answer(capsys, "show", context.error_id)
    assert document(capsys, "show", context.error_id)["error_message"] == "Exception in\nASGI application\n"


@pytest.mark.parametrize("words", [["summary"], ["list"], ["tail"]])
def test_a_registry_that_is_not_there_is_said_and_not_made(
    own_place: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(words) == 0
    assert "there is no registry" in capsys.readouterr().err
    assert list(own_place.iterdir()) == []


def test_a_store_that_is_no_database(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_place / "notes.txt").write_text("mine")
    assert main(["summary", "--store", "sqlite:///notes.txt"]) == 1
    assert "not a SQLite database" in capsys.readouterr().err


def test_the_store_may_be_named_by_option_or_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline_for(urls.parse("sqlite:///other.db")).add(make_context())
    assert document(capsys, "summary")["total_errors"] == 0
    assert document(capsys, "summary", "--store", "sqlite:///other.db")["total_errors"] == 1
    monkeypatch.setenv("LLAMA_LOGGING_STORE", "sqlite:///other.db")
    assert document(capsys, "summary")["total_errors"] == 1


def test_the_tail_prints_in_order_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    errors = some_errors()
    keep(*errors)
    lines = [json.loads(line) for line in answer(capsys, "tail", "-n", "2", "--json").splitlines()]
    assert [line["error_id"] for line in lines] == [errors[2].error_id, errors[3].error_id]
    assert errors[1].error_id in answer(capsys, "tail", "--severity", "ERROR", "-n", "2").splitlines()[0]


def test_nothing_found_is_said_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context())
    for words in ("--search nowhere", "--state resolved", "--search nowhere --json"):
        assert main(["list", *words.split()]) == 0
        out, err = capsys.readouterr()
        assert (out.strip(), err) == ("[]" if "--json" in words else "", "llama-logging: no matching errors\n")


def test_a_fingerprint_may_be_cut_with_its_version_too(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context())
    for name in ("v1:0123", "0123", "v1:0123456789abcdef"):
        assert "no such article" in answer(capsys, "show", name)
    for name in ("v1:ffff", "v2:0123", ""):
        assert main(["show", name]) == 1
        assert "llama-logging: " in capsys.readouterr().err


def test_the_tail_follows_until_ctrl_c(own_place: Path) -> None:
    keep(make_context())
    command = [sys.executable, "-m", "llama_logging", "tail", "-f", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["error_message"]]
        for number in range(3):
            keep(make_context(error_message=f"late {number}"))
            seen.append(json.loads(process.stdout.readline())["error_message"])
        process.send_signal(2)
        assert process.wait(10) == 130
    assert seen == ["no such article", "late 0", "late 1", "late 2"]


def test_the_tail_waits_for_a_registry_that_is_gone_for_a_while(own_place: Path) -> None:
    keep(make_context())
    command = [sys.executable, "-m", "llama_logging", "tail", "-f", "--json"]
    path, aside = Path(urls.default().path), own_place / "aside"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        aside.mkdir()
        for each in path.parent.glob(f"{path.name}*"):
            if each.is_file():
                each.rename(aside / each.name)
        path.write_text("not a database")
        assert "not a SQLite database" in process.stderr.readline()
        for each in aside.iterdir():
            each.rename(path.parent / each.name)
        assert "can be read again" in process.stderr.readline()
        keep(make_context(error_message="late"))
        assert json.loads(process.stdout.readline())["error_message"] == "late"
        process.send_signal(2)
        assert process.wait(10) == 130


def test_a_reader_that_leaves_is_no_failure(run: Run, own_place: Path) -> None:
    keep(*(make_context(fingerprint=f"v1:{n}", error_message="x" * 500) for n in range(500)))
    shell = f"set -o pipefail; {sys.executable} -m llama_logging list --limit 500 | head -n 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("LAST SEEN")
    assert done.stderr == ""
    assert done.returncode == 0


def test_init_writes_once(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["check", "logging.yaml"]) == 0
    (own_place / "logging.yaml").write_text("mine")
    capsys.readouterr()
    assert main(["init"]) == 1
    assert "--force" in capsys.readouterr().err
    assert (own_place / "logging.yaml").read_text() == "mine"
    assert main(["init", "--force"]) == 0
    assert main(["init", "no/such/folder.yaml"]) == 1
    assert main(["init", "my file.yaml"]) == 0
    assert "llama-logging run -c 'my file.yaml' -- python app.py" in capsys.readouterr().err


def test_check_names_each_mistake(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_place / "bad.yaml").write_text(
        "version: 1\nhandlers: {h: {class: llama_logging.handlers.RegistryHandler, stroe: x}}\nroot: {handlers: [g]}\n"
        "disable_existing_loggers: false\n"
    )
    assert main(["check", "bad.yaml"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "bad.yaml: handlers.h.stroe: unknown option, did you mean 'store'?",
        "bad.yaml: root.handlers: there is no handler 'g'",
        "bad.yaml: handlers.h: is attached to no logger: list it under `root.handlers`",
    ]
    assert main(["check", "bad.yaml", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert main(["check", "none.yaml"]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().out


REPEATED = """version: 1
disable_existing_loggers: false
x-usual: &usual {class: llama_logging.handlers.RegistryHandler}
x-more: &more {breadcrumbs: 3}
handlers:
  registry: {<<: *usual, <<: *more, locals: 1, locals: 2}
loggers: {app: {handlers: [registry]}}
handlers:
  recovery:
    <<: *usual
    class: llama_logging.handlers.RecoveryHandler
    rules: [{match: {class: A}, match: {class: B}, ladder: [advice: {text: a}]}]
root: {handlers: [recovery]}
loggers: {}
"""


def test_check_tells_of_keys_that_stand_twice(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As of an example that is put below one's own file: PyYAML drops the first without a word."""
    (own_place / "a.yaml").write_text(REPEATED)
    assert main(["check", "a.yaml"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"a.yaml: {place} stands again in line {line}: what is in line {before} does not count"
        for place, before, line in (
            ("handlers:", 5, 8),
            ("loggers:", 7, 14),
            ("handlers.registry.locals:", 6, 6),
            ("handlers.recovery.rules[0].match:", 12, 12),
        )
    ]


def test_check_prints_nothing_that_a_terminal_obeys(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_place / "a.yaml").write_text('version: 1\ndisable_existing_loggers: false\n"a\\e[2J\\nb": 1\n')
    assert main(["check", "a.yaml"]) == 1
    assert capsys.readouterr().out == "a.yaml: a\\x1b[2J\\nb: unknown key\n"


def test_a_warning_of_check_is_no_mistake(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_place / "a.yaml").write_text(
        "version: 1\nhandlers: {h: {class: llama_logging.handlers.RegistryHandler}}\nroot: {handlers: [h]}\n"
    )
    assert main(["check", "a.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("a.yaml: warning: disable_existing_loggers: is not given and defaults to true")
    assert err == "a.yaml: no mistakes\n"
    assert [problem["warning"] for problem in document(capsys, "check", "a.yaml")] == [True]


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "usage: llama-logging " + name in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert len(parser().format_help().splitlines()) > len(COMMANDS)


def test_run_imports_no_more_than_it_needs() -> None:
    """It stands in front of every start of the application: from the second on with a few small files."""
    Path("logging.yaml").write_text(shipped_text())
    code = """
import io, sys, warnings  # the last by `os.execvpe` itself
before = set(sys.modules)
def see(event, arguments):
    if event == "os.exec":
        print(*set(sys.modules) - before, flush=True)
sys.addaudithook(see)
from llama_logging.cli.main import main
main(["run", "--printed", "--", "true"])
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {name.removeprefix("llama_logging.") for name in done.stdout.split()}
    assert found - {"__future__"} == {
        *("llama_logging", "cli", "cli.main", "cli.run_command", "attachment", "attachment.run", "attachment.ready"),
        *("exceptions", "runtime", "runtime.state"),
    }


@pytest.mark.parametrize(
    "words",
    [
        *(["--"], ["app.py", "-v"], ["--", "app.py", "--", "-c", "x"], ["--", "--", "x"], ["--", "-m", "app"]),
        *(["-c", "x.yaml", "--", "app.py"], ["--config", "x.yaml", "app.py", "--printed"], ["", "app.py"]),
        *(["--printed", "app.py"], ["--configure", "--printed", "--"], []),
    ],
)
def test_run_reads_its_words_as_argparse_does(words: list[str]) -> None:
    args = parser(["run"]).parse_args(["run", *words])
    assert run_command.read(words) == run_command.parsed(args)


@pytest.mark.parametrize(
    "words", [["-cx.yaml", "x"], ["--config=x", "x"], ["--conf", "x", "x"], ["-c"], ["-c", "-x", "x"], ["-m"], ["-h"]]
)
def test_run_leaves_to_argparse_what_is_seldom_written(words: list[str]) -> None:
    assert run_command.read(words) is None


def test_colours_where_they_are_wanted(cli: Run) -> None:
    keep(make_context(timestamp=NOW))
    env = {"FORCE_COLOR": "1", "NO_COLOR": ""}
    assert "\x1b[31mERROR" in cli("list", **env).out
    assert "\x1b[" not in cli("list", FORCE_COLOR="1").out


def test_queries_work_while_the_application_writes(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            keep(make_context(timestamp=datetime.now(UTC)))
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        totals = [document(capsys, "summary")["total_errors"] for _ in range(10)]
    finally:
        stop.set()
        writer.join()
    assert totals == sorted(totals)
    assert os.path.exists("llama_logging.db")


def test_what_a_server_has_answered_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """As on the dashboard; of several exceptions, whose it was."""
    refused = ExceptionDetail(
        type="HTTPStatusError", module="httpx", message="402", relation="cause",
        attributes={"status_code": 402, "response": f"card declined{HOSTILE}", "server": "pay:443"},
    )  # fmt: skip
    unpaid = ExceptionDetail(type="PaymentError", module="shop", message="not paid", attributes={"errno": 5})
    keep(context := make_context(timestamp=NOW, exceptions=(unpaid, refused)))
    words = r"errno=5; HTTPStatusError: status_code=402, response=card declined\x1b[2J\nFORGED \u202e, server=pay:443"
    assert f"  carries      {words}\n" in answer(capsys, "show", context.error_id)
    assert f"| carries | `{words}` |\n" in answer(capsys, "show", context.error_id, "--markdown")


def test_local_variables_are_shown_without_the_call_that_they_were_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a chain that is too long its last calls are left out, and the variables are kept."""
    error = make_context(locals=(FrameLocals(exception=4, frame=7, values={"article": 7}),))
    keep(error)
    told = answer(capsys, "show", error.error_id)
    assert "a call that was not kept\n    article = 7\n" in told


def test_a_group_is_named_by_the_end_of_its_fingerprint_and_shown_by_its_newest_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As pages have it in their addresses."""
    old, new = (
        make_context(error_message=name, timestamp=NOW - timedelta(minutes=age)) for name, age in (("a", 9), ("b", 1))
    )
    keep(old, new)
    for name in (new.fingerprint, new.fingerprint.partition(":")[2], new.error_id):
        assert document(capsys, "show", name)["error_id"] == new.error_id
    assert "resolved" in answer(capsys, "resolve", new.fingerprint.partition(":")[2][:8])
    assert main(["show", "none"]) == 1


def test_people_read_local_time_and_programs_utc(cli: Run) -> None:
    keep(make_context(timestamp=NOON))
    local, digest = {"TZ": "IST-5:30"}, ("report", "digest", "--since", "2026-03-01T12:00:00+00:00")
    assert " 2026-03-01 17:30:00.000+05:30 (" in cli("show", "v1:0123456789abcdef", **local).out
    assert cli("tail", **local).out.startswith("2026-03-01 17:30:00+05:30 ")
    for form in ("text", "html"):
        assert "2026-03-01 17:30+05:30 to " in cli(*digest, "--format", form, **local).out
    assert all("+05:30 " in f"{line} " for line in cli("stats", **local).out.splitlines()[1:-1])
    for words in (["show", "v1:0123456789abcdef", "--json"], ["tail", "--json"], [*digest, "--format", "json"]):
        out = cli(*words, **local).out
        assert "2026-03-01T12:00:00" in out
        assert "+05:30" not in out


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_what_a_terminal_has_no_letters_for_is_spelled_out(cli: Run, env: dict[str, str]) -> None:
    keep(make_context(error_message="→ 東京", timestamp=datetime.now(UTC)))
    for words in (["list"], ["stats"], ["export", "--format", "csv"], ["show", "v1:0123456789abcdef"]):
        done = cli(*words, **env)
        assert (done.code, done.err) == (0, "")
    assert "  " + 40 * "#" + "\n" in cli("stats", **env).out
    assert r"\u2192 \u6771\u4eac" in cli("list", **env).out


@pytest.mark.skipif(os.name == "nt", reason="there is no sh")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("list >&-", "standard output: Bad file descriptor"),
        ("list > /dev/full", "standard output: No space left on device"),
        ("tail > /dev/full", "standard output: No space left on device"),
    ],
)
def test_an_output_that_takes_nothing_is_told_of_in_one_line(words: str, told: str) -> None:
    if "/dev/full" in words and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    keep(make_context())
    command = f"{sys.executable} -m llama_logging {words}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"llama-logging: {told}\n")


@pytest.mark.skipif(os.name == "nt", reason="there is no sh")
def test_closed_streams_leave_a_command_as_it_is(own_place: Path) -> None:
    (own_place / "logging.yaml").write_text(shipped_text())
    (own_place / "app.py").write_text("import sys; open('told', 'w').write(f'{sys.stdout} {sys.stderr}'); sys.exit(7)")
    command = f"{sys.executable} -m llama_logging run -- app.py >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 7
    assert (own_place / "told").read_text() == "None None"


PLACES = (("shop", "live"), ("shop", "test"), ("api", "live"))


def in_place(service: str, environment: str, **changes: object) -> ErrorContext:
    ours = replace(process.current(), process=f"{service}{environment}", service=service, environment=environment)
    return make_context(process=ours, **{"timestamp": NOW - timedelta(hours=1), **changes})


def test_queries_are_narrowed_to_a_service_and_an_environment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop, test, api = (in_place(*place, error_message=" ".join(place)) for place in PLACES)
    with contextlib.closing(open_store(urls.default())) as store:
        transfer.add(store, [shop, test, replace(api, fingerprint="v1:other")])
    assert document(capsys, "summary", "--service", "shop")["total_errors"] == 2
    assert "1 error from shop in live" in answer(capsys, "summary", "--service", "shop", "--environment", "live")
    (group,) = document(capsys, "list", "--environment", "test")
    assert (group["count"], group["error_message"]) == (1, "shop test")
    assert sum(row["total"] for row in document(capsys, "stats", "--service", "api")) == 1
    for command in (["tail", "--json"], ["export"]):
        lines = answer(capsys, *command, "--environment", "live")
        assert [json.loads(line)["error_message"] for line in lines.splitlines()] == ["shop live", "api live"]
    named = answer(capsys, "export", "--service", "api", "--group", shop.fingerprint)
    assert named == ""
    assert main(["gate", "--since", "1d", "--service", "api", "--json"]) == 1
    assert [row["fingerprint"] for row in json.loads(capsys.readouterr().out)] == ["v1:other"]
    assert main(["gate", "--since", "1d", "--service", "shp"]) == 0
    assert "no error came from the service 'shp'; there are api, shop" in capsys.readouterr().err
    narrowed = get_error_summary(service="shop", environment="test")
    assert [error["error_message"] for error in narrowed["recent_errors"]] == ["shop test"]
