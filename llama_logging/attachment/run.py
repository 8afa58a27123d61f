"""Starts a command with logging configured from a YAML, its code untouched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

CONFIG_VARIABLE = "LLAMA_LOGGING_CONFIG"
HOME_VARIABLE = "LLAMA_LOGGING_HOME"
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes for a command that cannot be started, as shells have them."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOOTSTRAP = os.path.join(_PACKAGE, "attachment", "bootstrap")
"""Holds nothing but a sitecustomize.py, which Python runs at its start when it finds it on PYTHONPATH."""


def command_line(command: Sequence[str]) -> list[str]:
    """The words to start: a script or `-m module` gets this interpreter in front.

    >>> command_line(["uvicorn", "app:app"])
    ['uvicorn', 'app:app']
    """
    needs_python = command[0] == "-m" or command[0].endswith(".py")
    return [sys.executable, *command] if needs_python else list(command)


def environment(config: str) -> dict[str, str]:
    """The environment in which Python processes attach themselves, children too.

    Args:
        config: Path of the YAML.
    """
    env = dict(os.environ)
    others = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path and path != BOOTSTRAP]
    env["PYTHONPATH"] = os.pathsep.join([BOOTSTRAP, *others])
    env[CONFIG_VARIABLE] = os.path.abspath(config)
    env[HOME_VARIABLE] = os.path.dirname(_PACKAGE)
    return env


def run(command: Sequence[str], config: str) -> int:
    """Become *command* (POSIX), or run it and wait for its end (Windows).

    Returns:
        An exit code, if the command could not be started or this is Windows.
    """
    words, env = command_line(command), environment(config)
    try:
        if os.name == "nt":
            return subprocess.run(words, env=env, check=False).returncode
        # Not a child: signals, terminal, exit code and process id are the command's own.
        os.execvpe(words[0], words, env)
    except FileNotFoundError:
        print(f"llama-logging: command not found: {words[0]}", file=sys.stderr)
        return NOT_FOUND
    except OSError as error:
        print(f"llama-logging: {words[0]}: {error.strerror}", file=sys.stderr)
        return NOT_EXECUTABLE
