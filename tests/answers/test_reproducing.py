"""An error as a test to begin from."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llama_logging.answers.reproducing import as_test
from llama_logging.context import ExceptionDetail, Frame, FrameLocals
from tests.cli.test_commands import answer, keep
from tests.conftest import make_context
from tests.web.hostile import PAYLOADS

NOW = datetime.now(UTC)


def test_a_test_calls_what_has_failed(capsys: pytest.CaptureFixture[str], own_place: Path) -> None:
    """It is run, and passes because the application still fails so."""
    Path("shopping.py").write_text("def add(article):\n    raise ValueError(f'no such {article}')\n")
    context = failing("shopping", "add", "ValueError", values={"article": "article", "count": 2})
    keep(context)
    text = answer(capsys, "export", "--pytest", context.error_id)
    assert "from shopping import add" in text
    assert ran(text) == 0
    for other in ("return 1", "raise ValueError('no such customer')", "raise TypeError('no such article')"):
        Path("shopping.py").write_text(f"def add(article):\n    {other}\n")
        assert ran(text) == 1


@pytest.mark.parametrize("mechanism", ["import", "sentry", "text"])
def test_what_somebody_else_has_written_is_not_called(own_place: Path, mechanism: str) -> None:
    """Nor is a module imported of which it speaks; the call is there for who finds it right."""
    Path("shopping.py").write_text("open('pwned', 'w')\ndef add(article):\n    pass\n")
    context = failing("shopping", "add", "Refused", values={"article": "article"}, error_module="shopping")
    text = as_test(replace(context, mechanism=mechanism))
    assert "#     add(**given)" in text
    assert ran(text) == 0
    assert not Path("pwned").exists()


def test_only_the_applications_own_is_called(own_place: Path) -> None:
    """Whatever a registry says that came from somewhere."""
    text = as_test(failing("os", "system", "ValueError", values={"command": "touch pwned"}))
    assert "#     system(**given)" in text
    assert ran(text) == 0
    assert not Path("pwned").exists()


def test_a_missing_argument_does_not_pass_for_the_failure() -> None:
    Path("shopping.py").write_text("def add(article):\n    raise TypeError('no such article')\n")
    text = as_test(failing("shopping", "add", "TypeError"))
    assert "add()" in text
    assert ran(text) == 1


def test_a_key_error_is_raised_with_its_key() -> None:
    text = as_test(replace(failing("__main__", "add", "KeyError"), error_message="'apple'"))
    assert "raise KeyError('apple')" in text
    assert ran(text) == 0


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
    assert {type(node).__name__ for node in tree.body[:-1]} == {"Import"}
    assert isinstance(tree.body[-1], ast.FunctionDef)
    imported = {node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)}
    assert imported <= {"pytest", "re", "inspect"}
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} <= {payload}


def failing(
    module: str, function: str, error_type: str, values: dict[str, object] | None = None, error_module: str = "builtins"
) -> Any:
    frame = Frame(module=module, function=function, file="/srv/x.py", line=2, source="raise", in_app=True)
    raised = ExceptionDetail(type=error_type, module=error_module, message="no such article", frames=(frame,))
    found = (FrameLocals(exception=0, frame=0, values=values),) if values else ()
    return make_context(timestamp=NOW, error_type=error_type, exceptions=(raised,), locals=found)


def ran(text: str) -> int:
    Path("test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_it.py"]
    return subprocess.run(command, capture_output=True, check=False).returncode
