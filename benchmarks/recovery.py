"""`python -m benchmarks.recovery` prints what recovery costs who does not need it, and an event loop meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from typing import Any

from llama_logging import outcome
from llama_logging.capture.capturing import capture
from llama_logging.context import ErrorContext
from llama_logging.handlers import RecoveryHandler
from llama_logging.recovery.engine import Engine

RULES = [
    {
        "name": f"rule {number}",
        "match": {"class": f"Error{number}", "logger": "story.*"},
        "ladder": ["llm.fallback_text"],
    }
    for number in range(10)
]
PROBE = "tcp://127.0.0.1:1"


def unmatched(calls: int) -> float:
    """Microseconds that an error costs which none of ten rules is for."""
    engine: Engine = RecoveryHandler(rules=RULES).engine
    contexts = [_context(number) for number in range(calls)]
    times = []
    for context in contexts:
        began = time.perf_counter_ns()
        engine.dispatch(context)
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times) / 1000


def _context(number: int) -> ErrorContext:
    try:
        raise ValueError(number)
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, "f", 1, "failed", None, sys.exc_info())
    context = capture(record)
    assert context is not None
    return context


async def stall(seconds: float) -> dict[str, float]:
    """Milliseconds: what the logging call took on a loop, and the longest that the loop then stood still."""
    rule = {"match": {"class": "ConnectionError"}, "ladder": [{"wait_and_probe": {"probe": PROBE, "timeout": seconds}}]}
    logger = logging.getLogger("bench.recovery")
    logger.propagate = False
    logger.addHandler(RecoveryHandler(rules=[rule]))
    call, longest = 0.0, 0.0
    for _ in range(2):  # the first error of a process imports what it needs; the second joins its recovery
        began = time.perf_counter()
        try:
            raise ConnectionError("refused")
        except ConnectionError:
            logger.exception("failed")
        call = time.perf_counter() - began
    pending, last = outcome(), time.perf_counter()
    while pending.status.value == "pending":
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last - 0.001), time.perf_counter()
    return {"the logging call": call * 1000, "longest stall of the loop": longest * 1000}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000, help="default 5000")
    parser.add_argument("--seconds", type=float, default=3.0, help="of recovery while a loop runs; default 3")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    logging.getLogger("llama_logging").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        result: dict[str, Any] = {"no rule matches, us": round(unmatched(args.calls), 2)}
        result["on a loop, ms"] = {name: round(value, 2) for name, value in asyncio.run(stall(args.seconds)).items()}
    print(json.dumps(result, indent=None if args.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
