"""`llama-logging mute`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from llama_logging.cli.deciding import add_groups, decide
from llama_logging.cli.options import count, seconds
from llama_logging.exceptions import ConfigError

HELP = "keep counting a group's errors, but stop reporting them"
EPILOG = "Example: llama-logging mute 01a2 --until-count 100 --per 1h. Without an option: until reopened."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_groups(parser)
    parser.add_argument("--for", dest="period", type=seconds, metavar="TIME", help="for this long: 30m, 24h, 7d")
    parser.add_argument("--until-count", type=count, metavar="N", help="until N errors come within the time of --per")
    parser.add_argument("--per", type=seconds, metavar="TIME", help="for --until-count: 10m, 1h")


def execute(args: argparse.Namespace) -> int:
    """Mute them."""
    if (args.until_count is None) != (args.per is None):
        raise ConfigError("--until-count and --per go together")
    if args.until_count == 0 or args.per == 0:
        raise ConfigError("--until-count and --per need more than 0")
    until = None if args.period is None else datetime.now(UTC) + timedelta(seconds=args.period)
    return decide(
        args,
        lambda store, name, at, by: store.mute(name, at, by, until=until, count=args.until_count, period=args.per),
    )
