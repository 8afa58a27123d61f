"""One file of the journal, held open and owned."""

from __future__ import annotations

import contextlib
import errno
import os
import time

from llama_logging.journal.folders import Folder, identity, is_file, is_same
from llama_logging.journal.framing import FRAME_BYTES, seal

LOOK_EVERY = 0.05
"""Seconds for which a descriptor is taken to be our file, as long as its position is ours."""

DEFINE_EVERY = 3_600.0
"""Seconds after which definitions are written anew: the registry drops those that none of its errors has any more."""

_MOST = 2 * FRAME_BYTES
_KNOWN = 10_000
"""So many definitions are remembered at most."""


class File:
    """A file that nobody else writes to.

    Args:
        first: The frame that it begins with, sealed.

    Attributes:
        known: What has been defined in it.
    """

    __slots__ = (
        "_defined", "_file", "_first", "_length", "_looked",
        "fd", "folder", "known", "name", "named", "position", "size", "unsynced",
    )  # fmt: skip

    def __init__(self, fd: int, folder: Folder, name: str, first: bytes) -> None:
        status = os.fstat(fd)
        self.fd, self.folder, self.name = fd, folder, name
        self._file, self._first = identity(status), first
        self.position = self.size = self._length = status.st_size
        self._looked = 0.0
        self.known: set[str] = set()
        self._defined = time.time()
        self.unsynced = True
        self.named = False

    @property
    def path(self) -> str:
        """Where it lies."""
        return os.path.join(self.folder.path, self.name)

    def is_ours(self) -> bool:
        """Whether the descriptor still is our file: an application may close it and reuse its number.

        Within LOOK_EVERY the position suffices, which no other file is likely to share. To ask for the
        file itself before each write costs more than the write: the kernel then has to give the next
        one a time of its own (multigrain timestamps).
        """
        now = time.monotonic()
        try:
            position = os.lseek(self.fd, 0, os.SEEK_CUR)
            if position == self.position and now - self._looked < LOOK_EVERY:
                return True
            length = self._length  # before the file is asked: another thread may be faster, and it only grows
            status = os.fstat(self.fd)
        except OSError:
            return False
        if not is_same(status, self._file):
            return False
        self.position, self._looked = position, now
        if status.st_size < length:
            self._begin_again()
        self._length = status.st_size
        if abs(time.time() - self._defined) > DEFINE_EVERY:  # by the clock that goes on in sleep
            self.known.clear()
            self._defined = time.time()
        return True

    def _begin_again(self) -> None:
        """Somebody has cut it short: whose it is and what was defined in it may be gone."""
        self.known.clear()
        with contextlib.suppress(OSError):
            os.write(self.fd, self._first)

    def is_still_open(self) -> bool:
        """The same, asked of the file itself."""
        return is_file(self.fd, self._file)

    def append(self, sealed: bytes, name: str, definition: str, sync: bool) -> None:
        """Write one frame, before it the definition it refers to if this file has none of that *name*."""
        defines = name != "" and name not in self.known
        data = seal(definition) + sealed if defines else sealed
        size = len(data)
        if size > _MOST:
            raise OSError(errno.EMSGSIZE, f"a frame of {size} bytes is too large")
        if os.write(self.fd, data) != size and os.write(self.fd, data) != size:
            # A torn frame ends where the next begins. The second write says why, where that is to be had.
            raise OSError(errno.ENOSPC, "the disk took only a part of it")
        # Only now: an error of another thread may refer to it once it is in the file.
        if defines and len(self.known) < _KNOWN:
            self.known.add(name)
        self.size += size
        self.position += size
        self.unsynced = True
        if sync:
            self.sync()

    def sync(self) -> None:
        """Have what was written survive a power cut."""
        if self.unsynced:
            self.unsynced = False
            try:
                os.fdatasync(self.fd)
                if not self.named:
                    self.folder.sync()
            except OSError:
                self.unsynced = True
                raise
            self.named = True

    def close(self) -> None:
        """Let go of it, so that others may finish it."""
        if self.is_still_open():
            os.close(self.fd)
