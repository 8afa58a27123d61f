"""The operating system's own threads, locks and pauses, also where gevent has put its own in their place.

A lock of gevent's hands control to other greenlets, and one that a native thread waits for is never
woken (gevent#863, #1698): neither may happen within a logging call.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def original(module: str, name: str) -> Any:
    """What *name* in *module* was before gevent's monkey patching; looked up anew, for that may come late.

    >>> original("_thread", "allocate_lock")().acquire(timeout=1)
    True
    """
    # Without that function it is half imported, and has put nothing in their place yet.
    get_original = getattr(sys.modules.get("gevent.monkey"), "get_original", None)
    if get_original is not None:
        return get_original(module, name)
    # From sys.modules where it can be: there may be little room on the stack.
    return getattr(sys.modules.get(module) or importlib.import_module(module), name)


def breathe() -> None:
    """Let other threads have the interpreter now, and not when this one's switch interval is over."""
    original("time", "sleep")(0)


def may_have_threads() -> bool:
    """Whether a thread that nobody waits for may run here.

    Not in a subinterpreter with its own GIL, whose end would be a fatal error then, nor in a worker of
    uWSGI without `enable-threads`, where it would be started and never run.
    """
    allowed = getattr(importlib.import_module("_thread"), "daemon_threads_allowed", None)  # CPython 3.12
    if allowed is not None and not allowed():
        return False
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or any(getattr(uwsgi, "opt", {}).get(name) for name in ("enable-threads", "threads"))
