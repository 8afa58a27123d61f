"""`llama-logging list`."""

from __future__ import annotations

import argparse
import dataclasses

from llama_logging.cli.terminal import (
    COLOURS,
    add_selection,
    add_store,
    ago,
    count,
    opened,
    print_json,
    print_table,
)
from llama_logging.formatters import printable_lines

HELP = "list the errors, one line for all occurrences of the same, the latest first"
EPILOG = "The last column is the newest occurrence: llama-logging show ID"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_store(parser)
    add_selection(parser)
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="at most so many; default 50")
    parser.add_argument("--stack", action="store_true", help="print the newest stack trace of each")


def execute(args: argparse.Namespace) -> int:
    """Print the groups."""
    with opened(args) as store:
        groups = store.groups(since=args.since, at_least=args.severity, limit=args.limit)
        stacks = [store.find(group.last_error_id).stack_trace if args.json or args.stack else "" for group in groups]
    if args.json:
        print_json(
            [
                {**dataclasses.asdict(group), "severity": group.severity.name, "stack_trace": stack}
                for group, stack in zip(groups, stacks, strict=True)
            ]
        )
        return 0
    heading = ["LAST SEEN", "COUNT", "SEVERITY", "WHERE", "ERROR", "ID"]
    rows = [
        [
            ago(g.last_seen),
            str(g.count),
            g.severity.name,
            g.source,
            f"{g.error_type}: {g.error_message}",
            g.last_error_id,
        ]
        for g in groups
    ]
    if args.stack:
        for row, group, stack in zip(rows, groups, stacks, strict=True):
            print_table([heading, row], {2: [COLOURS[group.severity]]})
            print(printable_lines(stack))
    elif rows:
        print_table([heading, *rows], {2: [COLOURS[group.severity] for group in groups]})
    return 0
