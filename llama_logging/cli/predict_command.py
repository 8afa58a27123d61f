"""`llama-logging predict`."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from llama_logging.cli import predict_status
from llama_logging.cli.options import seconds
from llama_logging.cli.predicting import print_evaluations
from llama_logging.cli.terminal import print_json, progress
from llama_logging.prediction.evaluation import evaluate
from llama_logging.prediction.reading import Reading, read
from llama_logging.visible import counted, printable

HELP = "see how good predictions are: those made so far, or on your own logs"
EPILOG = "Examples: llama-logging predict status --since 7d · predict evaluate app.log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    predict_status.add(commands)
    add_evaluate(commands)


def add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate`."""
    text = "replay logs, and compare what would have been predicted with what came"
    command = commands.add_parser("evaluate", help=text, description=text)
    command.add_argument(
        "files", metavar="FILE", nargs="+", help="JSON lines, or text with time, level, logger and message; also .gz"
    )
    command.add_argument(
        "--horizon",
        dest="horizons",
        metavar="TIME",
        type=seconds,
        action="append",
        help="how far to look ahead: 60s, 5m; repeatable; default 60s and 5m",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(execute_predict=execute_evaluate)


def execute(args: argparse.Namespace) -> int:
    """Run the subcommand."""
    code: int = args.execute_predict(args)
    return code


def execute_evaluate(args: argparse.Namespace) -> int:
    """Print how each file would have gone."""
    documents = []
    for path in args.files:
        reading = Reading(path)
        with progress("records", reading.share) as tick:
            evaluations = evaluate(read(reading), args.horizons or (60.0, 300.0), tick)
        if args.json:
            horizons = [{**dataclasses.asdict(found), "helps": found.helps} for found in evaluations]
            counts = {"path": path, "records": reading.records, "skipped": reading.skipped}
            documents.append({**counts, "horizons": horizons})
            continue
        print_evaluations(printable(path), evaluations)
        if reading.skipped:
            skipped = counted(reading.skipped, "line was no record", "lines were no records")
            print(printable(f"llama-logging: {path}: {skipped}"), file=sys.stderr)
    if args.json:
        print_json(documents)
    return 0
