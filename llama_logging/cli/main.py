"""`llama-logging`: picks the command and turns its failures into messages and exit codes."""

from __future__ import annotations

import io
import os
import sys

from llama_logging import __version__
from llama_logging.cli import run_command
from llama_logging.exceptions import ConfigError, LlamaLoggingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

COMMANDS = (
    "init", "check", "run", "doctor", "demo",
    "summary", "list", "show", "tail", "trace", "explain",
    "resolve", "mute", "reopen", "delete", "merge", "regroup", "recovery", "report", "predict", "export", "import",
    "prune", "ingest", "serve", "stats", "gate", "completion",
)  # fmt: skip

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if all went well, 1 if it failed, 2 if it was asked for wrongly; `run` becomes its command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _make_ready()
    try:
        code = _execute(words)
        sys.stdout.flush()
    except ConfigError as error:
        return _complain(error, USAGE)
    except LlamaLoggingError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _flush_nothing()
        return OK
    except OSError as error:
        _flush_nothing()
        # What else can fail so has a name.
        return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}", FAILED)
    return code


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser: of one command alone if *words* begin with it."""
    import importlib  # these here and not above: `run` stands before every start

    from llama_logging.cli.parsing import Parser

    root = Parser(
        prog="llama-logging",
        description="An error tracker that lives inside the process and heals.",
        epilog="Start with: llama-logging demo, or: llama-logging init",
    )
    root.add_argument("--version", action="version", version=f"llama-logging {__version__}")
    commands: Any = root.add_subparsers(metavar="COMMAND", required=True)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        module = importlib.import_module(f"llama_logging.cli.{name}_command")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, epilog=module.EPILOG)
        module.add_arguments(command)
        command.set_defaults(execute=module.execute)
    return root


def _execute(words: list[str]) -> int:
    asked = run_command.read(words[1:]) if words[:1] == ["run"] else None
    if asked is not None:
        return run_command.start(*asked)
    import contextlib

    with contextlib.suppress(FileNotFoundError):
        # A configuration names the application's own functions, and is tried where that is started.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
    args = parser(words).parse_args(words)
    code: int = args.execute(args)
    return code


def _make_ready() -> None:
    """Have standard output take every text, as standard error does, and both be there, closed or not."""
    if sys.stdout is None:
        # Cannot be written to: what a command has done stays done, and what it had to say fails.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115 - open until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - open until the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush_nothing() -> None:
    """Have what is left in standard output go nowhere at exit, where it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(error: Exception | str, code: int) -> int:
    from llama_logging.redaction import redact  # here and not above, as in `parser`
    from llama_logging.visible import printable

    print(printable(f"llama-logging: {redact(str(error))}"), file=sys.stderr)
    return code
