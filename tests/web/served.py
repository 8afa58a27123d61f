"""A dashboard served by a process of its own, and the browser to look at it with."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The program; None if there is none."""


@contextlib.contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[str, str, str]]:
    """`llama-logging serve` of an empty registry: the store's URL, the dashboard's, and the link."""
    store = f"sqlite:///{folder}/errors.db"
    command = [sys.executable, "-m", "llama_logging", "serve", "--store", store, "--port", "0", *words]
    env = {**os.environ, "LLAMA_LOGGING_DIR": str(folder / "state")}
    env.pop("LLAMA_LOGGING_DASHBOARD_TOKEN", None)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env, cwd=folder) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                found = re.search(r"open (https?://[^/]+)(\S*token=\S+)", line)
                if found:
                    yield store, found[1], found[1] + found[2]
                    break
            else:
                raise AssertionError("it printed no link")
        finally:
            process.terminate()
            process.wait(20)
