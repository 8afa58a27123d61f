"""What was learned, kept over the end of the process.

Processes of one role, such as the workers of a server, each see another part of what is logged, and come
and go. So each owns one file, by a lock that the system drops when it dies, however it dies; the next
process of the role adopts the first file that nobody owns, and with it what its predecessor had
learned. A process that finds none free begins with a copy of the newest, and has trust to earn. One
writer for all, with the others reading, would throw away what they see, and to add up what several
have learned would make one error that all of them log as many.

The file is JSON, which runs no code when it is read, replaced whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llama_logging.journal.folders import HAS_LOCKS, Folder, Identity, identity, is_file, lock
from llama_logging.patterns import regex

MOST = 64
"""Processes of one role that keep what they learn."""
_MOST_BYTES = 2**26
FEW = 256
"""So many files of a folder stay, however old they are."""
STAYS = 7 * 86_400.0
"""Seconds for which the others do: jobs whose names have a date in them would each leave one behind for ever."""
_LOCK = regex(r".+-[0-9]+\.lock")


@dataclass(frozen=True, slots=True)
class Learned:
    """What was kept.

    Attributes:
        content: As `keep` was given it; None if there is nothing.
        inherited: Whether it is a copy of what another process goes on with.
        problem: Why it cannot be read; empty if it can, or if there is nothing.
    """

    content: dict[str, Any] | None = None
    inherited: bool = False
    problem: str = ""


class Memory:
    """The file of this process.

    Args:
        folder: Made where it is missing; it must be ours alone.
        role: What this process is.
    """

    def __init__(self, folder: str, role: str) -> None:
        self._folder = Folder(folder)
        self._role = re.sub(r"[^\w.-]+", "_", role)[:60] or "python"
        self._lock: int | None = None
        self._identity: Identity = (0, 0)
        self.name = self._role
        """The role, and which of several of the same it is."""
        _held.add(self)

    def adopt(self) -> Learned:
        """Own a file that nobody owns, and read what is in it.

        Raises:
            OSError: If the folder cannot be used, or has no locks.
        """
        if not HAS_LOCKS:
            raise OSError("this system has no locks to own a file by")
        self._folder.enter()
        for number in range(MOST):
            name = f"{self._role}-{number}"
            fd = self._folder.open(f"{name}.lock", os.O_RDWR | os.O_CREAT)
            if lock(fd):
                self._lock, self._identity, self.name = fd, identity(os.fstat(fd)), name
                self._sweep()
                return self._read(name) or self._of_another()
            os.close(fd)
        raise OSError(f"{MOST} processes keep what they learn already, or {self._folder.path} takes no locks")

    def keep(self, content: dict[str, Any]) -> None:
        """Replace what is kept.

        Raises:
            OSError: If it cannot be written; what was there before stays.
        """
        if self._lock is None or not is_file(self._lock, self._identity):
            self._lock = None  # closed with all others, as daemons do it, or the folder was swept
            self.adopt()
        data = json.dumps(content, separators=(",", ":")).encode()
        fd = self._folder.open(f"{self.name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(fd)  # before the name: after a power cut it must not be that of an empty file
        finally:
            os.close(fd)
        self._folder.rename(f"{self.name}.new", f"{self.name}.json")

    def release(self) -> None:
        """Let another process adopt the file."""
        held, self._lock = self._lock, None
        if held is not None and is_file(held, self._identity):
            os.close(held)
        self._folder.leave()

    def _read(self, name: str) -> Learned | None:
        try:
            with open(self._folder.open(f"{name}.json", os.O_RDONLY), "rb") as file:
                data = file.read(_MOST_BYTES)
        except FileNotFoundError:
            return None
        try:
            content = json.loads(data)
        except ValueError as error:
            return Learned(problem=f"it is damaged: {error}")
        return Learned(content) if isinstance(content, dict) else Learned(problem="it is damaged: no JSON object")

    def _sweep(self) -> None:
        """Delete what nobody has owned for long, where there is much."""
        names = [name.removesuffix(".lock") for name in self._folder.names(_LOCK)]
        if len(names) <= FEW:
            return
        times = {name: max(self._changed(f"{name}.json"), self._changed(f"{name}.lock")) for name in names}
        for name in sorted(names, key=times.__getitem__)[:-FEW]:
            if times[name] < time.time() - STAYS:
                with contextlib.suppress(OSError):
                    self._delete(name)

    def _delete(self, name: str) -> None:
        fd = self._folder.open(f"{name}.lock", os.O_RDWR)
        try:
            if lock(fd):
                # The lock last: who opens it meanwhile finds that it has no name any more before he keeps anything.
                for ending in (".new", ".json", ".lock"):
                    self._folder.unlink(f"{name}{ending}")
        finally:
            os.close(fd)

    def _changed(self, name: str) -> float:
        try:
            return self._folder.status(name).st_mtime
        except OSError:
            return 0.0

    def _of_another(self) -> Learned:
        for name in self._others():
            found = self._read(name)
            if found is not None and found.content is not None:
                return Learned(found.content, inherited=True)
        return Learned()

    def _others(self) -> Iterator[str]:
        """Names of the files of this role, the newest first."""
        times = {name: self._changed(f"{name}.json") for name in (f"{self._role}-{number}" for number in range(MOST))}
        yield from sorted((name for name in times if times[name]), key=lambda name: -times[name])


_held: weakref.WeakSet[Memory] = weakref.WeakSet()


def _let_go() -> None:
    # The lock is the parent's; while its child had the file open, too, it would outlive the parent.
    for memory in list(_held):
        memory.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
