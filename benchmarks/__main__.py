"""`python -m benchmarks` prints what logging an error costs the caller, as ratios to logging.FileHandler.

Each subject lives in a process of its own; rounds visit them in turn, in an order that rotates, so
that a machine that is fast now and slow then is so for all. Only the logging call is timed, not the
raising. A value is the median of its round; a ratio is the median over the rounds of subject to
reference within the same round. Absolute times are not printed: they would mean nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.subjects import INSTALL, REFERENCE, SUBJECTS
from benchmarks.workload import SCENARIOS

WARM_UP = 60
PEERS = ("python-json-logger", "loguru", "structlog", "sentry-sdk")


def work(name: str) -> None:
    """Be one subject: for each line `SCENARIO CALLS` on standard input, print the median in nanoseconds."""
    log = SUBJECTS[name]()
    for scenario in SCENARIOS:
        measure(log, scenario, WARM_UP)
    print("ready", flush=True)
    for line in sys.stdin:
        scenario, calls = line.rsplit(" ", 1)
        print(measure(log, scenario, int(calls)), flush=True)


def measure(log: Any, scenario: str, calls: int) -> int:
    """Median nanoseconds of one logging call."""
    fail, times = SCENARIOS[scenario], []
    for _ in range(calls):
        try:
            fail()
        except LookupError:
            began = time.perf_counter_ns()
            log("cannot check out")
            times.append(time.perf_counter_ns() - began)
    return int(statistics.median(times))


class Subject:
    """A process that measures one subject when asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._folder = tempfile.TemporaryDirectory()
        command = [sys.executable, "-m", "benchmarks", "--work", name]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**_environment(), "BENCH_FOLDER": self._folder.name},
        )
        self.ready = self._answer() == "ready"

    def ask(self, scenario: str, calls: int) -> int:
        """Median nanoseconds of a round."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{scenario} {calls}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def why_not(self) -> str:
        """The last line it said before it ended."""
        assert self._process.stderr is not None
        lines = self._process.stderr.read().strip().splitlines()
        return lines[-1] if lines else "it ended without a word"

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def compare(names: Sequence[str], rounds: int, calls: int) -> dict[str, Any]:
    """Ratios of each subject and scenario: median, and the 10th and 90th percentile over the rounds."""
    subjects = [Subject(name) for name in dict.fromkeys([REFERENCE, *names])]
    running = [subject for subject in subjects if subject.ready]
    times: dict[tuple[str, str], list[int]] = {}
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
        turn = number % len(running)
        for scenario in SCENARIOS:
            for subject in running[turn:] + running[:turn]:
                times.setdefault((subject.name, scenario), []).append(subject.ask(scenario, calls))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    results: dict[str, Any] = {}
    for subject in subjects:
        results[subject.name] = (
            {scenario: _ratios(times, subject.name, scenario) for scenario in SCENARIOS}
            if subject.ready
            else {"missing": f"{subject.why_not()} ({INSTALL})"}
        )
        subject.close()
    return results


def _ratios(times: dict[tuple[str, str], list[int]], name: str, scenario: str) -> dict[str, float]:
    pairs = zip(times[name, scenario], times[REFERENCE, scenario], strict=True)
    ratios = sorted(mine / reference for mine, reference in pairs)
    at = [ratios[round(share * (len(ratios) - 1))] for share in (0.1, 0.5, 0.9)]
    return {"p10": round(at[0], 4), "median": round(at[1], 4), "p90": round(at[2], 4)}


def _environment() -> dict[str, str]:

    root = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _print(document: dict[str, Any]) -> None:
    print(", ".join(f"{name} {version}" for name, version in document["versions"].items()))
    print(f"{document['rounds']} rounds; ratios to {REFERENCE} in the same round, median (10th-90th percentile)\n")
    print(f"{'':<46}" + "".join(f"{scenario:<24}" for scenario in SCENARIOS))
    for name, result in document["ratios"].items():
        if "missing" in result:
            print(f"{name:<46}{result['missing']}")
            continue
        cells = [f"{r['median']:.3f} ({r['p10']:.3f}-{r['p90']:.3f})" for r in result.values()]
        print(f"{name:<46}" + "".join(f"{cell:<24}" for cell in cells).rstrip())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The cost of logging an error, as ratios."
    )
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    parser.add_argument("--calls", type=int, default=100, help="calls in a round; default 100")
    parser.add_argument("--subjects", default="", help="names that contain one of these words, separated by commas")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        os.chdir(os.environ["BENCH_FOLDER"])
        work(args.work)
        return 0
    words = args.subjects.split(",")
    names = [name for name in SUBJECTS if any(word.strip() in name for word in words)]
    ratios = compare(names, args.rounds, args.calls)
    document = {"versions": _versions(), "rounds": args.rounds, "calls": args.calls, "ratios": ratios}
    print(json.dumps(document, indent=2)) if args.json else _print(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
