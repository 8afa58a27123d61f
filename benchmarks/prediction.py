"""`python -m benchmarks.prediction` prints how well errors are predicted, beside the simplest predictors.

Every decision is scored before it is learned from. A trace is a log of a real application of which only numbers
are kept (`dt_ms,level,logger,template,etype`); a world is a service of `benchmarks.worlds`, whose best possible
prediction is known. The worlds of seeds 100 and up were never looked at while the predictor was made.
"""

from __future__ import annotations

import argparse
import bisect
import glob
import itertools
import logging
import os
import random
import statistics
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from benchmarks.worlds import CHANGE, DAY, START, World
from llama_logging.prediction.evaluation import NAMES, Evaluation, Replay, score
from llama_logging.prediction.forecast import Observation, Prediction
from llama_logging.prediction.forecaster import BASELINES
from llama_logging.prediction.predictor import Predictor
from llama_logging.prediction.reading import Reading, read
from llama_logging.reporters.unusual import Pace

HORIZON = 300.0
HELD_OUT = 100
ENOUGH = 50


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of a predictor in one world; log losses and precision of parts of the run, for each name."""

    seed: int
    precisions: dict[str, dict[str, float]]
    losses: dict[str, dict[str, float]]
    named: int = 0
    named_right: int = 0
    announced: int = 0
    parts: dict[str, int] = field(default_factory=dict)


def trace(path: str) -> list[Evaluation]:
    """The evaluations of one trace."""
    replay = Replay(Predictor(min_precision=0.0))
    replay.run(read(Reading(path)))
    return replay.evaluations()


def print_traces(paths: Sequence[str], jobs: int) -> None:
    """Ratios to the best baseline of each trace, and the early warnings."""
    with ProcessPoolExecutor(jobs) as pool:
        evaluated = list(pool.map(trace, paths))
    for evaluations in zip(*evaluated, strict=True):
        print(f"traces, an error within {evaluations[0].horizon:g} s")
        ratios = []
        for path, evaluation in zip(paths, evaluations, strict=True):
            ours, *others = evaluation.scores
            best = max(other.average_precision for other in others)
            least = min(other.log_loss for other in others)
            ratios.append((ours.average_precision / best, ours.log_loss / least, ours.calibration_error))
            print(
                f"  {os.path.basename(path):18} average precision {ours.average_precision:.3f} = {ratios[-1][0]:.3f} x "
                f"best baseline, log loss {ours.log_loss:.3f} = {ratios[-1][1]:.3f} x, "
                f"calibration error {ours.calibration_error:.3f}"
            )
        precision, loss, calibration = zip(*ratios, strict=True)
        print(
            f"  median ratios: average precision {statistics.median(precision):.3f} (worst {min(precision):.3f}), "
            f"log loss {statistics.median(loss):.3f} (worst {max(loss):.3f}); "
            f"calibration error {statistics.mean(calibration):.3f} (worst {max(calibration):.3f})"
        )
        _print_warnings(paths, evaluations)


def _print_warnings(paths: Sequence[str], evaluations: Sequence[Evaluation]) -> None:
    rows = []
    for path, evaluation in zip(paths, evaluations, strict=True):
        quality = evaluation.quality
        f1 = _f1(quality.hits, quality.announced, quality.foreseen, quality.onsets)
        lead = f"{quality.median_lead:.0f}" if quality.median_lead is not None else "-"
        print(
            f"  {os.path.basename(path):18} onsets {quality.onsets}, foreseen {quality.foreseen}; warnings "
            f"{quality.announced}, right {quality.hits}; F1 {f1:.2f}, median lead {lead} s, "
            f"{quality.false_alarms_per_day:.1f} false a day"
        )
        if quality.onsets >= ENOUGH:
            rows.append((quality.hits, quality.announced, quality.foreseen, quality.onsets, f1))
    if rows:
        hits, announced, foreseen, onsets, f1s = zip(*rows, strict=True)
        pooled = _f1(sum(hits), sum(announced), sum(foreseen), sum(onsets))
        print(f"  with {ENOUGH} onsets or more: F1 {pooled:.2f} all together, {statistics.mean(f1s):.2f} on average")


def _f1(hits: int, announced: int, foreseen: int, onsets: int) -> float:
    precision, recall = hits / max(1, announced), foreseen / max(1, onsets)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def visit(seed: int, days: float, changes: bool = False) -> Visit:
    """Let a new predictor live in the world of *seed*."""
    world = World(seed, days, changes=changes)
    replay = Replay(Predictor(horizons=(HORIZON,), min_precision=0.0))
    replay.run(happening.observation for happening in world.happenings)
    decisions = sorted(replay.decisions[HORIZON], key=lambda decision: decision.at)
    for decision in decisions:
        decision.said = (*decision.said, world.chance(decision.at, HORIZON))
    named, right = _named(world, replay.predictions, replay.leads)
    parts = {
        "days 5-7": (5.0, 7.0),
        "days 12-14": (12.0, 14.0),
        "second half": (days / 2, days),
        "all": (0.0, days),
        "after change": (CHANGE * days, days),
    }
    precisions, losses = {}, {}
    for part, (first, end) in parts.items():
        within = [decision for decision in decisions if first <= (decision.at - START) / DAY < end]
        if within and end <= days:
            scores = {name: score(name, within, index) for index, name in enumerate((*NAMES, "best"))}
            precisions[part] = {name: found.average_precision for name, found in scores.items()}
            losses[part] = {name: found.log_loss for name, found in scores.items()}
    return Visit(seed, precisions, losses, named, right, len(replay.predictions))


def _named(world: World, predictions: Iterable[Prediction], leads: dict[str, float | None]) -> tuple[int, int]:
    """Hits on errors that were announced by something, and those of them where it was named first."""
    errors = [happening for happening in world.happenings if happening.observation.level >= logging.ERROR]
    moments = [happening.observation.at for happening in errors]
    named = right = 0
    for prediction in predictions:
        if prediction.group or leads.get(prediction.prediction_id) is None:
            continue
        causes = errors[bisect.bisect_right(moments, prediction.at)].causes
        if causes:
            named += 1
            right += bool(prediction.precursors) and prediction.precursors[0].template in causes
    return named, right


def print_worlds(seeds: Sequence[int], days: float, jobs: int) -> None:
    """Ratios to the best possible prediction."""
    with ProcessPoolExecutor(jobs) as pool:
        visits = list(pool.map(visit, seeds, [days] * len(seeds)))
        changed = list(pool.map(visit, seeds, [days] * len(seeds), [True] * len(seeds)))
    print(f"worlds of the seeds {seeds[0]} to {seeds[-1]}, {days:g} days, an error within {HORIZON:g} s")
    for part in visits[0].precisions:
        names = (*NAMES, "best")
        mean = {name: statistics.mean(visit.precisions[part][name] for visit in visits) for name in names}
        loss = {name: statistics.mean(visit.losses[part][name] for visit in visits) for name in names}
        gain = (loss["base"] - loss["predictor"]) / (loss["base"] - loss["best"])
        baseline = max(mean[name] for name in BASELINES)
        print(
            f"  {part:12} average precision {mean['predictor']:.3f} = {mean['predictor'] / mean['best']:.3f} of the "
            f"best possible {mean['best']:.3f}; best baseline {baseline:.3f}; {gain:.3f} of the best log-loss gain"
        )
    for part in ("all", "after change"):
        ratios = [other.precisions[part]["predictor"] / other.precisions[part]["best"] for other in changed]
        usual = [visit.precisions[part]["predictor"] / visit.precisions[part]["best"] for visit in visits]
        lost = 1.0 - statistics.mean(ratios) / statistics.mean(usual)
        print(f"  all precursors renamed at {CHANGE:.0%}: {lost:.1%} average precision lost ({part})")
    named, right = sum(visit.named for visit in visits), sum(visit.named_right for visit in visits)
    print(f"  true precursor named first in {right} of {named} hits = {right / max(1, named):.2f}")


def print_noise(seeds: Sequence[int], days: float) -> None:
    """Announcements where nothing can be foreseen, with the trust that is the default."""
    counts = []
    for seed in seeds:
        predictor = Predictor()
        world = World(seed, days, pure_noise=True)
        counts.append(sum(len(predictor.observe(happening.observation)) for happening in world.happenings))
    print(f"pure noise, {len(seeds)} worlds, {days:g} days: announcements {counts}")


def print_unusual(seeds: Sequence[int]) -> None:
    """Alarms in 30 days, and the delay when the rate rises."""
    for hourly in (1.0, 0.1, 10.0):
        false = statistics.mean(_unusual(seed, hourly, 1.0) for seed in seeds)
        delays = {times: [_unusual(seed, hourly, times) for seed in seeds] for times in (3.0, 10.0, 60.0)}
        told = ", ".join(
            f"x{times:g} seen after {statistics.mean(found):.1f} min (median {statistics.median(found):g})"
            for times, found in delays.items()
        )
        print(f"unusual, at {hourly:g} errors an hour, {len(seeds)} seeds: {false:.2f} false alarms in 30 days; {told}")


def _unusual(seed: int, hourly: float, times: float) -> float:
    """After two weeks: the minutes until it is seen, at most half a day; or where nothing rises, alarms in 30 days."""
    pace, alarms, quiet = Pace(0), 0, 14 * 1440
    end = quiet + (43_200 if times == 1.0 else 720)
    for minute, errors in itertools.groupby(_minutes(random.Random(seed), hourly / 60.0, times, quiet, end)):
        before = pace.is_unusual(minute)
        pace.count(minute, len(list(errors)))
        if minute <= quiet or not pace.is_unusual(minute):
            continue
        if times != 1.0:
            return minute - quiet
        alarms += not before
    return alarms if times == 1.0 else 720.0


def _minutes(dice: random.Random, rate: float, times: float, quiet: int, end: int) -> Iterator[int]:
    """The minute of each error; *times* as many after *quiet* minutes."""
    at = 0.0
    while True:
        at += dice.expovariate(rate)
        moment = at if at <= quiet else quiet + (at - quiet) / times
        if moment >= end:
            return
        yield int(moment) + 1


def print_costs(seed: int) -> None:
    """Microseconds of a record and of a decision, and bytes at the worst."""
    world = World(seed, 1.0)
    observations = [happening.observation for happening in world.happenings]
    predictor = Predictor()
    for observation in observations:
        predictor.stream.add(observation)
    began = time.process_time()
    for observation in observations:
        predictor.stream.add(observation)
    record = (time.process_time() - began) / len(observations)
    few, many = (_decision(found, record) for found in (observations, _with_groups(observations, 30)))
    print(
        f"cost: {record * 1e6:.1f} us a record, {few * 1e6:.0f} us a decision, all its learning included; "
        f"{many * 1e6:.0f} with 30 more groups of error"
    )
    tracemalloc.start()
    predictor = Predictor()
    dice = random.Random(seed)
    for step in range(20_000):
        level = logging.ERROR if step % 10 == 0 else logging.INFO
        name = f"logger{dice.randrange(3000)}: message {dice.randrange(10**9)} " + "x" * 300
        numbers = tuple(dice.random() for _ in range(4))
        predictor.observe(Observation(at=START + step * 2.0, level=level, template=name, group=name, numbers=numbers))
    print(f"memory with 20,000 different messages: {tracemalloc.get_traced_memory()[0] / 2**20:.1f} MB")
    tracemalloc.stop()


def _decision(observations: Sequence[Observation], record: float) -> float:
    """Seconds of a decision, where a record takes *record*."""
    predictor = Predictor(horizons=(HORIZON,))
    decided = 0

    def count(*_: object) -> None:
        nonlocal decided
        decided += 1

    predictor.forecasters[0].watch = count
    began = time.process_time()
    for observation in observations:
        predictor.observe(observation)
    return (time.process_time() - began - record * len(observations)) / decided


def _with_groups(observations: Sequence[Observation], groups: int) -> list[Observation]:
    """And errors of so many other kinds, one in two minutes."""
    dice, at, more = random.Random(groups), observations[0].at, list(observations)
    while (at := at + dice.expovariate(1 / 120.0)) < observations[-1].at:
        name = f"kind{dice.randrange(groups)}: failed"
        more.append(Observation(at=at, level=logging.ERROR, template=name, group=name))
    return sorted(more, key=lambda observation: observation.at)


def main(argv: Sequence[str] | None = None) -> None:
    """Print what is asked for; all without options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    parser.add_argument("--traces", metavar="FOLDER", help="with *.csv.gz; none are replayed without it")
    parser.add_argument("--only", choices=("traces", "worlds", "noise", "unusual", "costs"))
    parser.add_argument("--seeds", type=int, default=6, metavar="N", help="so many worlds; default 6")
    parser.add_argument("--first", type=int, default=HELD_OUT, metavar="SEED", help=f"default {HELD_OUT}")
    parser.add_argument("--days", type=float, default=14.0, help="default 14")
    parser.add_argument("--jobs", type=int, default=2, help="processes; default 2")
    args = parser.parse_args(argv)
    seeds = range(args.first, args.first + args.seeds)
    if args.traces and args.only in (None, "traces"):
        print_traces(sorted(glob.glob(os.path.join(args.traces, "*.csv.gz"))), args.jobs)
    if args.only in (None, "worlds"):
        print_worlds(seeds, args.days, args.jobs)
    if args.only in (None, "noise"):
        print_noise(seeds[:3], args.days)
    if args.only in (None, "unusual"):
        print_unusual(range(500))
    if args.only in (None, "costs"):
        print_costs(args.first)


if __name__ == "__main__":
    main()
