from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llama_logging import process
from llama_logging.context import Process


def test_threads_that_are_the_first_at_once_are_of_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal tells of one: the errors of another would be of no service."""
    both, describe = threading.Barrier(2, timeout=10), process._describe

    def describe_together() -> Process:
        both.wait()
        return describe()

    monkeypatch.setattr(process, "_known", {})
    monkeypatch.setattr(process, "_describe", describe_together)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: process.current(), range(2))
    assert one is other


NAMED = "from llama_logging import process; print(process.current().program)"
SPAWNED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {NAMED!r}])"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only /proc tells who has started a process")
@pytest.mark.parametrize(
    "code", [SPAWNED, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPAWNED!r}])"]
)
@pytest.mark.parametrize("options", [[], ["-u", "-Xdev", "-W", "ignore"]])
def test_code_on_a_command_line_is_named_after_what_has_started_it(
    own_place: Path, code: str, options: list[str]
) -> None:
    """As the jobs of RQ's SpawnWorker are."""
    (own_place / "worker.py").write_text(code)
    assert told(*options, "worker.py") == "worker.py"
    assert told(*options, "-m", "worker") == "worker"


def test_code_that_a_shell_has_started_has_no_better_name(own_place: Path) -> None:
    assert told("-c", NAMED, program=("sh", "-c", '"$0" "$@"; true', sys.executable)) == "python -c"


def told(*words: str, program: tuple[str, ...] = (sys.executable,)) -> str:
    return subprocess.run([*program, *words], check=True, capture_output=True, text=True).stdout.strip()
