"""`llama-logging summary`."""

from __future__ import annotations

import argparse
from datetime import datetime

from llama_logging.answers.summary import ErrorSummary, summarise
from llama_logging.answers.wording import ago, local
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_origin, add_selection, add_store, origin_of
from llama_logging.cli.terminal import COLOURS, painted, print_json, print_table
from llama_logging.context import ErrorSeverity
from llama_logging.plain import last_line
from llama_logging.registry.origins import Origin
from llama_logging.visible import counted, printable

HELP = "summarise the errors: totals, severities, most frequent types, newest"
EPILOG = "Example: llama-logging summary --since 24h --severity ERROR"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_store(parser)
    add_selection(parser, ErrorSeverity.WARNING)
    add_origin(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the summary."""
    with opened(args) as store:
        summary = summarise(store, args.since, args.severity)
    if args.json:
        print_json(summary.as_dict())
    else:
        _print(summary, args.since, origin_of(args))
    return 0


def _print(summary: ErrorSummary, since: datetime | None, origin: Origin) -> None:
    period = f" since {local(since)}" if since else ""
    print(painted(printable(f"{counted(summary.total_errors, 'error')}{origin}{period}"), "1"))
    for level, count in summary.errors_by_severity.items():
        print(f"  {painted(level.name, COLOURS[level])}  {count}")
    if summary.top_error_types:
        print(painted("Most frequent", "1"))
        for name, count in summary.top_error_types.items():
            print(f"  {count:>6}  {printable(name)}")
    if summary.recent_errors:
        print(painted("Newest", "1"))
        rows = [["WHEN", "SEVERITY", "ERROR", "ID"]] + [
            [ago(e.timestamp), e.severity.name, last_line(e.error_type, e.error_message), e.error_id]
            for e in summary.recent_errors
        ]
        print_table(rows, {1: [COLOURS[e.severity] for e in summary.recent_errors]})
