"""`llama-logging predict`."""

from __future__ import annotations

import argparse
from typing import Any

from llama_logging.cli import predict_status

HELP = "how good predictions of errors are, what was predicted, and whether acting on it helps"
EPILOG = "Example: llama-logging predict status --since 7d"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    commands: Any = parser.add_subparsers(metavar="ACTION", required=True)
    predict_status.add(commands)


def execute(args: argparse.Namespace) -> int:
    """Do what was asked."""
    code: int = args.action(args)
    return code
