"""`llama-logging trace`."""

from __future__ import annotations

import argparse

from llama_logging.cli.terminal import COLOURS, add_store, local, opened, print_json, print_table
from llama_logging.exceptions import ErrorNotFound
from llama_logging.wire import as_document

HELP = "the errors of one trace, of all services, in the order in which they happened"
EPILOG = "Example: llama-logging trace 0af7651916cd43dd8448eb211c80319c"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("trace_id", metavar="TRACE_ID", help="32 hex digits, as `show` prints them")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the errors."""
    with opened(args) as store:
        errors = store.errors_of_trace(args.trace_id)
        if not errors:
            raise ErrorNotFound(f"no error belongs to the trace {args.trace_id!r} in {store.url}")
    if args.json:
        print_json([as_document(error) for error in errors])
        return 0
    rows = [["WHEN", "SERVICE", "SEVERITY", "SPAN", "ERROR", "ID"]] + [
        [
            local(error.timestamp),
            (error.process.service or error.process.program) if error.process else "",
            error.severity.name,
            error.span_id,
            f"{error.error_type}: {error.error_message}",
            error.error_id,
        ]
        for error in errors
    ]
    print_table(rows, {2: [COLOURS[error.severity] for error in errors]})
    return 0
