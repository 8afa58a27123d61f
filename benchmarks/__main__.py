"""`python -m benchmarks` prints what logging costs the caller, as ratios to logging.FileHandler, and the process.

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

from benchmarks.process import import_time, storm
from benchmarks.subjects import INSTALL, SUBJECTS, TABLES, Table
from benchmarks.workload import SCENARIOS

WARM_UP = 60
SECTIONS = (*TABLES, "import", "memory")
PEERS = ("python-json-logger", "loguru", "structlog", "sentry-sdk")


def work(name: str) -> None:
    """Be one subject: for each line `SCENARIO CALLS` on standard input, print the median in nanoseconds."""
    log = SUBJECTS[name]()
    (table,) = [table for table in TABLES.values() if name in table.subjects]
    for scenario in table.scenarios:
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
        else:
            began = time.perf_counter_ns()
            log("checked out")
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


def compare(table: Table, words: Sequence[str], rounds: int, calls: int) -> dict[str, Any]:
    """Ratios of each subject and scenario: median, and the 10th and 90th percentile over the rounds."""
    reference, *others = table.subjects
    subjects = [Subject(name) for name in [reference, *(name for name in others if any(w in name for w in words))]]
    running = [subject for subject in subjects if subject.ready]
    times: dict[tuple[str, str], list[int]] = {}
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
        turn = number % len(running)
        for scenario in table.scenarios:
            for subject in running[turn:] + running[:turn]:
                times.setdefault((subject.name, scenario), []).append(subject.ask(scenario, calls))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    results: dict[str, Any] = {}
    for subject in subjects:
        results[subject.name] = (
            {name: _ratios(times[subject.name, name], times[reference, name]) for name in table.scenarios}
            if subject.ready
            else {"missing": f"{subject.why_not()} ({INSTALL})"}
        )
        subject.close()
    return results


def _ratios(mine: list[int], reference: list[int]) -> dict[str, float]:
    ratios = sorted(one / other for one, other in zip(mine, reference, strict=True))
    at = [ratios[round(share * (len(ratios) - 1))] for share in (0.1, 0.5, 0.9)]
    return {"p10": round(at[0], 4), "median": round(at[1], 4), "p90": round(at[2], 4)}


def weather(errors: int) -> dict[str, Any]:
    """What a storm of so many errors leaves behind, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks", "--work", f"storm {errors}"]
        env = {**_environment(), "BENCH_FOLDER": folder}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


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
    for section, table in TABLES.items():
        if section in document:
            _print_table(table, document[section], document["rounds"])
    if "import" in document:
        found = document["import"]
        print(
            f"\nImporting llama_logging.handlers, logging.config being there: {found['median_ms']} ms"
            f" (median of {found['interpreters']} interpreters; the fastest {found['min_ms']})"
        )
    if "memory" in document:
        found = document["memory"]
        print(
            f"\nAfter {found['errors']:,} errors of one place the process is {found['growth_mb']} MB larger;"
            f" the collector finds {found['garbage']} objects of them"
        )


def _print_table(table: Table, results: dict[str, Any], rounds: int) -> None:
    reference = next(iter(table.subjects))
    print(f"\n{table.title}: {rounds} rounds; ratios to {reference} in the same round, median (10th-90th percentile)\n")
    print(f"{'':<50}" + "".join(f"{scenario:<24}" for scenario in table.scenarios).rstrip())
    for name, result in results.items():
        if "missing" in result:
            print(f"{name:<50}{result['missing']}")
            continue
        cells = [f"{r['median']:.3f} ({r['p10']:.3f}-{r['p90']:.3f})" for r in result.values()]
        print(f"{name:<50}" + "".join(f"{cell:<24}" for cell in cells).rstrip())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The cost of logging, as ratios.")
    parser.add_argument("--rounds", type=int, default=15, help="default 15; as many interpreters for the import")
    parser.add_argument("--calls", type=int, default=100, help="calls in a round; default 100")
    parser.add_argument("--subjects", default="", help="names that contain one of these words, separated by commas")
    parser.add_argument("--sections", default=",".join(SECTIONS), help=f"default {','.join(SECTIONS)}")
    parser.add_argument("--storm", type=int, default=20_000, metavar="N", help="errors for the memory; default 20000")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        os.chdir(os.environ["BENCH_FOLDER"])
        kind, _, number = args.work.partition(" ")
        print(json.dumps(storm(int(number)))) if kind == "storm" else work(args.work)
        return 0
    words = [word.strip() for word in args.subjects.split(",")]
    sections = [word.strip() for word in args.sections.split(",")]
    document: dict[str, Any] = {"versions": _versions(), "rounds": args.rounds, "calls": args.calls}
    for section, table in TABLES.items():
        if section in sections:
            document[section] = compare(table, words, args.rounds, args.calls)
    if "import" in sections:
        document["import"] = import_time(args.rounds)
    if "memory" in sections:
        document["memory"] = weather(args.storm)
    print(json.dumps(document, indent=2)) if args.json else _print(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
