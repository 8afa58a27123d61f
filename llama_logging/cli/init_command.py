"""`llama-logging init`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from llama_logging.attachment.configuration import shipped_text
from llama_logging.visible import printable

HELP = "write a commented logging.yaml to start from"
EPILOG = "Then: llama-logging run -c logging.yaml -- python app.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", nargs="?", default="logging.yaml", metavar="FILE", help="default logging.yaml")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")


def execute(args: argparse.Namespace) -> int:
    """Write the file."""
    if os.path.exists(args.file) and not args.force:
        print(f"llama-logging: {args.file} exists already; --force replaces it", file=sys.stderr)
        return 1
    try:
        with open(args.file, "w", encoding="utf-8") as file:
            file.write(shipped_text())
    except OSError as error:
        print(f"llama-logging: {args.file}: {error.strerror}", file=sys.stderr)
        return 1
    now = f"llama-logging run -c {shlex.quote(args.file)} -- python app.py"
    print(printable(f"wrote {args.file}; now: {now}"), file=sys.stderr)
    return 0
