"""What a process has too little of: descriptors, memory."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_bool, as_bytes
from llama_logging.context import ErrorContext
from llama_logging.recovery.hooks import Hook, as_hooks, problems_of
from llama_logging.recovery.naming import within_process
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_trim: Callable[[int], int] | None = None
# Here and not where it is needed: without memory or descriptors nothing can be imported.
with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
    import ctypes

    _trim = ctypes.CDLL(None).malloc_trim  # glibc alone has it

SPARE = 16
"""Descriptors that must be there to be had."""


@dataclass(frozen=True)
class FdRelief(Strategy):
    """Gives up descriptors that are not needed, then raises the limit: from soft to hard, as any process may."""

    name: ClassVar[str] = "fd.relief"
    option_names: ClassVar[tuple[str, ...]] = ("close", "raise_limit")
    close: tuple[Hook, ...] = ()
    raise_limit: bool = True

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Read the options.

        `close`: functions that close what lies idle. `raise_limit`: false where `select()` is used,
        which knows no descriptor above 1023.
        """
        return cls(options.read("close", as_hooks, ()), options.read("raise_limit", as_bool, True))

    @property
    def scope(self) -> str:
        """This process."""
        return within_process("descriptors")

    @property
    def intent(self) -> str:
        """Says what is given up."""
        raised = " and raise their limit" if self.raise_limit else ""
        return f"close descriptors that are not needed{raised}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Collect, close, raise, as far as is needed; verified by opening some."""
        if not _too_few():
            return verdict("", f"{SPARE} descriptors can be had already")
        gc.collect()
        problem = problems_of(self.close, deadline)
        if not _too_few():
            return verdict("", "what was not needed was closed")
        if self.raise_limit:
            problem = "; ".join(filter(None, (problem, _raise_limit())))
        still = _too_few()
        return verdict(still and "; ".join(filter(None, (still, problem))), "the limit of descriptors was raised")


@dataclass(frozen=True)
class MemoryRelief(Strategy):
    """Gives memory back: what is garbage, what caches hold, what the allocator keeps."""

    name: ClassVar[str] = "memory.relief"
    option_names: ClassVar[tuple[str, ...]] = ("caches", "needed")
    caches: tuple[Hook, ...] = ()
    needed: int = 16 * 2**20

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `caches`, functions that empty caches; `needed`, how much must be there to be had (16M)."""
        return cls(options.read("caches", as_hooks, ()), options.read("needed", as_bytes, 16 * 2**20))

    @property
    def scope(self) -> str:
        """This process."""
        return within_process("memory")

    @property
    def intent(self) -> str:
        """Says what is given back."""
        return "empty caches and give memory back"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Give back, then take as much as is needed for a moment."""
        before = _resident()
        problem = problems_of(self.caches, deadline)
        gc.collect()
        if _trim is not None:
            _trim(0)
        told = f"resident memory went from {before >> 20} to {_resident() >> 20} MiB"
        try:
            # Not from the allocator: what a thread's arena once had it keeps, and each relief would cost its like.
            mmap.mmap(-1, max(1, self.needed)).close()
        except OSError:
            return verdict("; ".join(filter(None, (f"{self.needed} bytes are not to be had; {told}", problem))), "")
        return verdict("", told)


def _too_few() -> str:
    opened = []
    try:
        for _ in range(SPARE):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return f"{len(opened)} descriptors can be had: {error.strerror}"
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return ""


def _raise_limit() -> str:
    if resource is None:
        return "there is no limit to raise"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return f"their limit is {soft} and cannot be raised"
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS has a lower limit than it says
        return f"their limit of {soft} cannot be raised: {error}"
    return ""


def _resident() -> int:
    """Bytes of this process that are in memory; 0 where that is not known."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
