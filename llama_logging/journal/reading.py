"""Journals of any process, living or dead."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence

from llama_logging.frozen import Frozen
from llama_logging.journal.folders import HAS_LOCKS, NEW, RESERVE, Folder, lock
from llama_logging.journal.framing import FRAME_BYTES, number_of, unseal

ABANDONED_AFTER = 60.0
"""Seconds after which a file still called `.new` was left by a process that died making it."""

_MOSTLY = 2**13
"""Bytes within which nearly all frames lie."""


class Piece(Frozen, kw_only=False):
    """A part of a journal as read: its whole frames, where they end, and whether more may come."""

    frames: list[str]
    end: int
    damaged: int
    final: bool


class Reader:
    """Reads one journal from any process; as a context manager, it lets go at the end.

    Raises:
        OSError: On entering, if the journal is gone, or its folder is not to be trusted.
    """

    def __init__(self, path: str) -> None:
        self.path, self.name = path, os.path.basename(path)
        self._folder = Folder(os.path.dirname(path), reading=True)

    def __enter__(self) -> Reader:
        self._folder.enter()
        try:
            self._fd = self._folder.open(self.name, os.O_RDWR if HAS_LOCKS else os.O_RDONLY)
        except OSError:
            self._folder.leave()
            raise
        # Before reading: what is read under the lock is all there will ever be.
        self.abandoned = stat.S_ISREG(os.fstat(self._fd).st_mode) and lock(self._fd)
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._fd)
        self._folder.leave()

    @contextlib.contextmanager
    def undisturbed(self, *, alone: bool = False) -> Iterator[bool]:
        """Whether, within the block, the journal is what its name stands for: nobody rewrites it.

        Args:
            alone: Whether nobody is to read any journal of the folder, either.
        """
        locked = self._folder.lock(alone=alone)
        try:
            yield locked and os.fstat(self._fd).st_nlink > 0
        finally:
            if locked:
                self._folder.unlock()

    def replace(self, start: int, frames: Sequence[bytes]) -> None:
        """Put a file in place of this one that holds *frames* from *start* on, and before that a hole.

        Its name stays, and so do positions in what is before *start*: whoever has read that far reads on
        there. At whatever moment the process dies, the name stands for one of the two.
        """
        new = self.name + NEW
        self._folder.unlink(new)
        fd = self._folder.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            lock(fd)
            os.lseek(fd, start, os.SEEK_SET)
            data = b"".join(frames)
            while data:
                data = data[os.write(fd, data) :]
            os.fsync(fd)
            self._folder.rename(new, self.name)
        except OSError:
            self._folder.unlink(new)
            raise
        finally:
            os.close(fd)
        self._folder.sync()

    def size(self) -> int:
        """How long the file is now, in bytes."""
        return os.fstat(self._fd).st_size

    def read(self, start: int, limit: int = 2**20) -> Piece:
        """The frames after *start*, about *limit* bytes of them."""
        size = self.size()
        data = self._bytes(limit, start)
        at_end = start + len(data) >= size
        if not (at_end and self.abandoned):
            lines = data[: data.rfind(b"\n") + 1]
            if not lines and not at_end and limit <= 2 * FRAME_BYTES:
                return self.read(start, limit * 4)
            # Where that many bytes are no line there is no frame, but a hole or garbage, which may have any size.
            if lines or at_end:
                data = lines
        frames, damaged = unseal(data)
        return Piece(frames, start + len(data), damaged, at_end and self.abandoned)

    def unread(self, end: int, latest: int | None) -> int:
        """Where that begins which is not known to who has read up to *end*, and frames up to number *latest*.

        That is not at *end* if the file was cut short since, and may have grown again. Where the numbers are not known
        (None) it is then all that is left.
        """
        if latest is None:
            return end if end <= self.size() else 0
        return end if self._is_as_read(end, latest) else self._first_after(latest, end)

    def _is_as_read(self, end: int, latest: int) -> bool:
        """Whether what stands before *end* may have been read: its process numbers on."""
        for most in (_MOSTLY, 2 * FRAME_BYTES):
            begin = max(0, end - most)
            data = self._bytes(end - begin, begin)
            line = data[data.rfind(b"\n", 0, -1) + 1 :]
            if len(line) < len(data):
                break
        frames, damaged = unseal(line)
        return end <= self.size() and not damaged and all((number_of(frame) or 0) <= latest for frame in frames)

    def _first_after(self, latest: int, end: int) -> int:
        """Where the first frame before *end* begins that has a higher number than *latest*, or what it refers to.

        Where the file ends, if there is none.
        """
        start, end = 0, min(end, self.size())
        defined: int | None = None  # where those without a number begin that stand before the next
        while start < end and (piece := self.read(start)).end > start:
            data, place = self._bytes(piece.end - start, start), 0
            for frame in piece.frames:
                place = data.index(frame.encode(), place)
                number = number_of(frame)
                if number is not None and number > latest:
                    return min(end, start + place if defined is None else defined)
                defined = None if number is not None else start + place if defined is None else defined
            start = piece.end
        return end

    def remove(self) -> None:
        """Delete the file; only for a journal that is abandoned and read to its end."""
        self._folder.unlink(self.name + RESERVE)
        self._folder.unlink(self.name)

    def _bytes(self, limit: int, start: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, limit, start)
        os.lseek(self._fd, start, os.SEEK_SET)
        return os.read(self._fd, limit)


def journals(directories: Sequence[str]) -> Iterator[str]:
    """The paths of the journals there, oldest first; what died while being made is removed."""
    for directory in directories:
        folder = Folder(directory, reading=True)
        try:
            folder.enter()
            names = folder.names()
        except OSError:
            continue
        try:
            known = set(names)
            for name in names:
                if name.endswith(NEW) or (name.endswith(RESERVE) and name.removesuffix(RESERVE) not in known):
                    _remove_if_stale(folder, name)
        finally:
            folder.leave()
        yield from (os.path.join(directory, name) for name in names if not name.endswith((NEW, RESERVE)))


def _remove_if_stale(folder: Folder, name: str) -> None:
    with contextlib.suppress(OSError):
        if time.time() - folder.status(name).st_mtime > ABANDONED_AFTER:
            with Reader(os.path.join(folder.path, name)) as reader:
                if reader.abandoned:
                    reader.remove()
