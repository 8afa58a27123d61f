"""`gate`, `stats`, `show --markdown` and `export --pytest`: for pipelines, people, issues and tests."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llama_logging import wire
from llama_logging.cli.main import main
from llama_logging.context import ExceptionDetail, Frame, FrameLocals, Process
from llama_logging.registry import Batch
from llama_logging.reproducing import as_test
from llama_logging.stores import open_store, urls
from tests.cli.test_commands import HOSTILE, NOW, answer, document, keep
from tests.conftest import make_context
from tests.web.hostile import PAYLOADS


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


def test_a_release_without_errors_passes_and_a_wrong_name_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context(timestamp=NOW))
    assert main(["gate", "--since", "9.9.9"]) == 0
    assert "no error has named the release '9.9.9'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["gate", "--since", "1h", "--fail-on", "old"])
    assert ended.value.code == 2


def document_of(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(answer(capsys, *words, "--json", code=code))
    return found


def test_errors_are_counted_over_time(capsys: pytest.CaptureFixture[str]) -> None:
    keep(*(make_context(timestamp=NOW - timedelta(hours=n % 3)) for n in range(6)))
    rows = document(capsys, "stats", "--last", "3")
    assert [row["total"] for row in rows] == [2, 2, 2]
    assert "6 errors" in answer(capsys, "stats", "--last", "3")
    assert sum(row["total"] for row in document(capsys, "stats", "--by", "day", "--last", "2")) == 6
    assert "0 errors" in answer(capsys, "stats", "--store", "sqlite:///none.db")


def test_an_error_is_shown_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    context = make_context(timestamp=NOW, error_message=HOSTILE)
    keep(context)
    text = answer(capsys, "show", context.error_id, "--markdown")
    assert text.startswith(r"### `ValueError: \x1b[2J\nFORGED \u202e`")
    assert "```pytb" in text


def test_a_test_calls_what_has_failed(capsys: pytest.CaptureFixture[str], own_place: Path) -> None:
    """It is run, and passes because the application still fails so."""
    Path("shopping.py").write_text("def add():\n    raise ValueError('no such article')\n")
    context = failing("shopping", "add", "ValueError", values={"article": "a1", "count": 2})
    keep(context)
    text = answer(capsys, "export", "--pytest", context.error_id)
    assert "from shopping import add" in text
    assert "article = 'a1'" in text
    assert ran(text) == 0
    Path("shopping.py").write_text("def add():\n    return 1\n")
    assert ran(text) == 1


def test_a_test_raises_what_cannot_be_called() -> None:
    for module, function in (("shop", "Cart.add"), ("__main__", "add"), ("shop", "outer.<locals>.add"), ("a b", "c")):
        text = as_test(failing(module, function, "ValueError"))
        assert "raise ValueError('no such article')" in text
        assert ran(text) == 0


@pytest.mark.parametrize(
    "payload", [*PAYLOADS, "\n    import os\n", '"""\nimport os', "x\r\nimport os", "\\\nimport os"]
)
def test_a_test_of_a_hostile_error_is_python_that_does_nothing_else(payload: str) -> None:
    context = failing(payload, payload, payload, values={payload: payload})
    text = as_test(replace(context, error_message=payload, error_id=payload))
    tree = ast.parse(text)
    assert [type(node).__name__ for node in tree.body] == ["Import", "FunctionDef"]
    assert {node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)} == {"pytest"}
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} <= {payload}


def failing(module: str, function: str, error_type: str, values: dict[str, object] | None = None) -> Any:
    frame = Frame(module=module, function=function, file="/srv/x.py", line=2, source="raise", in_app=True)
    raised = ExceptionDetail(type=error_type, module="builtins", message="no such article", frames=(frame,))
    found = (FrameLocals(exception=0, frame=0, values=values),) if values else ()
    return make_context(timestamp=NOW, error_type=error_type, exceptions=(raised,), locals=found)


def ran(text: str) -> int:
    Path("test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_it.py"]
    return subprocess.run(command, capture_output=True, check=False).returncode
