"""`llama-logging predict status`: how good predictions are, what came of them, and whether acting on them helps."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from llama_logging.answers.wording import ago
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_store, count, moment
from llama_logging.cli.predicting import warnings_told
from llama_logging.cli.terminal import painted, print_json, print_table
from llama_logging.exceptions import StoreError
from llama_logging.prediction.effect import Effect, effects
from llama_logging.prediction.forecast import ANY, Fate
from llama_logging.prediction.ledger import GRACE, Announcement, Rating
from llama_logging.registry import Store
from llama_logging.visible import counted, printable

HEARD = timedelta(days=7)
"""What a process says of how good it is, is shown for so long, unless one asks for more."""

_COLOURS = {Fate.HIT: "32", Fate.MISS: "33", Fate.CENSORED: "2", Fate.PENDING: "36"}
_FINGERPRINT = 11
"""Characters of a fingerprint that stand for it where nothing else is known of the group."""


def add(commands: Any) -> None:
    """Add the command."""
    status = commands.add_parser(
        "status", help="show how good predictions are, the latest ones, and whether acting on them helps"
    )
    status.add_argument("--limit", type=count, default=20, metavar="N", help="number of latest predictions; default 20")
    status.add_argument(
        "--since",
        type=moment,
        metavar="WHEN",
        help="30m, 24h, 7d, or an ISO moment; default: all predictions kept, of predictors active within a week",
    )
    status.set_defaults(execute_predict=execute)
    add_store(status)


def execute(args: argparse.Namespace) -> int:
    """Print it."""
    now = datetime.now(UTC)
    with opened(args) as store:
        with contextlib.suppress(StoreError):  # one that may only be read
            store.settle_predictions(now - timedelta(seconds=GRACE))
        ratings = store.prediction_quality(args.since or now - HEARD)
        latest = store.predictions(since=args.since, limit=args.limit)
        found = effects(store.prediction_arms(args.since))
        names = _names(store, [r.quality.group for r in ratings] + [a.prediction.group for a in latest])
    if args.json:
        print_json(
            {
                "quality": [dataclasses.asdict(rating) for rating in ratings],
                "predictions": [dataclasses.asdict(announcement) for announcement in latest],
                "effects": [dataclasses.asdict(effect) for effect in found],
            }
        )
        return 0
    if not ratings and not latest:
        print("no predictions yet: a PredictionHandler learns first, see docs/prediction.md")
        return 0
    for rating in ratings:
        _print_rating(rating, names)
    if latest:
        _print_latest(latest, names)
    for effect in found:
        print(painted(f"acting on {printable(names.get(effect.group, effect.group))}, {_within(effect.horizon)}", "1"))
        print(f"  {_told(effect)}")
    return 0


def _names(store: Store, fingerprints: list[str]) -> dict[str, str]:
    """What people call the groups."""
    names = {ANY: "any error"}
    for fingerprint in fingerprints:
        if fingerprint not in names:
            group = store.group(fingerprint)
            known = f"{group.error_type} in {group.source}" if group is not None else fingerprint[:_FINGERPRINT]
            names[fingerprint] = known
    return names


def _print_rating(rating: Rating, names: dict[str, str]) -> None:
    quality = rating.quality
    name = printable(names.get(quality.group, quality.group))
    print(painted(f"{name}, {_within(quality.horizon)}", "1") + f"  {printable(rating.role)}, {ago(rating.at)}")
    trust = painted("announced", "32") if quality.trusted else f"not announced: {printable(quality.why)}"
    print(f"  {trust}; {counted(quality.decisions, 'decision')}, an error followed {quality.positives} of them")
    rows = [
        [skill.name, f"{skill.average_precision:.3f}", f"{skill.log_loss:.3f}", f"{skill.calibration_error:.3f}"]
        for skill in quality.skills
    ]
    print_table(
        [["  BY", "AVERAGE PRECISION", "LOG LOSS", "CALIBRATION ERROR"], *([f"  {r[0]}", *r[1:]] for r in rows)]
    )
    print(f"  {warnings_told(quality)}\n")


def _print_latest(latest: list[Announcement], names: dict[str, str]) -> None:
    heading = ["WHEN", "FATE", "ERROR", "WITHIN", "P", "USUAL", "LEAD", "DONE", "BECAUSE", "ID"]
    rows = [
        [
            ago(datetime.fromtimestamp(announcement.prediction.at, UTC)),
            announcement.fate.value,
            names.get(announcement.prediction.group, ""),
            f"{announcement.prediction.horizon:g} s",
            f"{announcement.prediction.probability:.2f}",
            f"{announcement.prediction.usual:.2f}",
            "" if announcement.lead is None else f"{announcement.lead:.0f} s",
            announcement.action.value,
            announcement.prediction.precursors[0].template if announcement.prediction.precursors else "",
            announcement.prediction.prediction_id,
        ]
        for announcement in latest
    ]
    print_table([heading, *rows], {1: [_COLOURS[announcement.fate] for announcement in latest]})
    print()


def _told(effect: Effect) -> str:
    told = (
        f"the error came after {effect.acted_followed} of {effect.acted} that were acted on, "
        f"and after {effect.control_followed} of {effect.control} that were held back to compare"
    )
    if effect.difference is None or effect.low is None or effect.high is None:
        return f"{told}: nothing to compare yet"
    points = [round(100 * value) for value in (effect.difference, effect.low, effect.high)]
    return f"{told}: {points[0]:+d} points (95 % interval {points[1]:+d} to {points[2]:+d})"


def _within(horizon: float) -> str:
    return f"within {horizon:g} s"
