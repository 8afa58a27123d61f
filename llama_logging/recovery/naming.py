"""Names of the things acted on: errors of one name share one recovery."""

from __future__ import annotations

import socket

PROCESS = "process:"
"""What begins so lies within this process, and every process has its own."""


def within_process(what: str) -> str:
    """*what* of this process alone: a pool, a cache, its descriptors.

    >>> within_process("shop.db.reset")
    'process:shop.db.reset'
    """
    return f"{PROCESS}{what}"


def on_host(what: str) -> str:
    """*what* of this machine: a unit, a file, a disk."""
    return f"{what}@{socket.gethostname()}"
