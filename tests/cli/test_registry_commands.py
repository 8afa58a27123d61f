"""The commands that change the registry, examine it, or carry errors in and out."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from llama_logging import transfer
from llama_logging.cli.main import main
from llama_logging.context import ErrorContext
from llama_logging.pipeline import pipeline_for
from llama_logging.stores import open_store, urls
from tests.cli.test_commands import NOW, answer, document, keep, some_errors
from tests.cli.test_gate_command import in_release
from tests.conftest import Run, make_context

STORM = """
import logging, os, llama_logging.ingest
from llama_logging.handlers import RegistryHandler
llama_logging.ingest.Ingester.wake = lambda self: None
logging.getLogger().addHandler(RegistryHandler())
for n in range(5):
    logging.error("number %d", n)
os._exit(0)
"""


def test_groups_are_resolved_muted_and_reopened(capsys: pytest.CaptureFixture[str]) -> None:
    error, other = make_context(timestamp=NOW - timedelta(hours=1)), make_context(fingerprint="v1:other")
    keep(error, other)
    assert "resolved in 1.2: ValueError" in answer(capsys, "resolve", error.error_id, "--in", "1.2")
    assert [row["resolved_in"] for row in document(capsys, "list", "--state", "resolved")] == ["1.2"]
    answer(capsys, "mute", error.error_id, "v1:other", "--until-count", "5", "--per", "1h")
    assert {row["state"] for row in document(capsys, "list")} == {"muted"}
    assert "muted until 2" in answer(capsys, "mute", error.error_id, "--for", "7d")
    assert document(capsys, "reopen", error.error_id)[0]["state"] == "open"
    shown = document(capsys, "show", error.error_id)
    assert [change["kind"] for change in shown["changes"]] == ["reopened", "muted", "muted", "resolved", "new"]
    assert shown["group"]["severity"] == "ERROR"
    assert "resolved 1.2 by " in answer(capsys, "show", error.error_id)


def test_the_next_release_is_not_the_latest(capsys: pytest.CaptureFixture[str]) -> None:
    in_release("0.9", timestamp=NOW - timedelta(hours=1))
    assert "resolved after 0.9: ValueError" in answer(capsys, "resolve", "v1:0123456789abcdef", "--in-next")
    assert "1 error, resolved after 0.9" in answer(capsys, "show", "v1:0123456789abcdef")
    assert "resolved in 0.9: ValueError" in answer(capsys, "resolve", "v1:0123456789abcdef", "--in", "0.9")
    assert "1 error, resolved in 0.9" in answer(capsys, "show", "v1:0123456789abcdef")


@pytest.mark.parametrize(
    "words",
    [["list"], ["tail", "-n", "1"], ["summary"], ["show", "v1:0123456789abcdef"], ["resolve", "v1:0123456789abcdef"]],
)
def test_an_error_without_words_is_its_type_alone(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """As tracebacks have it; a timeout of httpx's says nothing."""
    keep(make_context(error_type="ReadTimeout", error_message=""))
    told = answer(capsys, *words)
    assert "ReadTimeout" in told
    assert "ReadTimeout:" not in told


def test_a_release_is_not_called_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    in_release("0.9")
    facts = [line.split() for line in answer(capsys, "show", "v1:0123456789abcdef").splitlines()]
    assert ["release", "0.9"] in facts
    assert "service" not in [fact[0] for fact in facts if fact]


def test_half_a_decision_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context())
    answer(capsys, "resolve", "v1:0123456789abcdef", "v1:none", code=1)
    answer(capsys, "mute", "v1:0123456789abcdef", "--per", "1h", code=2)
    answer(capsys, "mute", "v1:0123456789abcdef", "--per", "1h", "--until-count", "0", code=2)
    assert [row["state"] for row in document(capsys, "list")] == ["open"]


