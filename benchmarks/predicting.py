"""`python -m benchmarks.predicting` prints what a PredictionHandler costs a logging call, and a predictor each record.

A handler that does nothing and ours take turns, block by block, so that a machine that is fast now and slow
then is so for both. In each turn of ours its queue is emptied between the blocks, untimed, as its thread does it.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from llama_logging.handlers import PredictionHandler

BLOCK = 5_000
CALLS: dict[str, Callable[[logging.Logger], object]] = {
    "info(text)": lambda log: log.info("checked out"),
    "info(text, number)": lambda log: log.info("checked out in %d ms", 17),
    "info(text, three of them)": lambda log: log.info("%s took %.1f ms, %d lines", "checkout", 17.5, 3),
}


def caller(rounds: int) -> dict[str, dict[str, float]]:
    """For each kind of call: nanoseconds with a NullHandler, what ours adds, and the ratio; medians."""
    log = logging.getLogger("bench")
    log.propagate = False
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        null = logging.NullHandler()
        ours = PredictionHandler(store=f"sqlite:///{folder}/bench.db", tick=60, limits={"queue": 10 * BLOCK})
        found = {name: _compared(log, null, ours, call, rounds) for name, call in CALLS.items()}
        ours.watch.notes.forget()
        ours.close()
    return found


def predictor(records: int) -> float:
    """Microseconds of the predictor's thread for each of so many records, two seconds apart, decisions included."""
    log = logging.getLogger("bench")
    with tempfile.TemporaryDirectory() as folder:
        handler = PredictionHandler(store=f"sqlite:///{folder}/bench.db", limits={"queue": records + 1})
        began = 1_700_000_000.0
        watch = handler.watch
        for number in range(records):
            level = logging.ERROR if number % 200 == 199 else logging.INFO
            record = log.makeRecord("bench", level, "", 0, f"step {number % 50}", (), None)
            record.created = began + 2.0 * number
            watch.notes.note(record)
        start = time.process_time_ns()
        watch.shift.step(began + 2.0 * records)
        used = time.process_time_ns() - start
        watch.close()
    return used / records / 1_000


def _compared(
    log: logging.Logger, null: logging.Handler, ours: PredictionHandler, call: Callable[[logging.Logger], object],
    rounds: int,
) -> dict[str, float]:  # fmt: skip
    times: dict[logging.Handler, list[float]] = {null: [], ours: []}
    for _ in range(rounds):
        for handler in (null, ours):
            log.addHandler(handler)
            times[handler].append(_timed(lambda: call(log)))
            log.removeHandler(handler)
            ours.watch.notes.take()
    pairs = list(zip(times[null], times[ours], strict=True))
    return {
        "null_ns": round(statistics.median(times[null]), 1),
        "added_ns": round(statistics.median(more - less for less, more in pairs), 1),
        "ratio": round(statistics.median(more / less for less, more in pairs), 3),
    }


def _timed(call: Callable[[], object]) -> float:
    numbers = range(BLOCK)
    began = time.perf_counter_ns()
    for _ in numbers:
        call()
    return (time.perf_counter_ns() - began) / BLOCK


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predicting", description="The cost of predicting.")
    parser.add_argument("--rounds", type=int, default=25, help="default 25")
    parser.add_argument("--records", type=int, default=20_000, help="for the predictor; default 20000")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    calls, each = caller(args.rounds), round(predictor(args.records), 1)
    version = sys.version.split()[0]
    if args.json:
        print(json.dumps({"python": version, "calls": calls, "predictor_us": each}, indent=2))
        return 0
    print(f"Python {version}, {args.rounds} rounds, medians")
    for name, cost in calls.items():
        print(f"{name}: {cost['added_ns']} ns more than {cost['null_ns']} ns, a ratio of {cost['ratio']}")
    print(f"the predictor's thread: {each} microseconds a record, decisions and learning included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
