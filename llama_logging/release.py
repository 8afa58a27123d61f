"""Which release of the application runs: from the environment's conventions, else from git.

No command is run and nothing is imported for it; a repository is a few small files.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping

from llama_logging.patterns import regex

_COMMIT = regex(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LEVELS = 20
_MOST = 2**20


def release_of(env: Mapping[str, str], resource: Mapping[str, str], folder: str) -> str:
    """The release that runs; empty where nothing tells.

    Args:
        env: The environment: SENTRY_RELEASE counts first.
        resource: OpenTelemetry's resource attributes: `service.version` comes next.
        folder: Where a git repository is looked for, upwards; its commit is the last resort, in
            twelve hex digits.
    """
    return env.get("SENTRY_RELEASE") or resource.get("service.version") or commit_in(folder)[:12]


def commit_in(folder: str) -> str:
    """The commit that is checked out in *folder* or a folder above; empty if it is in no repository."""
    for _ in range(_LEVELS):
        repository = os.path.join(folder, ".git")
        if os.path.exists(repository):
            return _commit(repository)
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    return ""


def _commit(repository: str) -> str:
    # A worktree or submodule has a file there that names the place (gitrepository-layout).
    if os.path.isfile(repository):
        link = _read(repository).partition("gitdir:")[2].strip()
        repository = os.path.join(os.path.dirname(repository), link)
    head = _read(os.path.join(repository, "HEAD")).strip()
    name = head.removeprefix("ref:").strip()
    if name == head:
        return head if _COMMIT.fullmatch(head) else ""
    common = os.path.join(repository, _read(os.path.join(repository, "commondir")).strip())
    for place in (repository, common):
        found = _read(os.path.join(place, name)).strip()
        if _COMMIT.fullmatch(found):
            return found
    packed = re.search(rf"^([0-9a-f]+) {re.escape(name)}$", _read(os.path.join(common, "packed-refs")), re.MULTILINE)
    return packed[1] if packed else ""


def _read(path: str) -> str:
    # Bytes: a text file would look its codec up, and a `__del__` that logs in the midst of that breaks it.
    with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
        return (file.read(_MOST) or b"").decode("latin-1")
    return ""
