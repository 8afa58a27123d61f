"""What docs/operating.md says: copies of a registry, and putting one back."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from pathlib import Path

import pytest

from llama_logging.opening import open_registry
from llama_logging.pipeline import pipeline_for
from llama_logging.stores import urls
from llama_logging.stores.schema import STEPS
from tests.conftest import Run, make_context

PAGE = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")


def shell(heading: str) -> str:
    """The command under a heading of the page."""
    return PAGE.split(f"\n## {heading}\n")[1].split("```sh\n")[1].split("\n```")[0]


def backup(path: str, copy: str) -> None:
    """As the shell of SQLite does it at `.backup`."""
    with contextlib.closing(sqlite3.connect(path)) as one, contextlib.closing(sqlite3.connect(copy)) as other:
        one.backup(other)


def test_who_opens_a_registry_of_an_earlier_version_is_told_why_that_takes_a_while(own_place: Path, cli: Run) -> None:
    """Once: it is up to date then."""
    with contextlib.closing(sqlite3.connect(own_place / "errors.db")) as connection:
        connection.executescript(";".join(STEPS[:5]))
        connection.execute("PRAGMA user_version = 5")
    told = "errors.db: an earlier version made it; it is brought up to date"
    listed = [cli("list", "--store", f"sqlite:///{own_place}/errors.db") for _ in range(2)]
    assert [(done.code, told in done.err) for done in listed] == [(0, True), (0, False)]


def test_a_copy_that_is_put_back_while_a_process_runs_gets_what_its_journal_holds_once(own_place: Path) -> None:
    url = urls.parse(f"sqlite:///{own_place}/errors.db")
    pipeline = pipeline_for(url)
    for _ in range(10):
        pipeline.add(make_context())
    open_registry(url).close()
    backup("errors.db", "copy.db")
    for _ in range(10):
        pipeline.add(make_context())
    open_registry(url).close()
    subprocess.run(shell("Putting a copy back"), shell=True, check=True, stderr=subprocess.DEVNULL)
    for _ in range(10):
        pipeline.add(make_context())
    store = open_registry(url)
    (group,) = store.groups()
    assert (group.count, len(store.errors(limit=100))) == (30, 30)
    store.close()


def test_what_came_after_the_copy_is_taken_along_from_the_registry_that_was_put_aside(
    monkeypatch: pytest.MonkeyPatch, run: Run, cli: Run
) -> None:
    """From processes that have ended: their journals are gone."""
    monkeypatch.setenv("LLAMA_LOGGING_STORE", "sqlite:///errors.db")
    log = "import logging; from llama_logging.handlers import RegistryHandler as R; logging.root.addHandler(R()); "
    run("-c", log + "logging.error('before')")
    assert cli("list").code == 0
    backup("errors.db", "copy.db")
    run("-c", log + "logging.error('after')")
    assert "after" in cli("list").out
    subprocess.run(shell("Putting a copy back"), shell=True, check=True, stderr=subprocess.DEVNULL)
    assert "after" not in cli("list").out
    assert cli("import", "before.db").code == 0
    listed = cli("list", "--json").out
    assert (listed.count('"count": 1'), "before" in listed, "after" in listed) == (2, True, True)
