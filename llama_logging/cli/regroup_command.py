"""`llama-logging regroup`."""

from __future__ import annotations

import argparse
import sys

from llama_logging.cli import registries
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import painted, print_json, print_table, progress
from llama_logging.config.files import load
from llama_logging.plain import last_line
from llama_logging.regrouping import Change, apply, changes, rules_in
from llama_logging.visible import counted, printable

HELP = "apply the grouping rules of a logging.yaml to past errors"
EPILOG = "--dry-run changes nothing; --undo reverts the latest regroup. All counts stay exact."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="the logging.yaml with the `grouping` rules, whose registry is used, too; default: no rules",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument("--undo", action="store_true", help="revert the latest regroup")
    add_store(parser, registries.OF_CONFIG)


def execute(args: argparse.Namespace) -> int:
    """Look, then move."""
    rules = rules_in(load(args.config)) if args.config else ()
    with opened(args) as store:
        if args.undo:
            moved, found = store.undo_move() if store.exists else 0, []
        else:
            with progress("errors looked at") as tick:
                found = changes(store, rules, tick)
            moved = 0
            if found and not args.dry_run:
                with progress("errors looked at") as tick:
                    moved = apply(store, rules, tick)
    if args.json:
        print_json({"moved": moved, "dry_run": args.dry_run, "changes": [_as_document(change) for change in found]})
        return 0
    if found:
        _print(found)
    total = sum(change.count for change in found)
    if args.undo:
        back = counted(moved, "error is back in the group it was in", "errors are back in the groups they were in")
        print(back if moved else "nothing to undo")
    elif args.dry_run:
        print(f"{counted(total, 'error')} would move; nothing was changed" if total else "nothing would change")
    else:
        told = f"{counted(moved, 'error')} moved; llama-logging regroup --undo takes it back"
        print(told if moved else "nothing changed")
    return 0


def _print(found: list[Change]) -> None:
    rows = [
        [
            str(change.count),
            "all" if change.whole else "some",
            change.before,
            change.after,
            last_line(change.example.error_type, change.example.error_message),
            change.example.error_id,
        ]
        for change in found
    ]
    print_table([["ERRORS", "OF IT", "FROM", "TO", "SUCH AS", "ID"], *rows])
    for after, grouping in {change.after: change.grouping for change in found}.items():
        print(f"{painted(printable(after), '2')} is made from {printable('; '.join(grouping))}")
    sys.stdout.flush()


def _as_document(change: Change) -> dict[str, object]:
    return {
        "before": change.before,
        "after": change.after,
        "count": change.count,
        "whole": change.whole,
        "grouping": change.grouping,
        "example": change.example.error_id,
    }
