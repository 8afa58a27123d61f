"""`llama-logging doctor`."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterable
from typing import Any, TypeVar

from llama_logging.answers.wording import findings
from llama_logging.attachment.doctor import examined
from llama_logging.cli import registries
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import painted, print_json
from llama_logging.config.values import as_seconds
from llama_logging.exceptions import ConfigError
from llama_logging.visible import printable

HELP = "check the registry for losses, damage and waiting errors; or check the logging of a command"
EPILOG = (
    "Exits with 1 if there is anything to complain of. Examples: llama-logging doctor ·"
    " doctor -c logging.yaml · doctor --after 5 -- uvicorn app:app --log-config logging.yaml"
)

NAMED = 5
"""Loggers of which the same is told that are named."""

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--accept", action="store_true", help="report the findings one last time, then treat them as known"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="configure the command's logging from FILE")
    parser.add_argument(
        "--after",
        type=as_seconds,
        default=3.0,
        metavar="TIME",
        help="when to examine a command that keeps running; default 3s",
    )
    add_store(parser, registries.OF_CONFIG)
    parser.add_argument("command", nargs="*", metavar="-- CMD...", help="a command to start, examine and stop")


def execute(args: argparse.Namespace) -> int:
    """Examine."""
    if args.command or args.config:
        return _examine_command(args)
    with opened(args) as store:
        health = store.health()
        if args.accept:
            store.accept()
        url = store.url
    found = [
        *findings(health.gaps, health.damaged, health.incidents),
        *(f"the database is damaged: {problem}" for problem in health.problems),
    ]
    if args.json:
        print_json({"store": url, **dataclasses.asdict(health), "findings": found})
    else:
        print(painted(f"{url}", "1"))
        kept = f"groups: {health.groups}, errors with their details: {health.errors}"
        print(f"  {kept}, size: {health.size_bytes / 1e6:.1f} MB")
        for finding in found:
            print(painted(f"  {printable(finding)}", "31"))
        if not found:
            print(painted("  nothing is missing, nothing is damaged", "32"))
    return 1 if found else 0


def _examine_command(args: argparse.Namespace) -> int:
    if args.config is not None and not os.path.isfile(args.config):
        raise ConfigError(f"doctor: there is no {args.config}; llama-logging init writes one")
    processes = examined(args.command, args.config, args.after)
    if not args.command:  # it did nothing, and stands for those that the file is for
        processes = [{**process, "command": [args.config]} for process in processes]
    missed = [finding for process in processes for finding in process["loggers"] if not finding["reached"]]
    if args.json:
        print_json({"processes": processes})
    else:
        for process in processes:
            _print_process(process)
        if not processes:
            print(painted("  none of its Python processes could be examined", "31"))
    return 1 if missed or not processes else 0


def _print_process(process: dict[str, Any]) -> None:
    found = process["loggers"]
    reached = sum(finding["reached"] for finding in found)
    print(painted(printable(f"{' '.join(process['command'])}, pid {process['pid']}"), "1"))
    print(f"  the errors of {reached} of {len(found)} loggers reach the registry")
    missed = [((finding["why"], finding["remedy"]), finding["logger"]) for finding in found if not finding["reached"]]
    for (why, remedy), loggers in _alike(missed).items():
        print(painted(printable(f"  {_listed(loggers)}: {why}"), "31"))
        print(printable(f"    remedy: {remedy}"))
    notes = [(note, finding["logger"]) for finding in found for note in finding["notes"]]
    for note, loggers in _alike(notes).items():
        print(printable(f"  {_listed(loggers)}: {note}"))


def _alike(told: Iterable[tuple[T, str]]) -> dict[T, list[str]]:
    """The loggers of which the same is to be told: an application has hundreds."""
    loggers: dict[T, list[str]] = {}
    for what, logger in told:
        loggers.setdefault(what, []).append(logger)
    return loggers


def _listed(loggers: list[str]) -> str:
    more = len(loggers) - NAMED
    return ", ".join(loggers[:NAMED]) + (f" and {more} more" if more > 0 else "")