def test_groups_are_deleted_for_good(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    error, other = make_context(), make_context(fingerprint="v1:other")
    keep(error, make_context(), other)
    assert main(["delete", error.error_id]) == 2
    assert "needs --yes" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for said, code, left in (("", 1, 2), ("n\n", 1, 2), ("y\n", 0, 1)):
        monkeypatch.setattr(sys.stdin, "readline", lambda said=said: said, raising=False)
        assert main(["delete", error.error_id]) == code
        assert "Delete 1 group for good?" in capsys.readouterr().err
        assert len(document(capsys, "list")) == left
    answer(capsys, "show", error.error_id, code=1)
    assert document(capsys, "delete", "v1:other", other.error_id, "--yes") == [
        {"fingerprint": "v1:other", "deleted": 1}
    ]
    assert document(capsys, "summary")["total_errors"] == 3


def test_words_and_order_choose_what_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    keep(*some_errors())
    assert [row["error_type"] for row in document(capsys, "list", "--search", "olderr")] == ["OldError"]
    assert document(capsys, "list", "--search", "nothing like it") == []
    assert [row["count"] for row in document(capsys, "list", "--sort", "count")] == [2, 1, 1]


def test_details_are_pruned_and_counts_stay(capsys: pytest.CaptureFixture[str]) -> None:
    keep(*(make_context(timestamp=NOW - timedelta(days=n)) for n in range(40)))
    pruned = document(capsys, "prune", "--older-than", "30d")
    assert (pruned["pruned"], pruned["errors"]) == (10, 30)
    assert "1 error or group pruned; the details of 29 are kept" in answer(capsys, "prune", "--keep", "29")
    assert document(capsys, "summary")["total_errors"] == 40
    answer(capsys, "prune", code=2)


def test_a_group_without_details_is_listed_all_the_same(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context(), make_context(fingerprint="v1:gone", timestamp=NOW - timedelta(days=90)))
    answer(capsys, "prune", "--older-than", "60d")
    assert {row["fingerprint"]: row["stack_trace"] != "" for row in document(capsys, "list")} == {
        "v1:0123456789abcdef": False,
        "v1:gone": False,
    }
    (id_listed,) = (row["last_error_id"] for row in document(capsys, "list") if row["fingerprint"] == "v1:gone")
    (own_place / "logging.yaml").write_text("handlers: {}")
    for words in (["show"], ["explain"], ["export", "--pytest"], ["recovery", "test"]):
        for name in (id_listed, "v1:gone"):
            assert main([*words, name]) == 1
            assert "were pruned: 1 error, the last 90d ago" in capsys.readouterr().err
    assert "resolved" in answer(capsys, "resolve", id_listed)


def test_a_frame_that_was_cut_out_by_hand_is_said_to_be_missing(own_place: Path, run: Run, cli: Run) -> None:
    """And a whole registry is said to be whole."""
    run("-c", STORM)
    examined = cli("doctor")
    assert (examined.code, "nothing is missing" in examined.out) == (0, True)
    run("-c", STORM)
    (journal,) = (own_place / "llama_logging.db.journal").glob("*.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if "number 2" not in line))
    examined = cli("doctor", "--json")
    assert examined.code == 1
    assert json.loads(examined.out)["gaps"][0]["missing"] == 1
    assert "1 frame is missing of those that a process numbered" in cli("doctor", "--accept").out
    assert cli("doctor").code == 0
    assert json.loads(cli("summary", "--json").out)["total_errors"] == 9


def test_damage_is_said_in_every_report(own_place: Path, cli: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = own_place / "llama_logging.db"
    keep(*some_errors())
    answer(capsys, "list")
    pipeline_for(urls.default()).close()
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(100_000))
    assert "a new registry begun" in cli("list").err
    for command in ("summary", "list", "doctor"):
        done = cli(command)
        assert f"{path}.corrupt-" in done.out + done.err
    assert document(capsys, "summary")["incidents"][0]["kind"] == "corrupt"
    assert cli("doctor").code == 1


def test_errors_go_out_and_come_in_again(own_place: Path, cli: Run, capsys: pytest.CaptureFixture[str]) -> None:
    keep(*some_errors())
    text = answer(capsys, "export")
    (own_place / "errors.jsonl").write_text(text + "not json\n")
    brought = cli("import", "errors.jsonl", "--store", "sqlite:///other.db", "--json")
    assert brought.code == 1
    assert json.loads(brought.out) == {"read": 4, "refused": 1}
    assert "errors.jsonl:5: not an error" in brought.err
    there = text.replace('"mechanism": "logging"', '"mechanism": "import"')
    assert cli("export", "--store", "sqlite:///other.db").out == there
    assert cli("import", "other.db").out == "4 errors read\n"
    assert document(capsys, "summary", "--severity", "DEBUG")["total_errors"] == 4
    assert cli("import", "missing.db").code == 2


@pytest.mark.parametrize(
    "bad", ['{"message": "x", "timestamp": "9999-12-31T23:59:59.999999-23:59"}', "[" * 100_000 + "]" * 100_000]
)
def test_a_bad_line_costs_no_other(bad: str, own_place: Path, cli: Run) -> None:
    """Nor where it is all that a file has."""
    (own_place / "three.jsonl").write_text(f'{{"message": "first"}}\n{bad}\n{{"message": "third"}}\n')
    (own_place / "one.json").write_text(bad)
    done = cli("import", "three.jsonl", "one.json", "--json")
    assert json.loads(done.out) == {"read": 2, "refused": 2}
    assert "three.jsonl:2: not an error" in done.err


@pytest.mark.parametrize(("lines", "code"), [(20, 1), (20_000, 2)])
def test_a_file_of_something_else_is_told_of_in_a_few_lines(lines: int, code: int, own_place: Path, cli: Run) -> None:
    (own_place / "access.log").write_text("GET / 200\n" * lines)
    done = cli("import", "access.log")
    assert done.code == code
    said = done.err.splitlines()
    assert [line.partition(": not an error")[0] for line in said[:5]] == [
        f"llama-logging: access.log:{number}" for number in range(1, 6)
    ]
    assert said[5:] == [
        "llama-logging: access.log: 15 more are refused"
        if code == 1
        else "llama-logging: access.log: none of the first 100 entries is an error: nothing of it is imported"
    ]


def test_many_mistakes_behind_an_error_end_no_import(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context())
    text = answer(capsys, "export")
    (own_place / "errors.jsonl").write_text(text + "not json\n" * 200 + text)
    assert document(capsys, "import", "errors.jsonl", code=1) == {"read": 2, "refused": 200}


def test_what_json_leaves_as_it_is_parts_no_line(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other programs write such characters without an escape."""
    said = "\u2028 and \x85"
    (own_place / "lines.jsonl").write_text(f'\n{{"message": "one{said}"}}\n\n{{"message": "other{said}"}}\n')
    assert document(capsys, "import", "lines.jsonl") == {"read": 2, "refused": 0}


def test_lines_come_in_one_after_another(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None but what goes over in one transaction is held, however long the file is."""
    fifo = own_place / "lines.jsonl"
    came: list[ErrorContext] = []
    os.mkfifo(fifo)

    def write() -> None:
        with open(fifo, "w") as file:
            for number in range(3 * transfer.BATCH):
                file.write(f'{{"message": "number {number}"}}\n')
            file.flush()
            with contextlib.closing(open_store(urls.default())) as store:
                until = time.monotonic() + 60
                while not came and time.monotonic() < until:
                    came.extend(store.errors(limit=1))

    writer = threading.Thread(target=write)
    writer.start()
    assert document(capsys, "import", str(fifo)) == {"read": 3 * transfer.BATCH, "refused": 0}
    writer.join()
    assert came


def test_a_group_goes_out_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    keep(*some_errors(), make_context(fingerprint="v1:formula", error_message="=HYPERLINK(1)"))
    rows = answer(capsys, "export", "--format", "csv", "--group", "v1:old").splitlines()
    assert rows[0].startswith("error_id,timestamp,severity")
    assert [row.split(",")[3] for row in rows[1:]] == ["OldError"]
    assert ",'=HYPERLINK(1)," in answer(capsys, "export", "--format", "csv")


@pytest.mark.parametrize("other", ["--format csv", "--pytest v1:old"])
def test_what_is_printed_is_json_or_something_else(capsys: pytest.CaptureFixture[str], other: str) -> None:
    keep(*some_errors())
    assert main(["export", "--json", *other.split()]) == 2
    told = f"llama-logging: --json and {other.removesuffix(' v1:old')} exclude each other\n"
    assert capsys.readouterr() == ("", told)


def test_no_text_begins_a_row_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """To a spreadsheet a bare carriage return ends a row, and what comes next may be a formula."""
    keep(make_context(error_message="no such user\r=HYPERLINK(1)\x1b[2J"))
    assert ",no such user\\r=HYPERLINK(1)\\x1b[2J," in answer(capsys, "export", "--format", "csv")


def test_events_of_sentrys_format_come_in(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = {"event_id": "f" * 32, "message": "disk full", "level": "error", "timestamp": NOW.isoformat()}
    (own_place / "event.json").write_text(json.dumps([event, event]))
    assert document(capsys, "import", "event.json") == {"read": 2, "refused": 0}
    assert [row["count"] for row in document(capsys, "list")] == [1]


ASK = (
    "import os, sys; from llama_logging.cli.main import main; os.setuid(int(sys.argv[1])); sys.exit(main(sys.argv[2:]))"
)

LOG = """
import logging, os, sys
from llama_logging.handlers import RegistryHandler
os.setuid(int(sys.argv[1]))
logging.getLogger("app").addHandler(RegistryHandler())
logging.getLogger("app").error("late")
"""


@pytest.mark.parametrize("in_use", [False, True])
def test_a_registry_that_may_only_be_read_answers(run: Run, monkeypatch: pytest.MonkeyPatch, in_use: bool) -> None:
    """A search finds what somebody who may write has had indexed."""
    user = os.geteuid() or 65534
    if run("-c", f"import os; os.setuid({user}); import llama_logging.cli.list_command").code:
        pytest.skip("another user may not read this package")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/errors.db"
        monkeypatch.setenv("LLAMA_LOGGING_STORE", f"sqlite:///{path}")
        monkeypatch.setenv("LLAMA_LOGGING_DIR", f"{folder}/state")
        store = open_store(urls.default())
        error = make_context(trace_id="abc", error_message="no rate", timestamp=NOW)
        transfer.add(store, [error])
        assert store.errors_of_trace("abc") == [error]
        transfer.add(store, [make_context(trace_id="def", fingerprint="v1:late", timestamp=NOW)])
        if not in_use:
            store.close()
        for name in os.listdir(folder):
            os.chmod(f"{folder}/{name}", 0o444)
        os.chmod(folder, 0o555)
        before = sorted(os.listdir(folder))
        for words in ("list", "show abc", "summary", "export", "list --search rate", "trace abc", "doctor"):
            command = words.replace("show abc", f"show {error.error_id}")
            done = run("-c", ASK, str(user), *command.split())
            assert (done.code, done.err, "no rate" in done.out) == (0, "", words != "doctor"), words
        done = run("-c", ASK, str(user), "resolve", error.error_id)
        assert (done.code, "attempt to write a readonly database" in done.err) == (1, True)
        assert sorted(os.listdir(folder)) == before
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/state")
        os.chown(f"{folder}/state", user, -1)
        os.chmod(folder, 0o555)
        assert "its errors wait in" in run("-c", LOG, str(user)).err
        asked = run("-c", ASK, str(user), "list")
        assert (asked.code, "errors.db may not be written to; 1 error is safe in the journal" in asked.err) == (0, True)
        os.chmod(path, 0o600)
        asked = run("-c", ASK, str(user), "list")
        assert (asked.code, asked.err.count("\n")) == (1, 1)
        assert f"errors.db: user {user} may not read it; 1 error is safe in the journal" in asked.err
        os.chmod(folder, 0o755)
        store.close()
