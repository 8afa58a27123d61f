"""The journal of this process: writing to it, whatever happens to disks and descriptors."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llama_logging.journal.descriptors import Spare, a_few_more, are_exhausted
from llama_logging.journal.file import File
from llama_logging.journal.folders import RESERVE, Folder, create
from llama_logging.journal.framing import seal
from llama_logging.journal.pressure import PRESSURE, QUOTA
from llama_logging.journal.telling import Losses
from llama_logging.runtime import forks
from llama_logging.runtime.native import original
from llama_logging.runtime.state import user

SEGMENT_BYTES = 16 * 2**20
"""A journal goes on in a new file at this size."""
RESERVE_BYTES = 256 * 2**10
"""Space set aside for when the disk is full: some 600 errors."""
RETURN_AFTER = 1.0
"""Seconds for which a medium that failed is left alone."""
IDLE_AFTER = 10.0
"""Seconds without a frame after which the file that stood in for a failing one is let go of."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Journal:
    """Writes the frames of this process.

    No file is opened before the first write. Any thread may write, also in a signal handler or a
    forked child: no lock is waited for, and a child writes to a journal of its own.

    What the disk does not take (full, broken, read-only) goes, whole, to the next directory; before
    that, the space set aside for a full disk is given back. What nothing takes is counted in `lost`
    and told on standard error; the next frame that gets through says how many, as `lost_before`.

    Frames are numbered through all files of the process, those that are lost too: the last number
    less the number of frames is what was lost, provably.

    Args:
        directories: Where the journal may lie, in order of preference; the first usable one is taken.
        opening: Gives the JSON text of the first frame of every file.
        anew: Gives the directories once more, for a process that has changed its user.
        elsewhere: Called with the directory of a file that could not be made in the first one.

    Attributes:
        lost: How many frames nothing took.
        quota: Bytes that all journals of a directory may have together.
        pressure: Whether they are about to have more.
    """

    def __init__(
        self,
        directories: Sequence[str],
        opening: Callable[[], str],
        anew: Callable[[], Sequence[str]] | None = None,
        elsewhere: Callable[[str], object] = bool,
    ) -> None:
        self._folders = [Folder(directory) for directory in directories]
        self._user = user()
        self._opening, self._anew, self._elsewhere = opening, anew, elsewhere
        self.quota = QUOTA
        self.pressure = False
        self._begin()

    def _begin(self) -> None:
        self._pid = forks.pid
        self.lost = 0
        self._losses: list[int] = []
        self._told = Losses()
        self._numbers = itertools.count(1)
        self._unused: list[int] = []
        self._file: File | None = None
        # Where frames go while the first medium fails, and until when it is left alone.
        self._second: File | None = None
        self._detour = 0.0
        self._inherited: list[File] = []
        # Files of ours that may not be on the disk yet.
        self._left: list[tuple[Folder, str]] = []
        self._reserve: tuple[Folder, str] | None = None
        self._spare = Spare()
        # Re-entrant: a signal handler may log while this thread is opening the file.
        self._opening_lock: Any = original("_thread", "RLock")()

    def write(self, frame: str, name: str = "", definition: str = "", *, sync: bool = False) -> bool:
        """Append one frame, before it the definition it refers to if the file has none of that *name*.

        Args:
            frame: A JSON object in ASCII; it gets its sequence number, `n`.
            name: What the frame refers to.
            definition: The frame that defines *name*, a JSON object too.
            sync: Whether it must survive a power cut too, before this returns.

        Returns:
            True once the kernel has it all; otherwise it was counted in `lost`.

        Raises:
            RecursionError, MemoryError: Nothing was written or counted, and it may be tried again.
        """
        if self._pid != forks.pid:
            self._begin_as_child()
        number = next(self._numbers) if not self._unused else self._left_number()
        more = f',"n":{number}'
        lost = 0
        if self._losses:
            lost = self._take_losses()
            more += f',"lost_before":{lost}'
        try:
            file = self._file if not self._detour else self._way()
            if file is None or not file.is_ours():
                file = self._opened()
            file.append(seal(frame, more), name, definition, sync)
        except OSError as error:
            return self._persist(error, lambda file: file.append(seal(frame, more), name, definition, sync), lost)
        except (RecursionError, MemoryError):
            self._unused.append(number)
            if lost:
                self._losses.append(lost)
            raise
        if file.size > SEGMENT_BYTES:
            self._rotate(file)
        return True

    def tend(self) -> None:
        """What is to be done about once a second, off the callers' threads: sync, and set space aside."""
        if self._pid != os.getpid() or not self._opening_lock.acquire(blocking=False):
            return
        try:
            self._sync_left()
            for file in (self._file, self._second):
                if file is not None and file.is_still_open():
                    with contextlib.suppress(OSError):
                        file.sync()
            if self._file is not None and not self._detour:
                self._spare.hold(self._file.folder)
                self._set_aside(self._file)
            if self._file is not None:
                self._measure(self._file.folder)
            if self._second is not None and time.monotonic() > self._detour + IDLE_AFTER:
                second, self._second = self._second, None
                second.close()
        finally:
            self._opening_lock.release()

    def close(self) -> None:
        """Let go of the files, so that others may finish them; a later write opens new ones."""
        if self._pid != os.getpid():
            return
        self.give_back()
        self._spare.release()
        files = (self._file, self._second)
        self._file = self._second = None
        for file in files:
            if file is not None:
                file.close()
        for folder in self._folders:
            folder.leave()

    def give_back(self) -> bool:
        """Give back the space set aside; whether there was any."""
        reserve, self._reserve = self._reserve, None
        return reserve is not None and reserve[0].unlink(reserve[1])

    @property
    def path(self) -> str:
        """The file that is written to; empty before the first write."""
        file = self._file
        return file.path if file is not None and self._pid == os.getpid() else ""

    def _begin_as_child(self) -> None:
        """Begin anew after a fork. The parent's files stay open until there is one of our own."""
        inherited = [file for file in (self._file, self._second, *self._inherited) if file is not None]
        spare = self._spare
        self._begin()
        self._inherited, self._spare = inherited, spare

    def _opened(self) -> File:
        # Bounded: only a thread that died while opening a file could hold this for ever.
        if not self._opening_lock.acquire(timeout=5):
            raise OSError("another thread has been opening the journal for 5 seconds")
        try:
            before = self._file
            if before is not None and before.is_ours():
                return before
            # A child that may not open one beside its parent's, after setuid say, has the parent's:
            # that one will be found.
            inherited = self._inherited
            if not inherited:
                self._follow_user()
            opened = self._first_usable([inherited[0].folder] if inherited else self._folders)
            if self._file is not before and self._file is not None:
                opened.close()  # a signal handler was faster
                return self._file
            self._file = opened
            for file in inherited:
                file.close()
            self._inherited = []
            self._spare.hold(opened.folder)
            if opened.folder is not self._folders[0]:
                self._elsewhere(opened.folder.path)
            # This process may end before it is tended, as many did that have left their journals here.
            self._measure(opened.folder)
            return opened
        finally:
            self._opening_lock.release()

    def _first_usable(self, folders: Sequence[Folder]) -> File:
        reasons = []
        for folder in folders:
            try:
                return self._create(folder)
            except OSError as error:
                reasons.append(f"{folder.path}: {error.strerror or error}")
        raise OSError("; ".join(reasons))

    def _create(self, folder: Folder) -> File:
        first = seal(self._opening())
        try:
            fd, name = create(folder, first)
        except OSError as error:
            if not are_exhausted(error):
                raise
            self._spare.release()
            with a_few_more():
                fd, name = create(folder, first)
        return File(fd, folder, name, first)

    def _rotate(self, file: File) -> None:
        if not self._opening_lock.acquire(blocking=False):
            return
        try:
            self._replace(file, file.folder)
            self._measure(file.folder)
        except OSError:
            # The old file goes on; the next attempt comes after another segment's worth.
            file.size = 0
        finally:
            self._opening_lock.release()

    def _replace(self, file: File, folder: Folder) -> None:
        """Go on in a new file under the same descriptor number, so that no thread writes to a closed one."""
        if (file is not self._file and file is not self._second) or not file.is_still_open():
            return
        fresh = self._create(folder)
        number, fresh.fd = fresh.fd, file.fd
        os.dup2(number, file.fd, inheritable=False)
        os.close(number)
        if file.unsynced:
            self._left.append((file.folder, file.name))
        if file is self._second:
            self._second = fresh
            return
        if self._reserve is not None:
            with contextlib.suppress(OSError):
                folder.rename(self._reserve[1], fresh.name + RESERVE)
                self._reserve = (folder, fresh.name + RESERVE)
        self._file = fresh

    def _way(self) -> File | None:
        """The file to be tried first while the first medium fails."""
        if self._second is not None and time.monotonic() < self._detour:
            return self._second
        self._detour = 0.0
        return self._file

    def _persist(self, error: OSError, attempt: Callable[[File], None], lost: int) -> bool:
        """Make *attempt* wherever else a frame may go; False if it failed everywhere."""
        for file in self._others(error):
            try:
                attempt(file)
                return True
            except OSError as another:
                error = another
        return self._lose(error, lost)

    def _others(self, error: OSError) -> Iterator[File]:
        first = self._file
        if first is not None:
            if error.errno in _FULL and self.give_back():
                yield first
            if error.errno == errno.EFBIG:
                self._rotate(first)
                yield self._file or first
            if self._detour:
                self._detour = 0.0
                yield first
            yield from self._seconds(first)
        elif self._inherited:
            yield from [file for file in self._inherited if file.is_still_open()]
            self._inherited = []
            with contextlib.suppress(OSError):
                yield self._opened()

    def _seconds(self, first: File) -> Iterator[File]:
        """Files in the directories after the first one's, for what it does not take."""
        if not self._opening_lock.acquire(timeout=5):
            return
        try:
            self._follow_user()
            for folder in self._folders[self._place(first) + 1 :]:
                second = self._second
                if second is None or not second.is_ours():
                    with contextlib.suppress(OSError):
                        self._second = self._create(folder)
                elif self._place(second) < self._folders.index(folder):
                    # It failed as well.
                    with contextlib.suppress(OSError):
                        self._replace(second, folder)
                if self._second is not None and self._second.folder is folder:
                    self._detour = time.monotonic() + RETURN_AFTER
                    yield self._second
        finally:
            self._opening_lock.release()

    def _follow_user(self) -> None:
        if self._anew is not None and self._user != user():
            self._user, self._folders = user(), [Folder(directory) for directory in self._anew()]

    def _place(self, file: File) -> int:
        """Of its folder among the folders; before all of them that of a user which the process was."""
        return self._folders.index(file.folder) if file.folder in self._folders else -1

    def _measure(self, folder: Folder) -> None:
        with contextlib.suppress(OSError):
            self.pressure = folder.size() > self.quota * PRESSURE

    def _left_number(self) -> int:
        """One that was not used for want of room; another thread may have taken it first."""
        with contextlib.suppress(IndexError):
            return self._unused.pop()
        return next(self._numbers)

    def _take_losses(self) -> int:
        lost = 0
        # Another thread may take them at the same time: each is taken once.
        with contextlib.suppress(IndexError):
            while True:
                lost += self._losses.pop()
        return lost

    def _lose(self, error: OSError, lost: int) -> bool:
        self.lost += 1
        self._losses.append(lost + 1)
        self._told.add(str(error))
        return False

    def _sync_left(self) -> None:
        while self._left:
            folder, name = self._left.pop()
            # It may be in the store by now, and gone.
            with contextlib.suppress(OSError):
                fd = folder.open(name, os.O_RDONLY)
                try:
                    os.fdatasync(fd)
                finally:
                    os.close(fd)

    def _set_aside(self, file: File) -> None:
        """Have RESERVE_BYTES of real space beside *file*, if there is plenty."""
        if self._reserve is not None or not hasattr(os, "posix_fallocate"):
            return
        with contextlib.suppress(OSError):
            room = os.fstatvfs(file.fd)
            if room.f_bavail * room.f_frsize < 8 * RESERVE_BYTES:
                return
            name = file.name + RESERVE
            fd = file.folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            self._reserve = (file.folder, name)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)
