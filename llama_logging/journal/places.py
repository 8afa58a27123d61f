"""Where the journals of a registry lie."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Sequence

from llama_logging.journal.folders import NAME
from llama_logging.runtime import state

_SHARED_MEMORY = "/dev/shm"


def directories_for(path: str) -> list[str]:
    """Where the journals of the registry file *path* may lie, in order of preference; readers look into all.

    Beside it; else where those of a registry do that is no file.
    """
    return [f"{path}.journal", *directories_elsewhere(os.path.basename(path), path)]


def directories_of_others(directories: Sequence[str]) -> list[str]:
    """Where in memory other users have journals of the registry that has its own in *directories*; only root sees it.

    They are to be told of and not read: anybody may have put them there.
    """
    parent, own = os.path.split(directories[-1])
    if parent != _SHARED_MEMORY or state.user() != 0:
        return []
    registry = own.removeprefix("llama_logging-0-")
    found = []
    for name in sorted(os.listdir(parent)):
        user = name.removeprefix("llama_logging-").removesuffix(f"-{registry}")
        if user.isdecimal() and name == f"llama_logging-{user}-{registry}" != own:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                found += [path] if any(map(NAME.fullmatch, os.listdir(path))) else []
    return found


def directories_elsewhere(name: str, whole: str) -> list[str]:
    """Where the journals of a registry may lie that is no file here, or one whose folder cannot be written.

    Among the user's state; in memory, for when no disk takes anything: that survives the process, if not
    the machine.

    Args:
        name: What people call it, fit for the name of a folder.
        whole: Which one it is.
    """
    digest = f"{zlib.crc32(whole.encode('utf-8', 'surrogatepass')):08x}"
    name = f"{name}-{digest}"
    found = [os.path.join(state.state_folder(), "journal", name)]
    own = state.user()
    user = "" if own is None else own
    runtime = (not state.has_another_user() and os.environ.get("XDG_RUNTIME_DIR")) or f"/run/user/{user}"
    if os.path.isdir(runtime):
        found.append(os.path.join(runtime, "llama_logging", name))
    if os.path.isdir(_SHARED_MEMORY):
        # Anybody could make this folder first; then it is not ours, and not used.
        found.append(os.path.join(_SHARED_MEMORY, f"llama_logging-{user}-{name}"))
    return found
