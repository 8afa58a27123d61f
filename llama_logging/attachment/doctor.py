"""Starts a command to examine its logging, and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from llama_logging.attachment.run import (
    CONFIG_VARIABLE,
    DATA_VARIABLE,
    DOCTOR_CONFIG_VARIABLE,
    DOCTOR_VARIABLE,
    RUN_VARIABLE,
    command_line,
    environment,
)
from llama_logging.exceptions import ConfigError
from llama_logging.runtime.state import absolute

GRACE = 5.0
"""Seconds that the command has to end when it is asked to."""


def examined(command: Sequence[str], config: str | None, after: float) -> list[dict[str, Any]]:
    """What is found in each Python process of *command*, *after* seconds or at its end if that comes before.

    Its output goes to standard error.

    Args:
        command: Its words; none for a process that does nothing.
        config: A YAML that each process is configured with at its start; None for what it does by itself.
        after: Seconds.

    Raises:
        ConfigError: If the command cannot be started.
    """
    words = command_line(command) if command else [sys.executable, "-c", "pass"]
    with tempfile.TemporaryDirectory() as folder:
        env = {**environment(""), DOCTOR_VARIABLE: folder}
        for name in (CONFIG_VARIABLE, DATA_VARIABLE, RUN_VARIABLE, DOCTOR_CONFIG_VARIABLE):
            env.pop(name, None)  # what stands there in a process was put there by a `run` of the command
        if config is not None:
            env[DOCTOR_CONFIG_VARIABLE] = absolute(config)
        try:
            process = subprocess.Popen(
                words, env=env, stdout=sys.stderr, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise ConfigError(f"doctor: {words[0]}: {error.strerror}") from error
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after)
            found = _found(folder)
        finally:
            _end(process)
        return _found(folder) or found


def _found(folder: str) -> list[dict[str, Any]]:
    reports = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                reports.append(json.load(file))
    return reports


def _end(process: subprocess.Popen[bytes]) -> None:
    if not hasattr(os, "killpg"):  # Windows, where what it has started is ended by nobody
        process.kill()
        process.wait()
        return
    deadline = time.monotonic() + GRACE
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.1))
