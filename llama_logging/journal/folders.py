"""Folders of journals, and which of them are to be trusted.

A folder of journals is ours alone: made with mode 0700, never reached through a link, refused if it
belongs to somebody else or others may write to it. It is held open, so that nothing that happens to
the path later (chdir, chroot, a link put in its place) matters.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING

from llama_logging.patterns import regex
from llama_logging.runtime import state

if TYPE_CHECKING:
    import re

try:
    import fcntl
except ImportError:  # Windows: there, a file that is open cannot be removed, which serves as the lock
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None

NEW = ".new"
"""A journal that is being made."""
RESERVE = ".reserve"
"""Space set aside for a full disk, beside the journal it is for."""

NAME = regex(r"j1-[0-9a-f]{16}-[0-9]+-[0-9a-f]{12}\.jsonl(\.new|\.reserve)?")
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_HAS_DESCRIPTORS = os.open in os.supports_dir_fd


Identity = tuple[int, int]
"""Device and inode: what tells one file from another, whatever its name and descriptor are."""


def identity(status: os.stat_result) -> Identity:
    """Of the file that *status* is of."""
    return status.st_dev, status.st_ino


class Folder:
    """One folder of journals.

    Args:
        path: Where it is; absolute.
        reading: Whether only to read there. Root may read what others own, but not in a place where
            anybody could have put it.
    """

    def __init__(self, path: str, *, reading: bool = False) -> None:
        self.path = path
        self._reading = reading
        self._fd: int | None = None
        self._identity: Identity

    def enter(self) -> None:
        """Hold the folder open; it is made where it is missing, unless only to be read.

        Raises:
            OSError: If it cannot be, or is not to be trusted.
        """
        if self._is_held():
            return
        if not self._reading:
            state.make_folder(self.path, 0o700)
        if not _HAS_DESCRIPTORS:
            self._check(os.lstat(self.path))
            return
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
        try:
            status = os.fstat(fd)
            self._check(status)
        except OSError:
            os.close(fd)
            raise
        self._fd, self._identity = fd, identity(status)

    def leave(self) -> None:
        """Let go of the folder."""
        fd, self._fd = self._fd, None
        if fd is not None and is_file(fd, self._identity):
            os.close(fd)

    def names(self, form: re.Pattern[str] = NAME) -> list[str]:
        """The names of journals and what belongs to them, oldest first, or of what else has the *form*."""
        found = os.listdir(self.path if self._fd is None else self._fd)
        return sorted(name for name in found if form.fullmatch(name))

    def open(self, name: str, flags: int) -> int:
        """A descriptor of the file *name*, which is no link."""
        return os.open(self._at(name), flags | _FLAGS, 0o600, dir_fd=self._fd)

    def rename(self, name: str, other: str) -> None:
        """Give a file another name, in place of any that has it."""
        os.replace(self._at(name), self._at(other), src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: str) -> bool:
        """Delete a file; whether it was there."""
        try:
            os.unlink(self._at(name), dir_fd=self._fd)
        except OSError:
            return False
        return True

    def status(self, name: str) -> os.stat_result:
        """Of the file *name*."""
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)

    def sync(self) -> None:
        """Have the names of the files survive a power cut."""
        if self._fd is not None:
            os.fsync(self._fd)

    def size(self) -> int:
        """How much space the journals take, in bytes; holes in them take none."""
        total = 0
        for name in self.names():
            with contextlib.suppress(OSError):
                total += self.status(name).st_blocks * 512
        return total

    def lock(self, *, alone: bool) -> bool:
        """Keep others from rewriting journals here, until `unlock`; with *alone* from reading them, too.

        Returns:
            Whether nobody else prevents it.
        """
        if fcntl is None or self._fd is None:
            return not alone
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return not alone  # a file system without locks: nobody rewrites there
        return True

    def unlock(self) -> None:
        """End what `lock` began."""
        if fcntl is not None and self._fd is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def duplicate(self) -> int | None:
        """Another descriptor of the folder."""
        return None if self._fd is None else os.dup(self._fd)

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name) if self._fd is None else name

    def _is_held(self) -> bool:
        if self._fd is None:
            return False
        if is_file(self._fd, self._identity):
            try:
                now = os.lstat(self.path)
            except OSError:
                return True  # chroot, or a folder above it was renamed: the descriptor still leads there
            if identity(now) == self._identity:
                return True
        self.leave()  # replaced, or its number is another's
        return False

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(f"{self.path} is not a directory")
        if not hasattr(os, "geteuid"):
            return
        own = status.st_uid == os.geteuid() or (self._reading and os.geteuid() == 0 and not self._is_shared())
        if not own or status.st_mode & 0o022:
            raise PermissionError(f"{self.path} belongs to another user or others may write to it")

    def _is_shared(self) -> bool:
        return bool(os.stat(os.path.dirname(self.path)).st_mode & 0o002)


def is_file(fd: int, expected: Identity) -> bool:
    """Whether *fd* still is that file, and the file still has a name: numbers are closed and given out again."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return is_same(status, expected)


def is_same(status: os.stat_result, expected: Identity) -> bool:
    """Whether *status* is of that file, and the file still has a name."""
    return identity(status) == expected and status.st_nlink > 0


def new_name() -> str:
    """A name for a journal: later ones sort after earlier ones."""
    return f"j1-{time.time_ns():016x}-{os.getpid()}-{os.urandom(6).hex()}.jsonl"


def lock(fd: int) -> bool:
    """Own the file, if nobody else does and the file system has locks."""
    try:
        return _lock_or_fail(fd)
    except BlockingIOError:
        return False


def _lock_or_fail(fd: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def create(folder: Folder, first_frame: bytes) -> tuple[int, str]:
    """A new journal of ours that begins with *first_frame*: its descriptor and name."""
    folder.enter()
    name = new_name()
    # Under its final name only when locked: no reader can take it for an abandoned one.
    born = name + NEW if HAS_LOCKS else name
    fd = folder.open(born, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
    try:
        # One who takes it for left behind, because the clock was set, may have been faster.
        _lock_or_fail(fd)
        if os.write(fd, first_frame) != len(first_frame):
            raise OSError("the disk took only a part of it")
        if born != name:
            folder.rename(born, name)
    except OSError:
        os.close(fd)
        folder.unlink(born)
        raise
    return fd, name
