"""`llama-logging list`."""

from __future__ import annotations

import argparse
import sys

from llama_logging.answers.wording import ago
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_origin, add_selection, add_store, count
from llama_logging.cli.terminal import COLOURS, group_document, print_json, print_table, room, short
from llama_logging.plain import last_line
from llama_logging.registry import Store
from llama_logging.registry.groups import ErrorGroup, GroupState
from llama_logging.visible import printable_lines

HELP = "list the groups of errors, the latest first"
EPILOG = (
    "Pass the last column to `show`: the id of the newest error, or on a terminal the start of the group's fingerprint."
)

_SEVERITY, _STATE, _WHERE, _ERROR = range(2, 6)
"""Columns."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_store(parser)
    add_selection(parser)
    add_origin(parser)
    parser.add_argument("--state", choices=[state.value for state in GroupState], help="only groups in this state")
    parser.add_argument(
        "--search",
        metavar="WORDS",
        default="",
        help="only errors with words that begin so, in type, message, logger, stack, tags, trace id or extra",
    )
    parser.add_argument(
        "--sort", choices=("last_seen", "first_seen", "count"), default="last_seen", help="default last_seen"
    )
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="at most N groups; default 50")
    parser.add_argument("--stack", action="store_true", help="print each group's newest stack trace")


def execute(args: argparse.Namespace) -> int:
    """Print the groups."""
    with opened(args) as store:
        groups = store.groups(
            since=args.since,
            at_least=args.severity,
            state=GroupState(args.state) if args.state else None,
            search=args.search,
            order=args.sort,
            limit=args.limit,
        )
        stacks = [_stack(store, group) if args.json or args.stack else "" for group in groups]
        if not groups and store.exists:
            print("llama-logging: no matching errors", file=sys.stderr)
    if args.json:
        print_json(
            [{**group_document(group), "stack_trace": stack} for group, stack in zip(groups, stacks, strict=True)]
        )
        return 0
    # Ids begin with the time: their beginnings are alike, and soon those of other errors too.
    names = short([group.fingerprint for group in groups]) if room() else [group.last_error_id for group in groups]
    heading = ["LAST SEEN", "COUNT", "SEVERITY", "STATE", "WHERE", "ERROR", "ID"]
    rows = [
        [
            ago(g.last_seen),
            str(g.count),
            g.severity.name,
            g.state.value,
            g.source,
            last_line(g.error_type, g.error_message),
            name,
        ]
        for g, name in zip(groups, names, strict=True)
    ]
    shades = [COLOURS[group.severity] for group in groups]
    # That all are open says nothing.
    is_news = any(group.state is not GroupState.OPEN for group in groups)
    spare = (_WHERE, _SEVERITY, _STATE) if is_news else (_STATE, _WHERE, _SEVERITY)
    if args.stack:
        for row, shade, stack in zip(rows, shades, stacks, strict=True):
            print_table([heading, row], {_SEVERITY: [shade]}, cut=(_WHERE, _ERROR), spare=spare)
            print(printable_lines(stack))
    elif rows:
        print_table([heading, *rows], {_SEVERITY: shades}, cut=(_WHERE, _ERROR), spare=spare)
    return 0


def _stack(store: Store, group: ErrorGroup) -> str:
    """The newest stack trace that is still there."""
    newest = store.errors(fingerprint=group.fingerprint, limit=1)
    return newest[0].stack_trace if newest else ""
