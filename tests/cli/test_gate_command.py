"""`gate` for pipelines, and `stats`."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from llama_logging import wire
from llama_logging.cli.main import main
from llama_logging.context import Process
from llama_logging.registry.intake import Batch
from llama_logging.stores import open_store, urls
from tests.cli.test_commands import NOW, answer, document, keep
from tests.conftest import make_context
from tests.test_docs import DOCS


def process(release: str) -> Process:
    return Process(process=release, pid=1, host="h", boot="b", program="p", python="3.12", release=release)


def in_release(release: str, **changes: object) -> None:
    """Keep an error that names it, as the process would."""
    store = open_store(urls.default())
    context = make_context(process=process(release), **changes)
    error, _, stack = wire.encode_error(context)
    store.ingest(Batch(release, 0, 1, [wire.dumps(wire.encode_process(process(release))), stack, error]))
    store.close()


def test_a_pipeline_fails_on_what_is_new_since_a_release(capsys: pytest.CaptureFixture[str]) -> None:
    in_release("1.0", timestamp=NOW - timedelta(days=2))
    in_release("1.1", timestamp=NOW - timedelta(hours=1), fingerprint="v1:new", error_message="it is new")
    assert "it is new" in answer(capsys, "gate", "--since", "1.1", code=1)
    assert answer(capsys, "gate", "--since", "1.1", "--fail-on", "regressed") == ""
    assert len(document_of(capsys, "gate", "--since", "1.0", code=1)) == 2
    assert len(document_of(capsys, "gate", "--since", "7d", code=1)) == 2
    answer(capsys, "resolve", "v1:new")
    assert answer(capsys, "gate", "--since", "1.1") == ""


def test_a_pipeline_fails_on_what_is_back(capsys: pytest.CaptureFixture[str]) -> None:
    in_release("1.0", timestamp=NOW - timedelta(days=2))
    store = open_store(urls.default())
    store.resolve("v1:0123456789abcdef", NOW - timedelta(days=1))
    store.close()
    in_release("1.1", timestamp=NOW)
    assert [found["kind"] for found in document_of(capsys, "gate", "--since", "1.1", code=1)] == ["regressed"]
    assert answer(capsys, "gate", "--since", "1.1", "--fail-on", "new") == ""


@pytest.mark.parametrize(("target", "other"), [("v1:old", "v1:new"), ("v1:new", "v1:old")])
def test_what_is_merged_with_what_is_old_is_not_new(
    capsys: pytest.CaptureFixture[str], target: str, other: str
) -> None:
    """But it may be back."""
    in_release("1.0", timestamp=NOW - timedelta(days=2), fingerprint="v1:old")
    in_release("1.1", timestamp=NOW - timedelta(hours=2), fingerprint="v1:new")
    assert len(document_of(capsys, "gate", "--since", "1.1", code=1)) == 1
    answer(capsys, "merge", target, other)
    assert answer(capsys, "gate", "--since", "1.1") == ""
    assert len(document_of(capsys, "gate", "--since", "1.0", code=1)) == 1

    store = open_store(urls.default())
    store.resolve(target, NOW - timedelta(hours=1))
    store.close()
    in_release("1.2", timestamp=NOW, fingerprint=target)
    in_release("1.3", timestamp=NOW, fingerprint="v1:newest")
    answer(capsys, "merge", target, "v1:newest")
    assert [found["kind"] for found in document_of(capsys, "gate", "--since", "1.2", code=1)] == ["regressed"]


def test_a_release_without_errors_passes_and_a_wrong_name_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context(timestamp=NOW))
    for release in ("9.9.9", "1.1", "20260301"):
        assert main(["gate", "--since", release]) == 0
        said = capsys.readouterr().err
        assert said == f"llama-logging: no error of release {release!r}\n"
    assert said.replace(release, "1.1") in DOCS["triage.md"]
    with pytest.raises(SystemExit) as ended:
        main(["gate", "--since", "1h", "--fail-on", "old"])
    assert ended.value.code == 2


def test_a_gate_that_cannot_look_does_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no registry" in failed(capsys, "gate", "--since", "1.0", "--json")
    assert answer(capsys, "gate", "--since", "1.0", "--missing-ok") == ""
    keep(make_context(timestamp=NOW))
    with pytest.raises(SystemExit) as ended:
        main(["gate", "--since", ""])
    assert ended.value.code == 2


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) == 2
    return capsys.readouterr().err


def document_of(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(answer(capsys, *words, "--json", code=code))
    return found


def test_errors_are_counted_over_time(capsys: pytest.CaptureFixture[str]) -> None:
    keep(*(make_context(timestamp=NOW - timedelta(hours=n % 3)) for n in range(6)))
    # An hour more: one may have begun since this file was read.
    rows = document(capsys, "stats", "--last", "4")
    assert [row["total"] for row in rows if row["total"]] == [2, 2, 2]
    assert "6 errors" in answer(capsys, "stats", "--last", "4")
    assert sum(row["total"] for row in document(capsys, "stats", "--by", "day", "--last", "2")) == 6
    assert "0 errors" in answer(capsys, "stats", "--store", "sqlite:///none.db")
