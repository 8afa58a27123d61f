"""`llama-logging run`."""

from __future__ import annotations

import argparse
import os

from llama_logging.attachment.run import CONFIGURE, PRINTED, run
from llama_logging.exceptions import ConfigError

HELP = "run a command and keep its errors, its code, logging and output untouched"
EPILOG = "Examples: llama-logging run -- python app.py · run -- app.py · run -- -m package · run -- uvicorn app:app"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "-c", "--config", default="logging.yaml", metavar="FILE", help="the logging.yaml; default logging.yaml"
    )
    parser.add_argument(
        "--configure", action="store_true", help="use the file as the application's own logging configuration, too"
    )
    parser.add_argument("--printed", action="store_true", help="capture what traceback.print_exc() prints, too")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD...", help="the command and its options")


def execute(args: argparse.Namespace) -> int:
    """Become the command."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise ConfigError("run: say what to run, such as: llama-logging run -- python app.py")
    if not os.path.isfile(args.config):
        raise ConfigError(f"run: there is no {args.config}; llama-logging init writes one")
    asked = [name for name in (CONFIGURE, PRINTED) if getattr(args, name)]
    return run(command, args.config, asked)
