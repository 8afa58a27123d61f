"""What the package costs a process: time at its start, memory in a storm."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.subjects import registry
from benchmarks.workload import five

WARM_UP = 2_000

_IMPORT = """
import logging.config, time
began = time.process_time()
import llama_logging.handlers
print((time.process_time() - began) * 1000)
"""


def import_time(interpreters: int) -> dict[str, Any]:
    """Milliseconds of processor time that importing the handlers takes where logging.config is imported already.

    Each in a fresh interpreter, with bytecode that is compiled before as an installed package's is.
    """
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        times = []
        for _ in range(interpreters + 1):
            done = subprocess.run([sys.executable, "-c", _IMPORT], env=env, capture_output=True, text=True, check=True)
            times.append(float(done.stdout))
    return {
        "interpreters": interpreters,
        "median_ms": round(statistics.median(times[1:]), 1),
        "min_ms": round(min(times[1:]), 1),
    }


def storm(errors: int) -> dict[str, Any]:
    """How much larger the process is after so many errors of one place, and what the collector finds of them."""
    log = registry()
    _errors(log, WARM_UP)
    gc.collect()
    before = _resident()
    _errors(log, errors)
    after = _resident()
    gc.disable()
    _errors(log, WARM_UP)
    return {"errors": errors, "growth_mb": round((after - before) / 2**20, 1), "garbage": gc.collect()}


def _errors(log: Any, count: int) -> None:
    for _ in range(count):
        try:
            five()
        except LookupError:
            log("cannot check out")


def _resident() -> int:
    """Bytes of memory that are this process's own; 0 where that cannot be seen."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
