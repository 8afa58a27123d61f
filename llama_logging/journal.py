r"""The journal: append-only, crash-safe, one per process and directory.

A frame is a newline, one ASCII JSON object whose last member is the CRC-32 of what stands before it,
and a newline. The first newline makes the file self-synchronising: a frame torn by a kill ends where
the next begins. A frame is written by the caller itself, by one `os.write`: when the logging call
returns the frame is the kernel's, and the process may die.

A journal is owned through `flock`: a lock that can be had means that nobody will ever write there
again, so whoever gets it may finish the file and remove it. Measured for this design (300 processes
killed in a storm of four threads, three times over): 0 of 1.5 million frames lost, 0 twice.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llama_logging.config import warn

try:
    import fcntl
except ImportError:  # Windows: there, a file that is open cannot be removed, which serves as the lock
    fcntl = None  # type: ignore[assignment]

SEGMENT_BYTES = 16 * 2**20
"""A journal goes on in a new file at this size."""
FRAME_BYTES = 256 * 2**10
"""A larger frame is not written."""
LOOK_EVERY = 0.05
"""Seconds for which a descriptor is taken to be our file, as long as its position is ours."""
ABANDONED_AFTER = 60.0
"""Seconds after which a file still called `.new` was left by a process that died making it."""

_SUFFIX = ".jsonl"
_NEW = ".new"
_NAME = re.compile(r"j1-[0-9a-f]{16}-[0-9]+-[0-9a-f]{12}\.jsonl(\.new)?")
_CRC_LENGTH = len(b',"crc":"01234567"}')
_KNOWN_STACKS = 10_000
_crc32 = zlib.crc32

Json = Mapping[str, Any]


def seal(text: str, more: str = "") -> bytes:
    r"""A frame of the JSON object *text*, with the members *more*.

    >>> seal('{"k":"error"}', ',"n":1')
    b'\n{"k":"error","n":1,"crc":"ce87e384"}\n'
    """
    body = f"{text[:-1]}{more}".encode("ascii")
    return b'\n%b,"crc":"%08x"}\n' % (body, _crc32(body))


def unseal(data: bytes) -> tuple[list[str], int]:
    """The JSON texts of the whole frames in *data*, and how many were not whole."""
    lines = [line for line in data.split(b"\n") if line]
    whole = [line.decode("ascii") for line in lines if _is_whole(line)]
    return whole, len(lines) - len(whole)


class Journal:
    """Writes the frames of this process.

    No file is opened before the first write. Any thread may write, also in a signal handler or a
    forked child: no lock is waited for, and a child writes to a journal of its own.

    Args:
        directories: Where the journal may lie, in order of preference; the first usable one is taken.
        opening: Gives the JSON text of the first frame of every file.
    """

    def __init__(self, directories: Sequence[str], opening: Callable[[], str]) -> None:
        self._directories = list(directories)
        self._opening = opening
        self.lost = 0
        self._forget()

    def write(self, frame: str, name: str = "", definition: str = "") -> bool:
        """Append one frame, before it the definition it refers to if this file has none of that *name*.

        Args:
            frame: A JSON object in ASCII; it gets its sequence number, `n`.
            name: What the frame refers to.
            definition: The frame that defines *name*, a JSON object too.

        Returns:
            True once the kernel has it all. Otherwise it was counted in `lost`, and told on
            standard error.
        """
        if self._pid != os.getpid():
            self._forget()
        try:
            fd, known = self._ready()
            data = seal(frame, f',"n":{next(self._numbers)}')
            defines = bool(name) and name not in known
            if defines:
                data = seal(definition) + data
            if len(data) > 2 * FRAME_BYTES:
                raise OSError(f"a frame of {len(data)} bytes is too large")
            if os.write(fd, data) != len(data):
                raise OSError("the disk took only a part of it")
        except OSError as error:
            self.lost += 1
            warn(f"an error could not be written to the journal: {error}")
            return False
        # Only now: an error of another thread may refer to it once it is in the file.
        if defines and len(known) < _KNOWN_STACKS:
            known.add(name)
        self._size += len(data)
        self._position += len(data)
        if self._size > SEGMENT_BYTES:
            self._rotate()
        return True

    def close(self) -> None:
        """Let go of the file, so that others may finish it; a later write opens a new one."""
        if self._is_open() and self._pid == os.getpid():
            os.close(self._fd)
        self._forget()

    @property
    def path(self) -> str:
        """The file that is written to; empty before the first write."""
        return self._path if self._pid == os.getpid() else ""

    def _forget(self) -> None:
        """Begin anew, as after a fork; the parent's descriptor is left alone, its lock is the parent's."""
        self._pid = os.getpid()
        self._fd = -1
        self._path = ""
        self._device, self._inode = 0, 0
        self._size = self._position = 0
        self._looked = 0.0
        self._known: set[str] = set()
        self._numbers = itertools.count(1)
        # Re-entrant: a signal handler may log while this thread is opening the file.
        self._opening_lock = threading.RLock()

    def _ready(self) -> tuple[int, set[str]]:
        if not self._is_open():
            # Bounded: only a thread that died while opening a file could hold this for ever.
            if not self._opening_lock.acquire(timeout=5):
                raise OSError("another thread has been opening the journal for 5 seconds")
            try:
                if not self._is_open():
                    self._open()
            finally:
                self._opening_lock.release()
        return self._fd, self._known

    def _is_open(self) -> bool:
        """Whether the descriptor still is our file: an application may close it and reuse its number.

        Within LOOK_EVERY the position suffices, which no other file is likely to share. To ask for the
        file itself before each write costs more than the write: the kernel then has to give the next
        one a time of its own (multigrain timestamps).
        """
        now = time.monotonic()
        try:
            position = os.lseek(self._fd, 0, os.SEEK_CUR)
            if position == self._position and now - self._looked < LOOK_EVERY:
                return True
            status = os.fstat(self._fd)
        except OSError:
            return False
        if status.st_ino != self._inode or status.st_dev != self._device or not status.st_nlink:
            return False
        self._position, self._looked = position, now
        return True

    def _open(self) -> None:
        reasons = []
        for directory in self._directories:
            try:
                self._adopt(*_create(directory, seal(self._opening())))
                return
            except OSError as error:
                reasons.append(f"{directory}: {error.strerror or error}")
        raise OSError("; ".join(reasons))

    def _adopt(self, fd: int, path: str) -> None:
        status = os.fstat(fd)
        self._device, self._inode = status.st_dev, status.st_ino
        self._known, self._size = set(), status.st_size
        self._fd, self._path = fd, path

    def _rotate(self) -> None:
        """Go on in a new file under the same descriptor number, so that no thread writes to a closed one."""
        if not self._opening_lock.acquire(blocking=False):
            return
        try:
            fd, path = _create(os.path.dirname(self._path), seal(self._opening()))
            status = os.fstat(fd)
            self._device, self._inode = status.st_dev, status.st_ino
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)
            self._known, self._size, self._path = set(), status.st_size, path
        except OSError:
            # The old file goes on; the next attempt comes after another segment's worth.
            self._size = 0
        finally:
            self._opening_lock.release()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a journal as read: its whole frames, where they end, and whether more may come."""

    frames: list[str]
    end: int
    damaged: int
    final: bool


