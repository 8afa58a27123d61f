"""`llama-logging stats`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from llama_logging.answers.wording import local
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_origin, add_store
from llama_logging.cli.terminal import COLOURS, painted, print_json, print_table, room
from llama_logging.context import ErrorSeverity
from llama_logging.registry.figures import Steps
from llama_logging.visible import counted

HELP = "show how many errors there were over time, by severity"
EPILOG = "Example: llama-logging stats --by day --last 30"

_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_WIDTH, _NARROWEST = 40, 4
"""Characters of the longest bar; where there is no room for the second, there are none."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_store(parser)
    add_origin(parser)
    parser.add_argument("--by", choices=_MINUTES, default="hour", help="default hour; days are UTC days")
    parser.add_argument("--last", type=_number, default=24, metavar="N", help="number of periods; default 24")


def execute(args: argparse.Namespace) -> int:
    """Print them, the oldest first."""
    steps = Steps.ending(datetime.now(UTC), _MINUTES[args.by], args.last)
    with opened(args) as store:
        timeline = store.timeline(steps)
    totals = [sum(counts[number] for counts in timeline.values()) for number in range(steps.count)]
    if args.json:
        print_json(
            [
                {"from": moment, "total": total, **{level.name: timeline[level][number] for level in timeline}}
                for number, (moment, total) in enumerate(zip(steps.moments, totals, strict=True))
            ]
        )
        return 0
    most, worst = max(totals), next(iter(timeline), ErrorSeverity.ERROR)
    rows = [["FROM", "ERRORS", *(level.name for level in timeline)]]
    for number, (moment, total) in enumerate(zip(steps.moments, totals, strict=True)):
        rows.append(
            [local(moment, "minutes"), *(str(n or "") for n in (total, *(c[number] for c in timeline.values())))]
        )
    left = (room() or sys.maxsize) - sum(2 + max(map(len, column)) for column in zip(*rows, strict=True))
    width = min(_WIDTH, left) if left >= _NARROWEST else 0
    bars = [_block() * -(-total * width // most) if most else "" for total in totals]
    print_table([[*row, bar] for row, bar in zip(rows, ["", *bars], strict=True)])
    print(painted(counted(sum(totals), "error"), f"1;{COLOURS[worst]}" if most else "1"))
    return 0


def _block() -> str:
    """What bars are made of: spelled out, a block would be as long as six."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except UnicodeError:
        return "#"
    return "█"


def _number(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 0 < int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000, got {text!r}")
    return int(text)
