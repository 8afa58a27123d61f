"""`llama-logging demo`."""

from __future__ import annotations

import argparse

HELP = "see an application fail and heal: a story-teller whose language model is killed"
EPILOG = "Needs no Ollama: a stand-in server is started on this machine, and everything is stopped at the end."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--predict", action="store_true", help="instead: a leak that is seen coming, and averted")
    parser.add_argument("--dir", metavar="DIR", help="where to put its files; default a new folder below this one")


def execute(args: argparse.Namespace) -> int:
    """Play the demo."""
    if args.predict:
        from llama_logging.demo import foresee

        return foresee.play(args.dir)
    from llama_logging.demo.play import play

    return play(args.dir)
