"""Makes room on a disk, of what was said to be of no worth."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_bytes, as_list, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.naming import on_host
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

OLDER_THAN = 86_400.0
"""Seconds; nothing younger is deleted."""
WANTED = 64 * 2**20
"""Bytes that must be free."""
TRIAL = 64 * 2**10
"""Bytes that it must be possible to write: of a quota `statvfs` knows nothing."""

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A file that may go: the oldest first."""

    modified: float
    root: str
    parts: Parts
    size: int


def _free(folder: int) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@dataclass(frozen=True)
class DiskFree(Strategy):
    """Deletes a file that was kept for this, then old files of the listed patterns below the listed folders.

    Never a symbolic link or what one leads to, never on another file system, never what has a second
    name: that frees nothing. Every folder is opened by its name within the one above, so that nobody
    can put a link in its place in between.
    """

    name: ClassVar[str] = "disk.free"
    option_names: ClassVar[tuple[str, ...]] = ("roots", "patterns", "older_than", "free", "reserve")
    destructive: ClassVar[bool] = True
    roots: Parts
    patterns: tuple[Parts, ...]
    older_than: float = OLDER_THAN
    wanted: int = WANTED
    reserve: str = ""
    free: Callable[[int], int] = _free

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Read the options.

        `roots`: absolute paths of folders. `patterns`: globs below them; `*` stays within a folder, `**`
        goes through all. `older_than`, seconds since a file was written to. `free`: bytes that must be
        free in the end. `reserve`: a file that is there to be deleted first.

        Raises:
            ConfigError: If this system opens no file by its name within a folder.
        """
        if os.open not in os.supports_dir_fd:
            raise ConfigError("needs a system that opens files by their names within a folder, which Windows does not")
        return cls(
            options.required("roots", _as_roots),
            options.required("patterns", _as_patterns),
            options.read("older_than", as_seconds, OLDER_THAN),
            options.read("free", as_bytes, WANTED),
            options.read("reserve", _as_path, ""),
        )

    @property
    def scope(self) -> str:
        """The folders, on this machine."""
        return on_host(f"disk:{','.join(self.roots)}")

    @property
    def intent(self) -> str:
        """Names what would go."""
        patterns = ", ".join("/".join(pattern) for pattern in self.patterns)
        return f"delete {patterns} older than {self.older_than:g} s below {', '.join(self.roots)}"

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Whether there is room."""
        return None if self._problem() else verdict("", f"{self.wanted} bytes are free already")

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Delete until there is room or nothing is left to go; verified by the disk itself, and by a trial."""
        gone: list[str] = []
        with contextlib.suppress(OSError):
            if self.reserve and _unlink(self.reserve, None, _is_plain):
                gone.append(self.reserve)
        candidates: Iterator[Candidate] = iter(())
        if self._problem():
            candidates = iter(sorted(found for root in self.roots for found in self._below(root, deadline)))
        while (problem := self._problem()) and deadline.remaining():
            candidate = next(candidates, None)
            if candidate is None:
                break
            with contextlib.suppress(OSError):  # somebody else was faster, or it is not ours to delete
                if self._remove(candidate):
                    gone.append("/".join((candidate.root, *candidate.parts)))
        named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        return verdict(problem and f"{problem}; deleted: {named or 'nothing'}", f"deleted: {named}")

    def _problem(self) -> str:
        for root in self.roots:
            try:
                with _opened(root, ()) as folder:
                    free = self.free(folder)
                if free < self.wanted:
                    return f"{free} of {self.wanted} bytes are free at {root}"
                with tempfile.TemporaryFile(dir=root) as file:
                    file.write(bytes(TRIAL))
            except OSError as error:
                return f"{root}: {error.strerror or error}"
        return ""

    def _below(self, root: str, deadline: Deadline) -> Iterator[Candidate]:
        with contextlib.suppress(OSError), _opened(root, ()) as top:  # what is wrong with a root is told by _problem
            device = os.stat(top).st_dev
            for folder, folders, names, descriptor in os.fwalk(".", dir_fd=top):
                above = tuple(folder.split("/")[1:])
                folders[:] = [name for name in folders if _is_folder(name, descriptor, device)]
                for name in names if deadline.remaining() else ():
                    with contextlib.suppress(OSError):
                        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        parts = (*above, name)
                        if self._may_go(found) and any(_fits(parts, pattern) for pattern in self.patterns):
                            yield Candidate(found.st_mtime, root, parts, found.st_size)

    def _may_go(self, found: os.stat_result) -> bool:
        return _is_plain(found) and found.st_mtime <= time.time() - self.older_than

    def _remove(self, candidate: Candidate) -> bool:
        *above, name = candidate.parts
        with _opened(candidate.root, above) as folder:
            return _unlink(name, folder, self._may_go)


def _unlink(name: str, folder: int | None, may_go: Callable[[os.stat_result], bool]) -> bool:
    if not may_go(os.stat(name, dir_fd=folder, follow_symlinks=False)):
        return False
    os.unlink(name, dir_fd=folder)
    return True


@contextlib.contextmanager
def _opened(root: str, below: Sequence[str]) -> Iterator[int]:
    """A descriptor of the folder *below* that is in *root*; no step of the way below is a link."""
    descriptor = os.open(root, _DIRECTORY)
    try:
        for name in below:
            above, descriptor = descriptor, os.open(name, _DIRECTORY, dir_fd=descriptor)
            os.close(above)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_plain(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _is_folder(name: str, folder: int, device: int) -> bool:
    with contextlib.suppress(OSError):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return stat.S_ISDIR(found.st_mode) and found.st_dev == device
    return False


def _fits(parts: Parts, pattern: Parts) -> bool:
    """Whether a path is meant; as in a shell, what begins with a dot only by a pattern that does.

    >>> [_fits(("a", "b.log"), tuple(pattern.split("/"))) for pattern in ("*.log", "a/*.log", "**/*.log")]
    [False, True, True]
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        through = next((index for index, name in enumerate(parts) if name.startswith(".")), len(parts))
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(through + 1))
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _as_roots(value: object) -> Parts:
    roots = tuple(_as_path(path) for path in as_list(value))
    if not all(roots) or not roots:
        raise ConfigError(f"expected folders with something of no worth in them, got {value!r}")
    return roots


def _as_path(value: object) -> str:
    path = as_text(value)
    if not os.path.isabs(path) or os.path.normpath(path) != path.rstrip("/"):
        raise ConfigError(f"expected an absolute path without `..`, got {path!r}")
    return path.rstrip("/")


def _as_patterns(value: object) -> tuple[Parts, ...]:
    patterns = tuple(tuple(as_text(glob).split("/")) for glob in as_list(value))
    for pattern in patterns:
        if not all(pattern) or not {".", ".."}.isdisjoint(pattern) or pattern[-1] == "**":
            raise ConfigError(f"expected globs below a root such as '*.tmp' or '**/*.log.*', got {'/'.join(pattern)!r}")
    if not patterns:
        raise ConfigError("expected at least one glob")
    return patterns
