"""What to do when there are no descriptors left: the error to be kept is often about that."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from llama_logging.journal.folders import Folder, Identity, identity, is_file

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_MORE = 8


class Spare:
    """One descriptor that is held only to be let go of when another is needed."""

    def __init__(self) -> None:
        self._held: tuple[int, Identity] | None = None

    def hold(self, folder: Folder) -> None:
        """Have one: of *folder*, which an application hardly opens under the same number."""
        if self._held is None:
            with contextlib.suppress(OSError):
                fd = folder.duplicate()
                if fd is not None:
                    self._held = fd, identity(os.fstat(fd))

    def release(self) -> None:
        """Let go of it."""
        held, self._held = self._held, None
        if held is not None and is_file(*held):
            os.close(held[0])


def are_exhausted(error: OSError) -> bool:
    """Whether *error* says that there are no descriptors left."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


@contextlib.contextmanager
def a_few_more() -> Iterator[None]:
    """Within this block the process may have a few more, if its administrator allows: the soft limit is its own."""
    if resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more(soft, hard), hard))
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def more(soft: int, hard: int) -> int:
    """The soft limit that has room for a few more, as far as the *hard* one goes; one below zero is none."""
    return soft + _MORE if hard < 0 else min(soft + _MORE, hard)
