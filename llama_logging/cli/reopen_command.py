"""`llama-logging reopen`."""

from __future__ import annotations

import argparse

from llama_logging.cli.deciding import add_groups, decide

HELP = "reopen groups that were resolved or muted"
EPILOG = "List resolved groups: llama-logging list --state resolved"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_groups(parser)


def execute(args: argparse.Namespace) -> int:
    """Reopen them."""
    return decide(args, lambda store, name, at, by: store.reopen(name, at, by))
