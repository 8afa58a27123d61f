"""CPython's own tests of `traceback` and `logging`, under `llama-logging run`."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llama_logging.attachment.run import CONFIGURE, environment
from llama_logging.context import ErrorContext
from llama_logging.opening import open_registry
from llama_logging.stores import urls

SUITE = Path(__file__).with_name("cpython_suite.py")
HOOKS = "llama_logging.attachment.hooks"

CONFIG = """
version: 1
disable_existing_loggers: false
handlers:
  registry: {class: llama_logging.handlers.RegistryHandler, store: "sqlite:///STORE", breadcrumbs: 5, locals: 5}
root: {handlers: [registry]}
"""

STOCK = """
import logging
handler = logging.NullHandler()
handler.name = "stock"
logging.root.addHandler(handler)
"""
"""A sitecustomize for comparison: a root handler of the standard library's own, which does nothing."""

NO_HANDLER_ALLOWED = {
    "BasicConfigTest.": "basicConfig leaves a root logger alone that has a handler",
    "BasicFilterTest.": "takes the first handler of the root for its own",
    "CustomLevelsAndFiltersTest.": "takes the first handler of the root for its own",
    "FormatterTest.test_relativeCreated_has_higher_precision": "a clock of its own before logging is imported",
    "HandlerTest.test_post_fork_child_no_deadlock": "asserts that the process has no handler with a name",
    "LastResortTest.test_last_resort": "lastResort is for a root without handlers",
    "ModuleLevelMiscTest.test_logging_at_shutdown": "reads what basicConfig makes of a root without handlers",
}
"""Beginnings of ids in test_logging, and why these tests go wrong with any handler at the root."""
# In 3.14 a copy takes the list's place, and a loop over it misses none that it takes out.
_logger = logging.Logger("any")
_handlers = _logger.handlers
_logger.addHandler(logging.NullHandler())
_logger.removeHandler(_logger.handlers[0])
if _logger.handlers is _handlers:
    NO_HANDLER_ALLOWED["LoggerAdapterTest.test_has_handlers"] = "takes out each second one, asserts that none is left"


def has_tests() -> bool:
    try:
        return all(map(importlib.util.find_spec, ("test.support", "test.test_traceback", "test.test_logging")))
    except ModuleNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(not has_tests(), reason="this Python comes without its own tests (libpython3-testsuite)"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def envs(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """The environment of a process of its own for each kind: plain, with a stock handler, with ours, with a tap."""
    monkeypatch.delenv("NO_COLOR")
    (own_place / "stock").mkdir()
    (own_place / "stock" / "sitecustomize.py").write_text(STOCK)
    (own_place / "logging.yaml").write_text(CONFIG.replace("STORE", str(own_place / "errors.db")))
    plain = dict(os.environ)
    path = os.pathsep.join(filter(None, (str(own_place / "stock"), plain.get("PYTHONPATH"))))
    return {
        "plain": plain,
        "stock": {**plain, "PYTHONPATH": path},
        "ours": environment("logging.yaml", [CONFIGURE]),
        "tapped": environment("logging.yaml"),
    }


def results(module: str, envs: dict[str, dict[str, str]]) -> list[Any]:
    """What came of the tests of *module* in each environment; at the same time, for most of it is waiting."""

    def result(kind: str) -> Any:
        folder = Path(kind, "work").absolute()
        folder.mkdir(parents=True)
        command = [sys.executable, "-P", str(SUITE), module, "../result.json"]
        done = subprocess.run(
            command, cwd=folder, env=envs[kind], stdin=subprocess.DEVNULL, capture_output=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return json.loads((folder.parent / "result.json").read_text(encoding="utf-8"))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(result, envs))


def assert_in_force(plain: Any, stock: Any, ours: Any, tapped: Any) -> None:
    """Each process had what it should have, and ran its tests."""
    assert Counter(plain["outcomes"].values())["ok"] > 100
    assert (plain["handlers"], stock["handlers"], ours["handlers"]) == ([], ["NullHandler"], ["RegistryHandler"])
    assert HOOKS not in plain["hooks"] + stock["hooks"]
    assert tapped["handlers"] == []
    assert ours["hooks"] == tapped["hooks"] == [HOOKS, HOOKS]


def changed(one: Any, other: Any) -> dict[str, str]:
    """The ids of the tests that went another way in *other*, and what was said there."""
    before, after = one["outcomes"], other["outcomes"]
    ids = sorted(id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_))
    return {id_: f"{before.get(id_)} -> {after.get(id_)}: {other['texts'].get(id_, '')}" for id_ in ids}


def captured() -> list[ErrorContext]:
    store = open_registry(urls.parse("sqlite:///errors.db"))
    try:
        return store.errors(limit=10_000)
    finally:
        store.close()


def test_its_tests_of_traceback_go_as_ever(envs: dict[str, dict[str, str]]) -> None:
    """And where they format an exception, our text of it is the same."""
    plain, stock, ours, tapped = results("test.test_traceback", envs)

    assert_in_force(plain, stock, ours, tapped)
    assert changed(plain, ours) == changed(plain, tapped) == {}
    assert ours["differences"] == []
    assert ours["equal"] > 100
    # Of the processes that it starts, those that end by an exception. Since 3.12 one has another that none can catch.
    assert {error.mechanism for error in captured()} - {"unraisable"} == {"excepthook"}


def test_its_tests_of_logging_go_as_ever(envs: dict[str, dict[str, str]]) -> None:
    """Our handler changes nothing that one of the standard library's would not, and that little is known."""
    plain, stock, ours, tapped = results("test.test_logging", envs)

    assert_in_force(plain, stock, ours, tapped)
    assert changed(stock, ours) == {}
    # With a tap alone, none but the one that minds that logging was imported before it.
    early = tuple(f"test.test_logging.{name}" for name in NO_HANDLER_ALLOWED if "relativeCreated" in name)
    assert {id_: told for id_, told in changed(plain, tapped).items() if not id_.startswith(early)} == {}
    allowed = tuple(f"test.test_logging.{beginning}" for beginning in NO_HANDLER_ALLOWED)
    different = changed(plain, ours)
    assert {id_: told for id_, told in different.items() if not id_.startswith(allowed)} == {}
    needed = [name for name in allowed if any(id_.startswith(name) for id_ in plain["outcomes"])]
    assert [name for name in needed if not any(id_.startswith(name) for id_ in different)] == []
    assert "logging" in {error.mechanism for error in captured()}
