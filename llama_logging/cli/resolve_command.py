"""`llama-logging resolve`."""

from __future__ import annotations

import argparse

from llama_logging.cli.deciding import add_groups, decide

HELP = "mark groups as fixed; if an error comes back, its group has regressed"
EPILOG = "Releases are ordered by when they were first seen, so any naming scheme works."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_groups(parser)
    release = parser.add_mutually_exclusive_group()
    release.add_argument(
        "--in",
        dest="release",
        metavar="RELEASE",
        default="",
        help="fixed in this release: errors of earlier ones are expected",
    )
    release.add_argument("--in-next", action="store_true", help="fixed in the next release after the latest")


def execute(args: argparse.Namespace) -> int:
    """Resolve them."""
    return decide(
        args,
        lambda store, name, at, by: store.resolve(name, at, by, release=args.release, after_latest=args.in_next),
    )
