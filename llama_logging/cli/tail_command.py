"""`llama-logging tail`."""

from __future__ import annotations

import argparse
import time

from llama_logging.answers.wording import local
from llama_logging.cli import registries
from llama_logging.cli.looking import opened, told
from llama_logging.cli.options import add_origin, add_selection, add_store, count
from llama_logging.cli.terminal import COLOURS, painted, print_json
from llama_logging.context import ErrorContext
from llama_logging.documents.exports import as_document
from llama_logging.exceptions import StoreError
from llama_logging.ingest import Intake
from llama_logging.plain import last_line
from llama_logging.registry.outbox import Outbox
from llama_logging.visible import printable

HELP = "print the newest errors; -f follows"
EPILOG = "With --json, one JSON object per line."

PAUSE = 0.25
"""Seconds between two looks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_store(parser)
    add_selection(parser)
    add_origin(parser)
    parser.add_argument(
        "-n", "--lines", type=count, default=10, metavar="N", help="number of old errors to print first; default 10"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="follow until Ctrl-C")


def execute(args: argparse.Namespace) -> int:
    """Print errors in the order in which they came."""
    with opened(args) as store:
        position, _ = store.errors_after(-1)
        for context in reversed(store.errors(since=args.since, at_least=args.severity, limit=args.lines)):
            _print(context, as_json=args.json)
        if args.follow:
            _follow(args, store, position)
    return 0


def _follow(args: argparse.Namespace, store: Outbox, position: int) -> None:
    url, problem = registries.named(args), ""
    # What dead and living processes have written is brought in, too.
    intake = Intake(store, url.directories, path=url.path or None) if store.may_write else None
    while True:
        time.sleep(PAUSE)
        errors: list[ErrorContext] = []
        now = ""
        try:
            if intake is not None:
                intake.run()
                now = str(intake.failure or "")
            position, errors = store.errors_after(position)
            problem = told(now, problem)
        except StoreError as error:
            store.close()
            problem = told(str(error), problem)
        for context in errors:
            if context.severity >= args.severity:
                _print(context, as_json=args.json)


def _print(context: ErrorContext, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(context), indent=None)
    else:
        moment = local(context.timestamp)
        level = painted(f"{context.severity.name:<8}", COLOURS[context.severity])
        error = printable(last_line(context.error_type, context.error_message))
        where = f"{context.source_module}.{context.source_function}"
        print(
            f"{moment} {level} {painted(printable(where), '2')}  {error}  {painted(printable(context.error_id), '2')}"
        )
    # A pipe would otherwise keep it until 8 KiB are together.
    print(end="", flush=True)
