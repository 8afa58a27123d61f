from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import ModuleType

import pytest

from llama_logging.runtime import native, tasks
from tests.conftest import Run


def test_a_task_is_seen_from_within() -> None:
    async def main() -> bool:
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(tasks.current()))
        thread.start()
        thread.join()
        return tasks.current() is asyncio.current_task() and found == [None]

    assert tasks.current() is None
    assert asyncio.run(main())


def test_none_runs_while_asyncio_is_half_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread imports it, and breadcrumbs ask for the task at each record."""

    async def current() -> object:
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, "asyncio", ModuleType("asyncio"))
            half = tasks.current()
            patched.delitem(sys.modules, "asyncio")
            return half, tasks.current()

    assert asyncio.run(current()) == (None, None)
    monkeypatch.setitem(sys.modules, "asyncio.events", ModuleType("asyncio.events"))
    assert tasks.current() is None


def test_nothing_is_gevents_while_it_is_half_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gevent.monkey", ModuleType("gevent.monkey"))
    assert native.original("time", "sleep") is time.sleep


def test_the_capture_path_imports_none_of_what_it_may_never_need(run: Run) -> None:
    """An application that attaches it pays for these only where it uses them itself."""
    code = (
        "import sys, llama_logging.handlers\n"
        "print([name for name in ('asyncio', 'ssl', 'urllib.request', 'yaml', 'pythonjsonlogger', 'decimal',"
        " 'difflib', 'llama_logging.recovery.engine') if name in sys.modules])"
    )
    done = run("-c", code)
    assert (done.out, done.err) == ("[]\n", "")
