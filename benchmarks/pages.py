"""`python -m benchmarks.pages` prints what the pages of the dashboard cost: the server's time, and their size.

A registry of many errors and groups is filled as for `benchmarks.scale`, and each page asked for some times,
without a network; the median counts. The goal is 50 ms for every page at ten million errors and ten thousand
groups, and less than 100 kB for the first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

from benchmarks.scale import fill
from llama_logging.registry.groups import GroupState
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import open_store, urls

warnings.filterwarnings("ignore", message="Using `httpx`")

GOAL = 50.0
"""Milliseconds."""
TOKEN = "of the benchmark, which changes nothing"


def paths(store: Outbox) -> dict[str, str]:
    """A page of each kind; of groups and errors those that cost most."""
    group = store.groups(order="count", limit=1)[0]
    newest = store.errors(fingerprint=group.fingerprint, limit=1)[0]
    middle = store.errors_beside(newest.error_id, limit=200)[-1]
    return {
        "groups": "/",
        "groups, the most frequent": "/?sort=count",
        "groups, page 200": "/?page=200",
        "groups, all states": "/?state=all",
        "groups, a word of few": "/?q=a1234&state=all",
        "groups, how many words begin": "/?q=a5&state=all",
        "a group": f"/g/{group.fingerprint.partition(':')[2]}",
        "an error in its midst": f"/e/{middle.error_id}",
        "overview, 1 hour": "/overview?since=1h",
        "overview, 24 hours": "/overview",
        "overview, 7 days": "/overview?since=7d",
        "overview, 30 days": "/overview?since=30d",
        "recovery": "/recovery",
        "predictions": "/predictions",
        "health": "/health",
        "a trace": "/trace/0af7651916cd43dd8448eb211c80319c",
    }


def measure(store: Outbox, rounds: int) -> dict[str, tuple[float, int]]:
    """Milliseconds and bytes of each page."""
    from starlette.testclient import TestClient

    from llama_logging.web import dashboard

    client = TestClient(dashboard(store, token=TOKEN), base_url="http://localhost")
    client.get(f"/?token={TOKEN}")
    found = {}
    for name, path in paths(store).items():
        answers = [client.get(path) for _ in range(rounds + 1)][1:]
        assert all(answer.status_code == 200 for answer in answers), path
        times = [float(answer.headers["server-timing"].partition("dur=")[2]) for answer in answers]
        found[name] = statistics.median(times), len(answers[0].content)
    return found


def changing(store: Outbox) -> dict[str, Callable[[], object]]:
    """What open pages ask for every second."""
    return {
        "the pulse": store.pulse,
        "states": store.states,
        "resolved": lambda: store.groups(state=GroupState.RESOLVED),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--errors", type=int, default=1_000_000, help="default 1000000")
    parser.add_argument("--groups", type=int, default=10_000, help="default 10000")
    parser.add_argument("--days", type=int, default=60, help="over which they are spread; default 60")
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    parser.add_argument("--store", metavar="URL", help="a registry that is filled if it is empty")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(urls.parse(args.store or f"sqlite:///{os.path.join(folder, 'pages.db')}"))
        if not store.groups(limit=1):
            fill(store, args.errors, args.groups, args.days)
        began = time.perf_counter()
        store.groups(search="article")
        indexed = time.perf_counter() - began
        pages = measure(store, args.rounds)
        questions: dict[str, float] = {}
        for name, question in changing(store).items():
            taken = []
            for _ in range(args.rounds):
                began = time.perf_counter()
                question()
                taken.append((time.perf_counter() - began) * 1000)
            questions[name] = statistics.median(taken)
        vitals = store.vitals()
        store.close()
    if args.json:
        print(json.dumps({"errors": vitals.errors, "groups": vitals.groups, "pages": pages, "questions": questions}))
    else:
        size = f"{vitals.size_bytes / 1e6:.0f} MB"
        print(f"{vitals.errors} errors, {vitals.groups} groups, {size}; indexed in {indexed:.0f} s")
        for name, (milliseconds, length) in pages.items():
            told = "" if milliseconds <= GOAL else "  over the goal"
            print(f"{name:<28}{milliseconds:>8.1f} ms{length / 1000:>8.1f} kB{told}")
        for name, milliseconds in questions.items():
            print(f"{name:<28}{milliseconds:>8.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