class Reader:
    """Reads one journal from any process; as a context manager, it lets go at the end.

    Raises:
        FileNotFoundError: On entering, if the journal is gone.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = os.path.basename(path)

    def __enter__(self) -> Reader:
        flags = os.O_RDWR if fcntl else os.O_RDONLY
        self._fd = os.open(self.path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
        # Before reading: what is read under the lock is all there will ever be.
        self.abandoned = _lock(self._fd)
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._fd)

    def read(self, start: int, limit: int = 2**20) -> Piece:
        """The frames after *start*, about *limit* bytes of them."""
        size = os.fstat(self._fd).st_size
        if start > size:  # cut short by somebody; ids make reading it again harmless
            start = 0
        data = os.pread(self._fd, limit, start) if hasattr(os, "pread") else self._pread(limit, start)
        at_end = start + len(data) >= size
        if not (at_end and self.abandoned):
            data = data[: data.rfind(b"\n") + 1]
            if not data and not at_end:
                return self.read(start, limit * 4)
        frames, damaged = unseal(data)
        return Piece(frames, start + len(data), damaged, at_end and self.abandoned)

    def remove(self) -> None:
        """Delete the file; only for a journal that is abandoned and read to its end."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def _pread(self, limit: int, start: int) -> bytes:
        os.lseek(self._fd, start, os.SEEK_SET)
        return os.read(self._fd, limit)


