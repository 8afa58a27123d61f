"""`python -m benchmarks.attach` prints what `llama-logging run` costs: at the start, and for each logging call.

Plain and attached take turns, call block by call block and start by start, so that a machine that is
fast now and slow then is so for both.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CONFIG = """
version: 1
handlers:
  registry: {class: llama_logging.handlers.RegistryHandler}
  recovery: {class: llama_logging.handlers.RecoveryHandler, rules: []}
root: {handlers: [registry, recovery]}
"""
BLOCK = 20_000


def start_up(rounds: int) -> dict[str, float]:
    """Milliseconds of a program that imports logging, and how many `run` adds; medians.

    Of processor time, for the clock on the wall counts what else the machine does; and of that, too. With
    bytecode that is compiled before and a YAML that was read before, by a round that does not count.
    """
    program = [sys.executable, "-c", "import logging"]
    run = [sys.executable, "-m", "llama_logging", "run", "--", *program]
    plain: list[tuple[float, float]] = []
    attached: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "logging.yaml").write_text(CONFIG)
        env = _environment(folder)
        for _ in range(rounds + 1):
            for words, times in ((program, plain), (run, attached)):
                began = time.perf_counter()
                process = subprocess.Popen(words, cwd=folder, env=env)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = status
                times.append(((used.ru_utime + used.ru_stime) * 1e3, (time.perf_counter() - began) * 1e3))
    pairs = list(zip(plain, attached, strict=True))[1:]
    return {
        "plain_ms": round(statistics.median(less[0] for less, _ in pairs), 1),
        "added_ms": round(statistics.median(more[0] - less[0] for less, more in pairs), 1),
        "added_min_ms": round(min(more[0] for _, more in pairs) - min(less[0] for less, _ in pairs), 1),
        "plain_wall_ms": round(statistics.median(less[1] for less, _ in pairs), 1),
        "added_wall_ms": round(statistics.median(more[1] - less[1] for less, more in pairs), 1),
    }


def _environment(folder: str) -> dict[str, str]:
    """As an installed package has it: bytecode is kept, and so is what `run` has read."""
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": f"{folder}/cache", "LLAMA_LOGGING_DIR": folder}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def calls(rounds: int) -> dict[str, dict[str, float]]:
    """For a call that emits nothing and one that writes a line: nanoseconds and ratio that the tap adds; medians."""
    from llama_logging import tap
    from llama_logging.handlers import RegistryHandler

    with tempfile.TemporaryDirectory() as folder:
        sink = tap.Sink(lambda: RegistryHandler(store=f"sqlite:///{folder}/bench.db"))
        _ = sink.handler
        log = logging.getLogger("bench")
        log.propagate = False
        log.setLevel(logging.INFO)
        handler = logging.FileHandler(f"{folder}/out.log")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        log.addHandler(handler)
        found = {
            "a disabled debug()": _compared(sink, lambda: log.debug("nothing"), BLOCK, rounds),
            # In short turns, many: writing to a disk has a weather of its own.
            "an emitted info()": _compared(sink, lambda: log.info("checked out"), BLOCK // 50, rounds * 20),
        }
        handler.close()
    return found


def _compared(sink: object, call: Callable[[], object], block: int, rounds: int) -> dict[str, float]:
    from llama_logging import tap

    plain, tapped = [], []
    for _ in range(rounds):
        plain.append(_timed(call, block))
        tap.add(sink)  # type: ignore[arg-type]
        tapped.append(_timed(call, block))
        tap.remove(sink)  # type: ignore[arg-type]
    pairs = list(zip(plain, tapped, strict=True))
    return {
        "plain_ns": round(statistics.median(plain), 1),
        "added_ns": round(statistics.median(more - less for less, more in pairs), 1),
        "ratio": round(statistics.median(more / less for less, more in pairs), 3),
    }


def _timed(call: Callable[[], object], block: int) -> float:
    numbers = range(block)
    began = time.perf_counter_ns()
    for _ in numbers:
        call()
    return (time.perf_counter_ns() - began) / block


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attach", description="The cost of being attached.")
    parser.add_argument("--rounds", type=int, default=25, help="default 25")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    start, found = start_up(args.rounds), calls(args.rounds)
    version = sys.version.split()[0]
    if args.json:
        print(json.dumps({"python": version, "rounds": args.rounds, "start": start, "calls": found}, indent=2))
        return 0
    print(f"Python {version}, {args.rounds} rounds, medians")
    print(
        f"run adds {start['added_ms']} ms of processor time to a start of {start['plain_ms']} ms"
        f" (fastest to fastest {start['added_min_ms']} ms), {start['added_wall_ms']} ms by the clock on the wall"
        f" to {start['plain_wall_ms']} ms"
    )
    for name, cost in found.items():
        print(f"{name}: {cost['added_ns']} ns more than {cost['plain_ns']} ns, a ratio of {cost['ratio']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
