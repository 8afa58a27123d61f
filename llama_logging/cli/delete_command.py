"""`llama-logging delete`."""

from __future__ import annotations

import argparse
import sys

from llama_logging.cli.deciding import add_groups, user
from llama_logging.cli.looking import fingerprint_named, opened
from llama_logging.cli.terminal import print_json, progress
from llama_logging.exceptions import ConfigError
from llama_logging.plain import last_line
from llama_logging.registry.groups import ErrorGroup
from llama_logging.retention import AT_ONCE
from llama_logging.visible import counted, printable

HELP = "delete groups for good, with all their errors; totals stay"
EPILOG = "For what should never have been stored. Resolve what is fixed; ignore what is no error with an `ignore` rule."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_groups(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def execute(args: argparse.Namespace) -> int:
    """Ask, then delete in small batches."""
    with opened(args) as store:
        names = dict.fromkeys(fingerprint_named(store, name) for name in args.ids)
        # Two names may be of groups that are shown as one.
        groups = {group.fingerprint: group for name in names if (group := store.group(name)) is not None}
        if not args.yes and not _agreed(list(groups.values())):
            return 1
        with progress("errors deleted") as tick:
            total = 0
            for name in groups:
                while not store.delete(name, user(), limit=AT_ONCE):
                    total += AT_ONCE
                    tick(total)
    if args.json:
        print_json([{"fingerprint": group.fingerprint, "deleted": group.count} for group in groups.values()])
    else:
        for group in groups.values():
            print(f"deleted: {_told(group)}")
    return 0


def _agreed(groups: list[ErrorGroup]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("delete needs --yes where nobody can be asked")
    for group in groups:
        print(_told(group), file=sys.stderr)
    print(f"Delete {counted(len(groups), 'group')} for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _told(group: ErrorGroup) -> str:
    return printable(
        f"{last_line(group.error_type, group.error_message)}  {counted(group.count, 'error')}  {group.fingerprint}"
    )
