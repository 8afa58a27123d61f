from __future__ import annotations

import asyncio
import threading

from llama_logging import tasks
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


def test_the_capture_path_imports_none_of_what_it_may_never_need(run: Run) -> None:
    """An application that attaches it pays for these only where it uses them itself."""
    code = (
        "import sys, llama_logging.handlers\n"
        "print([name for name in ('asyncio', 'ssl', 'urllib.request', 'yaml', 'pythonjsonlogger', 'decimal',"
        " 'difflib', 'llama_logging.recovery.engine') if name in sys.modules])"
    )
    done = run("-c", code)
    assert (done.out, done.err) == ("[]\n", "")
