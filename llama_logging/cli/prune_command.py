"""`llama-logging prune`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_store, count, seconds, size
from llama_logging.cli.terminal import print_json, progress
from llama_logging.exceptions import ConfigError
from llama_logging.retention import AT_ONCE, Retention
from llama_logging.visible import counted

HELP = "delete details of errors, the least informative first; totals stay"
EPILOG = "The RegistryHandler's option `retention` does this automatically."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--older-than", type=seconds, metavar="TIME", help="all errors older than this: 90d, 4w")
    parser.add_argument("--keep", type=count, metavar="N", help="keep the details of at most N errors")
    parser.add_argument("--max-size", type=size, metavar="SIZE", help="shrink the registry to this size: 500M, 2G")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Prune in small batches."""
    retention = Retention(period=args.older_than, errors=args.keep, size_bytes=args.max_size)
    if retention == Retention():
        raise ConfigError("prune needs --older-than, --keep or --max-size")
    total = 0
    with opened(args) as store, progress("errors and groups pruned") as tick:
        while store.exists and (dropped := store.prune(retention, datetime.now(UTC), AT_ONCE)):
            total += dropped
            tick(total)
        health = store.health(thorough=False)
    if args.json:
        print_json({"pruned": total, "errors": health.errors, "size_bytes": health.size_bytes})
    else:
        gone, size = counted(total, "error or group", "errors and groups"), f"{health.size_bytes / 1e6:.1f} MB"
        print(f"{gone} pruned; the details of {health.errors} are kept in {size}")
    return 0