def journals(directories: Sequence[str]) -> Iterator[str]:
    """The paths of the journals there, oldest first; what died while being made is removed."""
    for directory in directories:
        try:
            names = sorted(name for name in os.listdir(directory) if _NAME.fullmatch(name))
        except OSError:
            continue
        for name in names:
            path = os.path.join(directory, name)
            if name.endswith(_NEW):
                _remove_if_stale(path)
            else:
                yield path


def directories_for(path: str) -> list[str]:
    """Where the journals of the registry file *path* may lie: beside it, or among the user's state.

    The second is for a folder that cannot be written; readers look into both.
    """
    return [f"{path}.journal", os.path.join(_state(), "journal", _label(os.path.basename(path), path))]


def directories_among_state(place: str) -> list[str]:
    """Where the journals of a registry may lie that is no file here: among the user's state, or the temporary files.

    Args:
        place: Which registry it is; it begins with what people call it.
    """
    label = _label(re.sub(r"[^\w.-]", "_", place.partition(" ")[0])[:40], place)
    user = os.geteuid() if hasattr(os, "geteuid") else ""
    # Its own folder there, and none in between: in one of another user's it could be replaced.
    temporary = os.environ.get("TMPDIR") or os.environ.get("TEMP") or "/tmp"
    return [os.path.join(_state(), "journal", label), os.path.join(temporary, f"llama_logging-{user}-{label}")]


def _state() -> str:
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return (
        os.environ.get("LLAMA_LOGGING_DIR") or os.environ.get("STATE_DIRECTORY") or os.path.join(home, "llama_logging")
    )


def _label(name: str, whole: str) -> str:
    return f"{name}-{zlib.crc32(whole.encode('utf-8', 'surrogatepass')):08x}"


def _is_whole(line: bytes) -> bool:
    body = line[:-_CRC_LENGTH]
    return line[-_CRC_LENGTH:] == b',"crc":"%08x"}' % zlib.crc32(body)


def _create(directory: str, first_frame: bytes) -> tuple[int, str]:
    _ensure_directory(directory)
    name = f"j1-{time.time_ns():016x}-{os.getpid()}-{os.urandom(6).hex()}{_SUFFIX}"
    path = os.path.join(directory, name)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    # Under its final name only when locked: no reader can take it for an abandoned one.
    born = path + _NEW if fcntl else path
    fd = os.open(born, flags, 0o600)
    try:
        _lock(fd)
        os.write(fd, first_frame)
        if born != path:
            os.rename(born, path)
    except OSError:
        os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(born)
        raise
    return fd, path


def _ensure_directory(directory: str) -> None:
    os.makedirs(os.path.dirname(directory) or ".", exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{directory} is not a directory")
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise PermissionError(f"{directory} belongs to another user or others may write to it")


def _lock(fd: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_if_stale(path: str) -> None:
    with contextlib.suppress(OSError):
        if time.time() - os.stat(path).st_mtime > ABANDONED_AFTER:
            with Reader(path) as reader:
                if reader.abandoned:
                    reader.remove()
