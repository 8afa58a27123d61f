"""The asyncio task that runs here, and a loop for coroutines where none does.

Where the application has not imported asyncio there is no task, and it is not imported to find that out.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from typing import Any


def current() -> asyncio.Task[object] | None:
    """The task of this thread; None outside of one."""
    events = sys.modules.get("asyncio.events")
    try:
        # The C function gives None without a loop; asyncio.current_task() would raise, at ten times the cost.
        if events is None or events._get_running_loop() is None:
            return None
        task: asyncio.Task[object] | None = sys.modules["asyncio"].current_task()
    except (AttributeError, KeyError):  # half imported, by this thread or another: no loop runs yet
        return None
    return task


def ended(result: Any, timeout: float | None) -> Any:
    """*result*; that of a coroutine, which is run to its end on a loop of its own, *timeout* seconds at most."""
    import inspect  # here and not above: who logs has no coroutine to run

    if not inspect.iscoroutine(result):
        return result
    import asyncio

    return asyncio.run(asyncio.wait_for(result, timeout))
