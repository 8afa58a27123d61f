"""Which process this is: a forked child begins anew, also where no hooks ran at the fork, such as uWSGI's."""

from __future__ import annotations

import os

pid = os.getpid()
"""As it was at the last `look`."""


def look() -> int:
    """The pid, asked for anew: to ask costs, so for an error it is asked once, before all that depends on it."""
    global pid
    pid = os.getpid()
    return pid


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=look)
