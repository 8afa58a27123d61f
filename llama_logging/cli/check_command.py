"""`llama-logging check`."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from llama_logging.attachment.checking import check
from llama_logging.cli.terminal import print_json
from llama_logging.config.files import parse, read, repeated
from llama_logging.config.mistakes import Problem
from llama_logging.exceptions import ConfigError
from llama_logging.redaction import redact
from llama_logging.visible import printable

HELP = "find every mistake in a logging.yaml"
EPILOG = "Exit code 0: no mistakes, perhaps warnings; 1: mistakes, one on each line."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="a logging configuration in YAML")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(args: argparse.Namespace) -> int:
    """Print the mistakes."""
    try:
        text = read(args.file)
        problems = [*check(parse(text, args.file)), *repeated(text)]
    except ConfigError as error:
        problems = [Problem("", str(error), fatal=True)]
    problems = [dataclasses.replace(problem, message=redact(problem.message)) for problem in problems]
    if args.json:
        print_json([dataclasses.asdict(problem) for problem in problems])
    for problem in problems if not args.json else ():
        print(printable(f"{args.file}: {problem}" if problem.path else problem.message))
    if all(problem.warning for problem in problems):
        print(f"{args.file}: no mistakes", file=sys.stderr)
        return 0
    return 1
