from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llama_logging.cli.main import main
from llama_logging.context import ExceptionDetail
from llama_logging.recovery.switch import ROW
from llama_logging.registry.attempts import Lease, Policy
from llama_logging.stores import open_store, urls
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.cli.test_commands import answer, document, keep
from tests.conftest import NOON, make_context
from tests.recovery.test_engine import failing

RULES = """
handlers:
  recovery:
    class: llama_logging.handlers.RecoveryHandler
    rules:
      - name: down
        match: {class: ValueError}
        verify: tcp://127.0.0.1:1
        ladder:
          - wait_and_probe: {probe: "tcp://127.0.0.1:1"}
          - ollama.restart: {restart: [systemctl, restart, ollama]}
"""


def test_the_switch_is_thrown_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context())
    assert answer(capsys, "recovery", "list") == "recovery has not acted on anything yet\n"
    assert answer(capsys, "recovery", "log") == "no recovery attempts yet\n"
    assert "maintenance" in answer(capsys, "recovery", "off", "--why", "maintenance")
    store = open_store(urls.default())
    assert store.recall(ROW).startswith("by ")
    assert "switched off" in answer(capsys, "recovery", "list")
    assert "may act" in answer(capsys, "recovery", "on")
    assert store.recall(ROW) == ""
    store.close()


def test_what_was_acted_on_is_listed_and_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(urls.default())
    lease = store.acquire("ollama@x", "host/1", 60, Policy())
    assert isinstance(lease, Lease)
    assert "host/1 is at it" in answer(capsys, "recovery", "list")
    store.finish(lease, OutcomeStatus.FAILED, "it did not start", Policy())
    assert "resting for" in answer(capsys, "recovery", "list")
    assert document(capsys, "recovery", "list")["scopes"][0]["failures"] == 1
    assert "is reset" in answer(capsys, "recovery", "forget", "ollama@x")
    assert document(capsys, "recovery", "list")["scopes"][0]["failures"] == 0
    store.close()
    assert main(["recovery", "forget", "ollama@y"]) == 1
    told = "llama-logging: nothing named 'ollama@y' was ever acted on, did you mean 'ollama@x'?\n"
    assert capsys.readouterr() == ("", told)


def test_a_scope_that_is_to_be_typed_is_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = "ollama@http://a-very-long-name.of-some-server.example:11434"
    store = open_store(urls.default())
    assert isinstance(store.acquire(scope, "host/1", 60, Policy()), Lease)
    store.close()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert scope in answer(capsys, "recovery", "list")


def test_the_log_has_the_latest_first(capsys: pytest.CaptureFixture[str]) -> None:
    attempts = [
        RecoveryAttempt(
            attempt_id=str(n), error_id="e", fingerprint="f", rule="r", strategy=f"s{n}", scope="",
            status=OutcomeStatus.FAILED, started_at=NOON.replace(minute=n), detail="\x1b[2Jno",
        )
        for n in range(3)
    ]  # fmt: skip
    keep(make_context(), attempts=tuple(attempts))
    assert [row["strategy"] for row in document(capsys, "recovery", "log", "--limit", "2")] == ["s2", "s1"]
    text = answer(capsys, "recovery", "log")
    assert "failed" in text
    assert "\x1b[2J" not in text


def test_a_rule_is_tried_on_an_error_of_the_past(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is done but that its probe is asked."""
    (own_place / "logging.yaml").write_text(RULES)
    error, other = failing(), make_context()
    keep(error, other)
    told = document(capsys, "recovery", "test", error.error_id)
    assert (told["rule"], told["scope"]) == ("down", "tcp://127.0.0.1:1")
    assert [(step["destructive"], step["observed"]) for step in told["steps"]] == [(False, False), (True, True)]
    assert "refused" in told["problem"]
    text = answer(capsys, "recovery", "test", error.error_id)
    assert "ollama.restart: only say that it would run systemctl restart ollama" in text
    answer(capsys, "recovery", "test", other.error_id, code=2)


def test_an_error_of_another_server_than_a_preset_is_for_is_told_so(
    own_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default is this machine's; of another's errors there is no attempt that could tell."""
    (own_place / "logging.yaml").write_text("handlers: {recovery: {rules: [{use: ollama}]}}")
    refused = ExceptionDetail(
        type="ConnectError",
        module="httpx",
        message="refused",
        bases=("httpx.ConnectError", "httpx.TransportError"),
        attributes={"server": "gpu.example:11434"},
    )
    context = make_context(exceptions=(refused,))
    keep(context)
    assert main(["recovery", "test", context.error_id]) == 2
    told = capsys.readouterr().err
    assert "ollama-connection is like it" in told
    assert "the error is of gpu.example:11434, and this is about http://127.0.0.1:11434" in told
    rule = "{match: {chain: httpx.ConnectError}, ladder: [ollama.wait]}"
    (own_place / "logging.yaml").write_text(f"handlers: {{recovery: {{rules: [{rule}]}}}}")
    assert "but the error is of gpu.example:11434" in answer(capsys, "recovery", "test", context.error_id)
