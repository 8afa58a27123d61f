"""Mistakes in a configuration: told in one line on standard error, or collected."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar

from llama_logging.frozen import Frozen


class Problem(Frozen, kw_only=False):
    """One mistake: where in the file it stands (`handlers.registry.store`) and what is wrong.

    Attributes:
        fatal: Whether dictConfig refuses the file for it.
        warning: Whether it is no mistake, and perhaps not what was meant.
    """

    path: str
    message: str
    fatal: bool = False
    warning: bool = False

    def __str__(self) -> str:
        return f"{'warning: ' if self.warning else ''}{self.path}: {self.message}"


_collector: ContextVar[list[Problem] | None] = ContextVar("llama_logging_problems", default=None)
_warned: set[str] = set()
_REMEMBERED = 1_000
"""Messages; one that tells of ever other things must not fill the memory."""


@contextlib.contextmanager
def collecting() -> Iterator[list[Problem]]:
    """Within this block mistakes are put on the list it gives, instead of being told."""
    problems: list[Problem] = []
    token = _collector.set(problems)
    try:
        yield problems
    finally:
        _collector.reset(token)


def is_collecting() -> bool:
    """Whether parts are made only to find the mistakes in their options."""
    return _collector.get() is not None


def collected(problem: Problem) -> bool:
    """Whether mistakes are collected; then *problem* is on the list."""
    problems = _collector.get()
    if problems is not None:
        problems.append(problem)
    return problems is not None


def warn(message: str) -> None:
    """One line on standard error, once for each message; never raises."""
    if message in _warned:
        return
    if len(_warned) >= _REMEMBERED:
        _warned.clear()
    _warned.add(message)
    with contextlib.suppress(Exception):
        from llama_logging.redaction import redact  # here and not above: `run` itself has no use for it
        from llama_logging.visible import printable_lines

        print(printable_lines(f"llama_logging: {redact(message)}"), file=sys.stderr, flush=True)
