"""Names: of the things acted on, and of who has met an error."""

from __future__ import annotations

import socket

from llama_logging.context import ErrorContext

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


def in_a_row(context: ErrorContext) -> str:
    """What the errors have in common that one caller meets in a row: its trace, else its task or thread.

    Others that meet the same meanwhile have not tried it again, and by their number nobody must be kept from that.
    """
    return f"{context.fingerprint} {context.trace_id or context.task_name or context.thread_name}"
