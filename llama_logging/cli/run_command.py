"""`llama-logging run`."""

from __future__ import annotations

import os
import sys

from llama_logging.attachment.run import CONFIGURE, PRINTED, SHIPPED, SWALLOWED, run
from llama_logging.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

HELP = "run a command and record its errors; its code, logging and output stay untouched"
EPILOG = "Examples: llama-logging run -- python app.py · run app.py · run -m package · run -- uvicorn app:app"

_CONFIG = "logging.yaml"
_ASKED = (CONFIGURE, PRINTED, SWALLOWED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "-c", "--config", default=_CONFIG, metavar="FILE", help="the logging.yaml; default logging.yaml"
    )
    parser.add_argument(
        "--configure", action="store_true", help="also use the file as the application's own logging configuration"
    )
    parser.add_argument("--printed", action="store_true", help="also capture what traceback.print_exc() or rich prints")
    parser.add_argument(
        "--swallowed",
        action="store_true",
        help="also capture failures in httpx and similar libraries that the application catches",
    )
    parser.add_argument("command", nargs="...", metavar="-- CMD...", help="the command and its options")


def execute(args: argparse.Namespace) -> int:
    """Become the command."""
    return start(*parsed(args))


def parsed(args: argparse.Namespace) -> tuple[list[str], str, list[str]]:
    """What *args* ask of `start`."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    return command, args.config, [name for name in _ASKED if getattr(args, name)]


def read(words: Sequence[str]) -> tuple[list[str], str, list[str]] | None:
    """What *words* ask of `start`; None where argparse has to tell: to import it costs as much as to start Python.

    >>> read(["-c", "errors.yaml", "--printed", "--", "app.py", "-v"])
    (['app.py', '-v'], 'errors.yaml', ['printed'])
    >>> read(["-m", "package", "-v"])
    (['-m', 'package', '-v'], 'logging.yaml', [])
    """
    config, rest = _CONFIG, list(words)
    asked: list[str] = []
    while rest and rest[0].startswith("-") and (rest[0] != "-m" or len(rest) == 1):
        word = rest.pop(0)
        if word == "--":
            return rest, config, asked
        if word in ("-c", "--config") and rest and not rest[0].startswith("-"):
            config = rest.pop(0)
        elif word.startswith("--") and word[2:] in _ASKED:
            asked.append(word[2:])
        else:
            return None
    return rest, config, asked


def start(command: Sequence[str], config: str, asked: Sequence[str]) -> int:
    """Become *command*; the rest is as for `attachment.run.run`.

    Raises:
        ConfigError: If there is nothing to become, or nothing to configure logging by.
    """
    if not command:
        raise ConfigError("run: say what to run, such as: llama-logging run -- python app.py")
    if not os.path.isfile(config):
        if CONFIGURE in asked:
            raise ConfigError(f"run: there is no {config} to configure logging by; llama-logging init writes one")
        # A file that has gone is no reason for a service not to start.
        print(
            f"llama-logging: there is no {config}: errors are kept by the shipped configuration; "
            "llama-logging init writes one",
            file=sys.stderr,
        )
        config = SHIPPED
    return run(command, config, asked)
