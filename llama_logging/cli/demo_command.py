"""`llama-logging demo`."""

from __future__ import annotations

import argparse

HELP = "watch an application fail and recover: a storyteller whose language model is killed"
EPILOG = "Needs no Ollama: it starts a stand-in server on this machine, and stops everything at the end."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--predict", action="store_true", help="demonstrate prediction instead: a leak is predicted and averted"
    )
    parser.add_argument("--dir", metavar="DIR", help="where to put the files; default a new folder in the current one")


def execute(args: argparse.Namespace) -> int:
    """Play the demo."""
    if args.predict:
        from llama_logging.demo import foresee

        return foresee.play(args.dir)
    from llama_logging.demo.play import play

    return play(args.dir)
