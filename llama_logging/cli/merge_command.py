"""`llama-logging merge`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from llama_logging.cli.deciding import user
from llama_logging.cli.looking import fingerprint_named, opened
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import print_json
from llama_logging.exceptions import ErrorNotFound
from llama_logging.visible import counted, printable

HELP = "show several groups as one; their new errors are counted there too"
EPILOG = "An ID is an error's id, which may be shortened, or a group's fingerprint. --undo separates them again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("id", metavar="ID", help="the group that is to show the others")
    parser.add_argument("others", metavar="OTHER", nargs="*", help="the groups to be shown in it")
    parser.add_argument("--undo", action="store_true", help="separate the named groups again")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Merge, or take it back."""
    with opened(args) as store:
        target, *others = (fingerprint_named(store, name) for name in (args.id, *args.others))
        now, by = datetime.now(UTC), user()
        undone = store.unmerge([target, *others], now, by) if args.undo else 0
        if others and not args.undo:
            store.merge(target, others, now, by)
        group = store.group(target)
    if group is None:
        raise ErrorNotFound(f"the group {target} is gone from {store.url}")
    if args.json:
        print_json({"fingerprint": group.fingerprint, "merged": group.merged, "count": group.count})
    elif args.undo:
        print(f"separated: {counted(undone, 'group')}" if undone else "none of these groups was merged")
    else:
        shown = f"{counted(group.count, 'error')} of {counted(len(group.merged) + 1, 'group')}"
        print(printable(f"{group.fingerprint} shows {shown}"))
    return 0
