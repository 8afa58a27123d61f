"""`python -m benchmarks.scale` prints what questions to a registry cost at ten thousand errors and at many more.

A registry of each size is filled through the store's own door, a tenth of it new messages, and each
question is asked some times; the median counts. The ratio says whether it stays flat.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from llama_logging import process, wire
from llama_logging.answers.summary import summarise
from llama_logging.context import ErrorContext, ErrorSeverity, Process, Stack
from llama_logging.ids import new_id
from llama_logging.registry import Store
from llama_logging.registry.intake import Batch
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.stores import open_store, urls

GROUPS = 200
DAYS = 30
BATCH = 5_000
NOW = datetime.now(UTC)
SERVICES = {"shop": 1, "api": 10, "cron": 997}
"""Every so many errors are of this one, the last that fits."""


def fill(store: Store, count: int, groups: int = GROUPS, days: int = DAYS) -> float:
    """Put *count* errors of so many groups in, over so many days; seconds of the store's own work."""
    contexts = [_example(number) for number in range(groups)]
    openings = [wire.dumps(wire.encode_process(_process(service))) for service in SERVICES]
    first = [*openings, *(wire.encode_error(context)[2] for context in contexts)]
    position, spent = 0, 0.0
    for begin in range(0, count, BATCH):
        frames = [_frame(contexts, number, count, days) for number in range(begin, min(count, begin + BATCH))]
        began = time.perf_counter()
        position = store.ingest(Batch("bench", position, position + 1, [*(first if not begin else ()), *frames]))
        spent += time.perf_counter() - began
        if sys.stderr.isatty():
            print(f"\r{begin + BATCH} of {count}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return spent


def _example(number: int) -> ErrorContext:
    key = f"v1:{number:016x}"
    stack = Stack(
        error_type=f"Error{number % 25}",
        module=f"shop.module{number}",
        function="work",
        file=f"/srv/shop/module{number}.py",
        line=number,
        template=f'Traceback (most recent call last):\n  File "module{number}.py", line {number}, in work\n\0',
        grouping=(f"Error{number % 25}", f"shop.module{number}.work: raise"),
        fingerprint=key,
    )
    severity = ErrorSeverity.CRITICAL if number % 50 == 0 else ErrorSeverity.ERROR
    return ErrorContext(
        error_id=new_id(),
        timestamp=NOW,
        severity=severity,
        error_message="",
        stack=stack,
        parts=(f"Error{number % 25}: it failed\n",),
        fingerprint=key,
        grouping=stack.grouping,
        logger_name="shop",
        thread_name="MainThread",
    )


def _process(service: str) -> Process:
    return replace(process.current(), process=service, service=service, environment="live")


def _frame(contexts: list[ErrorContext], number: int, count: int, days: int) -> str:
    # Some groups are far more frequent than others, as they are in life.
    context = contexts[min(len(contexts) - 1, int(len(contexts) * (number * 0.6180339887498949 % 1) ** 3))]
    message = f"no price for article a{number % (count // 10 or 1)}"
    moment = NOW - timedelta(days=days) * (1 - number / count)
    service = [name for name, every in SERVICES.items() if number % every == 0][-1]
    return wire.encode_error(
        replace(
            context,
            error_id=new_id(),
            timestamp=moment,
            error_message=message,
            log_message="cannot check out",
            process=_process(service),
        )
    )[0]


def questions(store: Store) -> dict[str, Callable[[], object]]:
    """What a page, a summary or a command asks."""
    newest = store.errors(limit=1)[0]
    day = newest.timestamp - timedelta(hours=24)
    frequent = store.groups(order="count", limit=1)[0].fingerprint
    return {
        "summary, all time": lambda: summarise(store),
        "summary, 24 hours": lambda: summarise(store, day),
        "groups, the latest 50": lambda: store.groups(),
        "groups, the most frequent 50": lambda: store.groups(order="count"),
        "a group": lambda: store.group(frequent),
        "the newest 10 of a group": lambda: store.errors(fingerprint=frequent),
        "the newest 10 critical ones": lambda: store.errors(at_least=ErrorSeverity.CRITICAL),
        "an error by its id": lambda: store.find(newest.error_id),
        "what became of groups": lambda: store.changes(),
    }


def _narrowed(store: Store, service: str, question: Callable[[], object]) -> Callable[[], object]:
    def ask() -> object:
        store.origin = Origin(service=service)
        try:
            return question()
        finally:
            store.origin = EVERYWHERE

    return ask


def measure(url: str, count: int, groups: int, days: int, rounds: int) -> dict[str, Any]:
    """Fill a registry, if it is empty, and ask it."""
    store = open_store(urls.parse(url))
    spent = math.inf if store.groups(limit=1) else fill(store, count, groups, days)
    health = store.health(thorough=False)
    began = time.perf_counter()
    store.groups(search="article")
    indexed = time.perf_counter() - began
    rare = f"price a{count // 20}"
    assert store.groups(search=rare), "the word is in there"
    asked = questions(store)
    asked["a word of few errors"] = lambda: store.groups(search=rare)
    for service in ("api", "cron"):
        for name in ("summary, 24 hours", "groups, the latest 50"):
            asked[f"{name}, of the service {service}"] = _narrowed(store, service, asked[name])
    times: dict[str, float] = {}
    for name, question in asked.items():
        question()
        taken = []
        for _ in range(rounds):
            began = time.perf_counter()
            question()
            taken.append(time.perf_counter() - began)
        times[name] = statistics.median(taken) * 1000
    store.close()
    return {
        "errors": count,
        "rows per second": round(count / spent),
        "bytes per error": round(health.size_bytes / count),
        "seconds to index its words": round(indexed, 1),
        "milliseconds": {name: round(value, 3) for name, value in times.items()},
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--errors", type=int, default=1_000_000, help="how many are many; default 1000000")
    parser.add_argument("--groups", type=int, default=GROUPS, help=f"default {GROUPS}")
    parser.add_argument("--days", type=int, default=DAYS, help=f"over which they are spread; default {DAYS}")
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    parser.add_argument(
        "--store", metavar="URL", help="a registry for each size, filled if it is empty; {} stands for its number"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = args.store or f"sqlite:///{os.path.join(folder, 'scale-{}.db')}"
        results = [
            measure(url.format(number), count, args.groups, args.days, args.rounds)
            for number, count in enumerate((10_000, args.errors))
        ]
    if args.json:
        print(json.dumps(results, indent=2))
        return 0
    few, many = results
    for name in ("errors", "rows per second", "bytes per error", "seconds to index its words"):
        print(f"{name:<44}{few[name]:>12}{many[name]:>12}")
    for name, value in few["milliseconds"].items():
        more = many["milliseconds"][name]
        print(f"{name:<44}{value:>10.2f}ms{more:>10.2f}ms{more / value:>8.1f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
