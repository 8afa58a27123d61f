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
        self._fd: int | None = None
        self._identity = Identity(0, 0)

    def hold(self, folder: Folder) -> None:
        """Have one: of *folder*, which an application hardly opens under the same number."""
        if self._fd is None:
            with contextlib.suppress(OSError):
                self._fd = folder.duplicate()
                if self._fd is not None:
                    self._identity = identity(os.fstat(self._fd))

    def release(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, None
        if fd is not None and is_file(fd, self._identity):
            os.close(fd)


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
    more = soft + _MORE if hard == resource.RLIM_INFINITY else min(soft + _MORE, hard)
    try:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
