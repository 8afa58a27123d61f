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

    Not in an interpreter within the process's first, whose end would be a fatal error then; but mod_wsgi, which
    has its applications in such, sees to that. Nor in a worker of uWSGI without `enable-threads`, where a thread would
    be started and never run.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return any(getattr(uwsgi, "opt", {}).get(name) for name in ("enable-threads", "threads"))
    return _is_first_interpreter() or "mod_wsgi" in sys.modules


def _is_first_interpreter() -> bool:
    is_main = getattr(importlib.import_module("_thread"), "_is_main_interpreter", None)  # CPython 3.13
    if is_main is not None:
        return bool(is_main())
    try:
        interpreters = importlib.import_module("_xxsubinterpreters")
    except Exception:  # there is none, or no room or descriptor left to read it
        return True
    return bool(interpreters.get_current() == interpreters.get_main())
