"""`python -m benchmarks.reporting` prints what a ReportHandler adds to an error that is logged."""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time

from llama_logging.capture.capturing import capture
from llama_logging.handlers import ReportHandler

CHANNELS = {"ops": {"webhook": {"url": "http://127.0.0.1:9/", "allow_private": True}}}


def added(errors: int) -> float:
    """Microseconds that the handler takes of the caller, for an error that another handler has captured; median."""
    handler = ReportHandler(channels=CHANNELS)
    times = []
    for number in range(errors):
        record = logging.LogRecord("app", logging.ERROR, "f", 1, f"failed {number}", None, None)
        capture(record)
        began = time.perf_counter_ns()
        handler.handle(record)
        times.append(time.perf_counter_ns() - began)
    handler.close()
    return statistics.median(times) / 1000


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reporting", description=__doc__)
    parser.add_argument("--errors", type=int, default=5_000, help="default 5000")
    args = parser.parse_args()
    logging.getLogger("llama_logging").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(json.dumps({"a ReportHandler adds, us": round(added(args.errors), 2)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
