"""The asyncio task that runs here; where the application has not imported asyncio none does, and nor do we."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


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
