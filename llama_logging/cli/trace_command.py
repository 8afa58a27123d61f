"""`llama-logging trace`."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from llama_logging.answers.traces import Trace, TracedError, follow
from llama_logging.answers.wording import local
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import COLOURS, print_json, print_table
from llama_logging.documents.exports import as_document
from llama_logging.plain import last_line
from llama_logging.tried import RecoveryAttempt
from llama_logging.visible import printable

HELP = "show the errors of one trace across all services, in order"
EPILOG = "Example: llama-logging trace 0af7651916cd43dd8448eb211c80319c"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("trace_id", metavar="TRACE_ID", help="32 hex digits, as printed by `show`")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the errors."""
    with opened(args) as store:
        trace = follow(store, args.trace_id)
    if args.json:
        print_json({"trace_id": trace.trace_id, "services": trace.services, "errors": [*map(_document, trace.errors)]})
        return 0
    print(printable(_said(trace)) + "\n")
    rows = [["AFTER", "SERVICE", "SEVERITY", "RECOVERY", "ERROR", "ID"]] + [
        [
            f"{traced.after:.3f}s",
            traced.service,
            traced.error.severity.name,
            ", ".join(map(_attempted, traced.attempts)),
            last_line(traced.error.error_type, traced.error.error_message),
            traced.error.error_id,
        ]
        for traced in trace.errors
    ]
    print_table(rows, {2: [COLOURS[traced.error.severity] for traced in trace.errors]})
    return 0


def _said(trace: Trace) -> str:
    first, *others = trace.services
    followed = f"; then {', '.join(others)}, within {trace.errors[-1].after:.3f}s" if others else ""
    return f"{first} failed first, at {local(trace.errors[0].error.timestamp)}{followed}"


def _attempted(attempt: RecoveryAttempt) -> str:
    return f"{attempt.strategy} {attempt.status}"


def _document(traced: TracedError) -> dict[str, Any]:
    return {
        **as_document(traced.error),
        "service": traced.service,
        "after": traced.after,
        "recovery_attempts": [dataclasses.asdict(attempt) for attempt in traced.attempts],
    }
