"""`python -m benchmarks.learning` simulates what `order: learned` saves: the time until something helped.

Each group of errors has strategies with a chance and a duration of their own, which nobody knows. The
ladder is climbed until one helps, in the order given, in the learned one, and in the best there is
(chance over duration; Mitten 1960), which is what regret is counted from. Virtual time: only the order
is the product's own code.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.context import ErrorContext
from llama_logging.recovery.learning import ordered
from llama_logging.recovery.rules import Step
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.registry.attempts import Record
from llama_logging.tried import OutcomeStatus

STRATEGIES = 5
ESCALATED = 120.0
"""Seconds that it costs if no strategy has helped: somebody has to come."""


@dataclass(frozen=True)
class Simulated:
    """A strategy with a chance to help and a mean duration in seconds."""

    option_names: ClassVar[tuple[str, ...]] = ()
    destructive: ClassVar[bool] = False
    name: str
    chance: float
    seconds: float
    scope: str = "thing"
    intent: str = "try"

    @classmethod
    def configure(cls, options: Options) -> Self:
        raise NotImplementedError

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        return Remedy(OutcomeStatus.FAILED)


def group(draw: random.Random) -> list[Simulated]:
    """Strategies of one group: some help often, some are quick."""
    return [
        Simulated(f"s{number}", draw.betavariate(0.7, 1.3), draw.uniform(0.5, 20.0)) for number in range(STRATEGIES)
    ]


def climb(order: Sequence[Simulated], draw: random.Random) -> tuple[float, list[tuple[str, bool, float]]]:
    """Seconds until something helped, and what each try was."""
    total, tries = 0.0, []
    for strategy in order:
        took, helps = draw.expovariate(1 / strategy.seconds), draw.random() < strategy.chance
        total += took
        tries.append((strategy.name, helps, took))
        if helps:
            return total, tries
    return total + ESCALATED, tries


def incidents(strategies: list[Simulated], count: int, way: str, draw: random.Random) -> list[float]:
    """Seconds until recovery, for one incident after the other."""
    records: dict[str, Record] = {}
    best = sorted(strategies, key=lambda strategy: -strategy.chance / strategy.seconds)
    ways: dict[str, Callable[[], Sequence[Any]]] = {
        "given": lambda: strategies,
        "best": lambda: best,
        "learned": lambda: [
            step.strategy
            for step in ordered([Step(each) for each in strategies], records.values(), draw)  # type: ignore[arg-type]
        ],
    }
    times = []
    for _ in range(count):
        took, tries = climb(ways[way](), draw)
        times.append(took)
        for name, helped, seconds in tries:
            known = records.get(name, Record(strategy=name, tried=0, recovered=0, seconds=0.0))
            mean = (known.seconds * known.tried + seconds) / (known.tried + 1)
            records[name] = replace(known, tried=known.tried + 1, recovered=known.recovered + helped, seconds=mean)
    return times


def simulate(groups: int, count: int, seed: int) -> dict[str, Any]:
    """Mean seconds until recovery, and regret, over *groups* groups of *count* incidents."""
    times: dict[str, list[list[float]]] = {"given": [], "learned": [], "best": []}
    for number in range(groups):
        strategies = group(random.Random(f"{seed} {number}"))
        for way, found in times.items():
            found.append(incidents(strategies, count, way, random.Random(f"{seed} {number} {way}")))
    result: dict[str, Any] = {"groups": groups, "incidents": count}
    for way, found in times.items():
        result[way] = {
            "mean time to recovery": round(statistics.fmean(value for each in found for value in each), 2),
            "of the first ten": round(statistics.fmean(value for each in found for value in each[:10]), 2),
            "of the last ten": round(statistics.fmean(value for each in found for value in each[-10:]), 2),
        }
    for way in ("given", "learned"):
        regrets = [sum(mine) - sum(best) for mine, best in zip(times[way], times["best"], strict=True)]
        result[way]["regret per incident"] = round(statistics.fmean(regrets) / count, 2)
    return result


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__)
    parser.add_argument("--groups", type=int, default=300, help="default 300")
    parser.add_argument("--incidents", type=int, default=100, help="of each group; default 100")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    result = simulate(args.groups, args.incidents, args.seed)
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{args.groups} groups, {args.incidents} incidents each, {STRATEGIES} strategies; seconds of virtual time\n")
    print(f"{'order':<10}{'mean':>10}{'first ten':>12}{'last ten':>12}{'regret':>10}")
    for way in ("given", "learned", "best"):
        row = result[way]
        regret = f"{row['regret per incident']:>10.2f}" if "regret per incident" in row else ""
        cells = f"{row['mean time to recovery']:>10.2f}{row['of the first ten']:>12.2f}{row['of the last ten']:>12.2f}"
        print(f"{way:<10}{cells}{regret}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
