"""`python -m benchmarks.ingest`: what bringing errors into the registry costs, and whom.

Ratios within one run, rounds in turn; absolute times are printed where a limit is one, and depend on the machine.

caller   the logging call while an ingester drains in the same process, to the same without one
ingest   rows a second, to raw sqlite3 executemany of the same rows into the same tables and indexes
bytes    of the database for each repeated error
crowd    8 processes with an ingester each, 100 errors a second each, on one SQLite file
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.workload import SCENARIOS
from llama_logging.handlers import RegistryHandler
from llama_logging.ingest import ingest
from llama_logging.journal.places import directories_for
from llama_logging.pipeline import Pipeline
from llama_logging.stores import open_store, urls

PERIOD = 0.001
PROCESSES = 8
RATE = 100


def work(url: str, errors: int, period: float, ingester: bool) -> None:
    """Log *errors*, one each *period*, and print the nanoseconds of each call and what the ingester met."""
    handler = RegistryHandler(store=url)
    log = _logger(handler)
    if not ingester:
        handler.pipeline.ingester._started = True
    fail = next(iter(SCENARIOS.values()))
    times, failures, due = [], set(), time.perf_counter()
    for number in range(errors + 100):
        due += period
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            fail()
        except LookupError:
            began = time.perf_counter_ns()
            log.exception("cannot check out")
            if number >= 100:
                times.append(time.perf_counter_ns() - began)
        failures.add(str(handler.pipeline.ingester.failure or ""))
    print(json.dumps({"times": times, "failures": sorted(failures - {""})}))


def caller(rounds: int, errors: int) -> dict[str, Any]:
    """Percentiles of the logging call with an ingester and without, in microseconds, and their ratios."""
    found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for _ in range(rounds):
        for ingester in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                (done,) = _processes(1, f"sqlite:///{folder}/errors.db", errors, PERIOD, ingester)
            found[ingester].append(_percentiles(done["times"]))
    result: dict[str, Any] = {}
    for name in ("p50", "p99"):
        without = [each[name] for each in found[False]]
        with_one = [each[name] for each in found[True]]
        result[name] = {
            "without_us": round(statistics.median(without), 1),
            "with_us": round(statistics.median(with_one), 1),
            "ratio": round(statistics.median(b / a for a, b in zip(without, with_one, strict=True)), 2),
        }
    return result


def intake(rounds: int, errors: int) -> dict[str, Any]:
    """Rows a second of the ingester and of executemany, and the size of the database for each error."""
    ours, raw, sizes = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            url = urls.parse(f"sqlite:///{folder}/errors.db")
            _fill(url, errors)
            store = open_store(url)
            store.forget("")
            began = time.perf_counter()
            ingest(store, directories_for(url.path))
            ours.append(errors / (time.perf_counter() - began))
            store.close()
            sizes.append(os.path.getsize(url.path) / errors)
            raw.append(errors / _executemany(url.path, f"{folder}/raw.db"))
    return {
        "rows_a_second": round(statistics.median(ours)),
        "executemany_rows_a_second": round(statistics.median(raw)),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, raw, strict=True)), 2),
        "database_bytes_for_each_error": round(statistics.median(sizes)),
    }


def crowd(seconds: float) -> dict[str, Any]:
    """The worst p99 of all callers, what their ingesters met, and whether all errors are there."""
    errors = int(RATE * seconds)
    with tempfile.TemporaryDirectory() as folder:
        url = urls.parse(f"sqlite:///{folder}/errors.db")
        found = _processes(PROCESSES, url.url, errors, 1 / RATE, True)
        store = open_store(url)
        ingest(store, directories_for(url.path))
        rows = sum(group.count for group in store.groups())
        store.close()
    percentiles = [_percentiles(each["times"]) for each in found]
    return {
        "processes": PROCESSES,
        "errors_a_second_each": RATE,
        "p50_us": round(statistics.median(each["p50"] for each in percentiles), 1),
        "worst_p99_us": round(max(each["p99"] for each in percentiles), 1),
        "processes_that_met_a_busy_database": sum(bool(each["failures"]) for each in found),
        "rows": rows,
        "expected_rows": PROCESSES * (errors + 100),
    }


def _logger(handler: logging.Handler) -> logging.Logger:
    log = logging.getLogger("bench")
    log.propagate = False
    log.addHandler(handler)
    return log


def _processes(number: int, url: str, errors: int, period: float, ingester: bool) -> list[dict[str, Any]]:
    words = [sys.executable, "-m", "benchmarks.ingest", "--work", url, str(errors), str(period), str(int(ingester))]
    root = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, env=env) for _ in range(number)]
    return [json.loads(process.communicate()[0]) for process in running]


def _percentiles(times: Sequence[int]) -> dict[str, float]:
    ordered = sorted(times)
    return {name: ordered[int(share * (len(ordered) - 1))] / 1000 for name, share in (("p50", 0.5), ("p99", 0.99))}


def _fill(url: urls.StoreURL, errors: int) -> None:
    """Leave a journal of *errors*, as a process does that died."""
    handler = RegistryHandler(store=url.url)
    handler.pipeline = pipeline = Pipeline(url)
    pipeline.ingester._started = True
    log = _logger(handler)
    fail = next(iter(SCENARIOS.values()))
    for _ in range(errors):
        try:
            fail()
        except LookupError:
            log.exception("cannot check out")
    log.removeHandler(handler)
    pipeline.journal.close()


def _executemany(source: str, target: str) -> float:
    """Seconds for the same rows of `errors`, with the same indexes, in batches of the same size."""
    with contextlib.closing(sqlite3.connect(source)) as old:
        schema = [
            row[0] for row in old.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'errors' AND sql NOT NULL")
        ]
        rows = old.execute("SELECT * FROM errors").fetchall()
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.execute("PRAGMA journal_mode = WAL")
        new.execute("PRAGMA synchronous = FULL")
        for statement in schema:
            new.execute(statement)
        marks = ", ".join("?" * len(rows[0]))
        began = time.perf_counter()
        for start in range(0, len(rows), 2000):
            new.execute("BEGIN IMMEDIATE")
            new.executemany(f"INSERT INTO errors VALUES ({marks})", rows[start : start + 2000])
            new.execute("COMMIT")
        return time.perf_counter() - began


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description="The cost of the registry.")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--errors", type=int, default=5000, help="errors in a round; default 5000")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long the crowd logs; default 5")
    parser.add_argument("--folder", help="where to write: a disk that syncs slowly holds up every write to it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        url, errors, period, ingester = args.work
        work(url, int(errors), float(period), ingester == "1")
        return 0
    if args.folder:
        tempfile.tempdir = args.folder
    document = {
        "caller": caller(args.rounds, args.errors),
        "ingest": intake(args.rounds, args.errors * 4),
        "crowd": crowd(args.seconds),
    }
    if args.json:
        print(json.dumps(document, indent=2))
        return 0
    for name, result in document.items():
        print(name)
        for key, value in result.items():
            print(f"  {key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
