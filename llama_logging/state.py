"""Where the state of this user is kept, by the conventions of systemd and of the XDG base directories."""

from __future__ import annotations

import os


def state_folder() -> str:
    """The state folder; it may not exist yet."""
    env = os.environ
    home = env.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return env.get("LLAMA_LOGGING_DIR") or env.get("STATE_DIRECTORY") or os.path.join(home, "llama_logging")
