"""`llama-logging doctor`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator

from llama_logging.cli.terminal import add_store, local, opened, painted, print_json
from llama_logging.formatters import printable
from llama_logging.registry import Health

HELP = "examine the registry: what was lost, what is damaged, what waits"
EPILOG = "Exits with 1 if there is anything to complain of."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--accept", action="store_true", help="say it once more, and from then on take it as known")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Examine."""
    with opened(args) as store:
        health = store.health()
        if args.accept:
            store.accept()
        url = store.url
    findings = list(_findings(health))
    if args.json:
        print_json({"store": url, **dataclasses.asdict(health), "findings": findings})
    else:
        print(painted(f"{url}", "1"))
        print(f"  {health.groups} groups, the details of {health.errors} errors, {health.size_bytes / 1e6:.1f} MB")
        for finding in findings:
            print(painted(f"  {printable(finding)}", "31"))
        if not findings:
            print(painted("  nothing is missing, nothing is damaged", "32"))
    return 1 if findings else 0


def _findings(health: Health) -> Iterator[str]:
    for gap in health.gaps:
        who = f"{gap.process.get('program') or '?'}, pid {gap.process.get('pid')} on {gap.process.get('host')}"
        yield f"{gap.missing} frames are missing of those that a process wrote ({who}): what they told is lost"
    if health.damaged:
        yield f"{health.damaged} frames were damaged and could not be read"
    for incident in health.incidents:
        yield f"{local(incident.at)} {incident.kind}: {incident.detail}"
    for problem in health.problems:
        yield f"the database is damaged: {problem}"
