from __future__ import annotations

from pathlib import Path

from tests.conftest import Run

ROOT = str(Path(__file__).parents[2])

FULL = """
import os, resource, sys
from llama_logging.recovery.strategies import relief
from tests.recovery.acting import attempt, make
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
class Leak:
    file = None
    def __init__(self):
        self.file, self.me = os.open(os.devnull, os.O_RDONLY), self
    def __del__(self):
        if self.file is not None:
            os.close(self.file)
idle = []
def close():
    while idle:
        os.close(idle.pop())
import gc; gc.disable()
try:
    while True:
        {fill}
except OSError:
    pass
remedy = attempt(make("fd.relief", **{options}))
print(remedy.status.value, "|", remedy.detail, "|", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def fill(run: Run, fill: str, hard: int, **options: object) -> list[str]:
    """What it says after a process of 64 descriptors at most was filled with them."""
    done = run("-c", FULL.replace("{fill}", fill).replace("{options}", repr(options)), str(hard), PYTHONPATH=ROOT)
    assert done.err == ""
    return done.out.strip().split(" | ")


def test_descriptors_that_are_garbage_are_closed(run: Run) -> None:
    assert fill(run, "Leak()", 64) == ["recovered", "what was not needed was closed", "64"]


def test_what_lies_idle_is_closed(run: Run) -> None:
    said = fill(run, "idle.append(os.open(os.devnull, os.O_RDONLY))", 64, close="__main__.close")
    assert said == ["recovered", "what was not needed was closed", "64"]


def test_the_limit_is_raised_if_nothing_can_be_closed(run: Run) -> None:
    used = "idle.append(os.open(os.devnull, os.O_RDONLY))"
    assert fill(run, used, 256) == ["recovered", "the limit of descriptors was raised", "256"]
    status, detail, limit = fill(run, used, 256, raise_limit=False)
    assert (status, limit) == ("failed", "64")
    assert detail.endswith("descriptors can be had: Too many open files")


def test_a_limit_that_cannot_be_raised(run: Run) -> None:
    status, detail, _ = fill(run, "idle.append(os.open(os.devnull, os.O_RDONLY))", 64)
    assert status == "failed"
    assert detail.endswith("Too many open files; their limit is 64 and cannot be raised")


def test_where_there_are_enough_nothing_is_done(run: Run) -> None:
    assert fill(run, "break", 256) == ["recovered", "16 descriptors can be had already", "64"]


MEMORY = """
import resource, sys
from llama_logging.recovery.strategies import relief
from tests.recovery.acting import attempt, make
cache = []
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))
try:
    while True:
        cache.append(bytearray(2**20))
except MemoryError:
    pass
remedy = attempt(make("memory.relief", **{options}))
print(remedy.status.value, "|", remedy.detail)
"""


def test_what_a_cache_holds_is_given_back(run: Run) -> None:
    options = {"caches": "__main__.cache.clear", "needed": "64M"}
    code = MEMORY.replace('"memory.relief", **{options}', f'"memory.relief", **{options!r}')
    done = run("-c", code.replace("__main__.cache.clear", "__main__:cache.clear"), PYTHONPATH=ROOT)
    assert done.err == ""
    assert done.out.startswith("recovered | resident memory went from ")


def test_memory_that_is_not_to_be_had(run: Run) -> None:
    done = run("-c", MEMORY.replace("{options}", "{'needed': '64M'}"), PYTHONPATH=ROOT)
    assert done.err == ""
    assert done.out.startswith("failed | 67108864 bytes are not to be had; resident memory went from ")


RELIEVED = """
import threading
from llama_logging.recovery.strategies import relief
from tests.recovery.acting import attempt, make
together = threading.Barrier(8)
def relieve():
    attempt(make("memory.relief"))
    together.wait(30)  # as long as a thread lives, no other takes over its part of the allocator
before = relief._resident()
for _ in range(2):
    threads = [threading.Thread(target=relieve) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print((relief._resident() - before) >> 20)
"""


def test_relief_itself_keeps_no_memory(run: Run) -> None:
    """From the allocator, the 16 MiB that each takes for a moment stay with the arena of its thread."""
    done = run("-c", RELIEVED, PYTHONPATH=ROOT)
    assert done.err == ""
    assert int(done.out) < 16
