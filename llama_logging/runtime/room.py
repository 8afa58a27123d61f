"""Room on the stack and in memory for what must be done when there is none: the error to be kept is about that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from llama_logging.runtime.native import original

T = TypeVar("T")

PIECES, BYTES = 4, 2**20 + 2**16
"""How much memory is set aside; never touched, so that it is address space alone. In pieces of which each is of use:
both allocators ask for 1 MiB at a time, CPython's for its arenas and the C library where the heap cannot grow."""
TIMEOUT = 10.0
"""Seconds that the other stack is waited for."""

_set_aside = [bytes(BYTES) for _ in range(PIECES)]


def with_room(problem: Exception, job: Callable[[], T]) -> T:
    """Do *job*, which failed with *problem* (RecursionError or MemoryError), where there is more of what it needs.

    To raise the recursion limit instead would be to leave it raised: it cannot be put back at this depth.

    Raises:
        RecursionError: If there is not even room for this.
        TimeoutError: If it does not come to its end on the other stack.
    """
    if isinstance(problem, RecursionError):
        return _on_another_stack(job)
    _set_aside.clear()
    try:
        return job()
    finally:
        with contextlib.suppress(MemoryError):
            while len(_set_aside) < PIECES:
                _set_aside.append(bytes(BYTES))


def _on_another_stack(job: Callable[[], T]) -> T:
    ended: Any = original("_thread", "allocate_lock")()
    results: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(job())
        except BaseException as failure:
            failures.append(failure)
        finally:
            ended.release()

    ended.acquire()
    original("_thread", "start_new_thread")(work, ())
    if not ended.acquire(timeout=TIMEOUT):
        raise TimeoutError(f"no end within {TIMEOUT:g} s on another stack")
    if failures:
        raise failures[0]
    return results[0]
