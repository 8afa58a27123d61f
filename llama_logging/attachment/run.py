"""Starts a command with logging configured from a YAML, its code untouched."""

from __future__ import annotations

import os
import sys

from llama_logging.attachment.ready import ready
from llama_logging.exceptions import ConfigError
from llama_logging.runtime.state import absolute, current_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG_VARIABLE = "LLAMA_LOGGING_CONFIG"
DATA_VARIABLE = "LLAMA_LOGGING_DATA"
RUN_VARIABLE = "LLAMA_LOGGING_RUN"
DOCTOR_VARIABLE = "LLAMA_LOGGING_DOCTOR"
DOCTOR_CONFIG_VARIABLE = "LLAMA_LOGGING_DOCTOR_CONFIG"
CONFIGURE, PRINTED, SWALLOWED = "configure", "printed", "swallowed"
"""What may stand in RUN_VARIABLE, separated by commas."""
HOME_VARIABLE = "LLAMA_LOGGING_HOME"
FOLDER_VARIABLE = "LLAMA_LOGGING_FOLDER"
"""Where `run` was typed: from there the path of a store counts, in children that are started elsewhere too."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes for a command that cannot be started, as shells have them."""

# Linux takes 128 KiB for one variable, and the environment is the application's too.
_LONGEST = 32_768
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHIPPED = os.path.join(_PACKAGE, "logging.yaml")
"""What stands in for a file that is not there."""
BOOTSTRAP = os.path.join(_PACKAGE, "attachment", "bootstrap")
"""Holds nothing but a sitecustomize.py, which Python runs at its start when it finds it on PYTHONPATH."""


def command_line(command: Sequence[str]) -> list[str]:
    """The words to start: a script or `-m module` gets this interpreter in front.

    >>> command_line(["uvicorn", "app:app"])
    ['uvicorn', 'app:app']
    """
    needs_python = command[0] == "-m" or command[0].endswith(".py")
    return [sys.executable, *command] if needs_python else list(command)


def is_asked(option: str) -> bool:
    """Whether the `run` that this process belongs to was given this *option*, one of those in RUN_VARIABLE."""
    return option in os.environ.get(RUN_VARIABLE, "").split(",")


def environment(config: str, asked: Sequence[str] = ()) -> dict[str, str]:
    """The environment in which Python processes attach themselves, children too.

    Args:
        config: Path of the YAML.
        asked: What else is wanted, CONFIGURE, PRINTED or SWALLOWED.
    """
    env = dict(os.environ)
    others = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path and path != BOOTSTRAP]
    env["PYTHONPATH"] = os.pathsep.join([BOOTSTRAP, *others])
    env[CONFIG_VARIABLE] = absolute(config)
    env[DATA_VARIABLE] = _ready(config)
    env[RUN_VARIABLE] = ",".join(asked)
    env[HOME_VARIABLE] = os.path.dirname(_PACKAGE)
    env[FOLDER_VARIABLE] = current_folder()
    return env


def hindrance(command: Sequence[str]) -> str:
    """Why no process of *command* may attach, by Python's own rules; empty if nothing is known against it.

    >>> hindrance(["python3", "-I", "app.py"])
    'python3 -I ignores PYTHONPATH'
    """
    program = os.path.basename(command[0])
    if program == "env" and any(word in ("-i", "-", "--ignore-environment") for word in command[1:3]):
        return f"{program} {command[1]} drops PYTHONPATH"
    if not program.startswith(("python", "pypy")):
        return ""
    for word in command[1:]:
        if not word.startswith("-") or word.startswith("--") or word[1:2] in ("c", "m"):
            break
        for letter in word[1:]:
            if letter in "EI":
                return f"{program} -{letter} ignores PYTHONPATH"
            if letter == "S":
                return f"{program} -S runs no sitecustomize"
            if letter in "WXcm":  # the rest is its value
                break
    return ""


def run(command: Sequence[str], config: str, asked: Sequence[str] = ()) -> int:
    """Become *command* (POSIX), or run it and wait for its end (Windows).

    Args:
        command: Its words.
        config: Path of the YAML.
        asked: As for `environment`.

    Returns:
        An exit code, if the command could not be started or this is Windows.
    """
    words, env = command_line(command), environment(config, asked)
    why = hindrance(words)
    if why:
        print(f"llama-logging: {why}: its errors will not be seen", file=sys.stderr)
    sys.stdout.flush()
    try:
        if os.name == "nt":
            import subprocess

            return subprocess.run(words, env=env, check=False).returncode
        # Not a child: signals, terminal, exit code and process id are the command's own.
        os.execvpe(words[0], words, env)
    except (FileNotFoundError, ValueError):  # the latter of an empty word, as of an unset variable in quotes
        print(f"llama-logging: command not found: {words[0]}", file=sys.stderr)
        return NOT_FOUND
    except OSError as error:
        print(f"llama-logging: {words[0]}: {error.strerror}", file=sys.stderr)
        return NOT_EXECUTABLE


def _ready(config: str) -> str:
    """What is in *config* as JSON, so that the command need not read YAML; empty where it must."""
    try:
        text = ready(config)
    except ConfigError:  # each process tells what is wrong with it
        return ""
    return text if len(text) < _LONGEST else ""
