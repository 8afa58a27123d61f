"""`llama-logging show`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import datetime

from llama_logging.answers.markdown import as_markdown
from llama_logging.answers.wording import ago, local, state_of
from llama_logging.cli.looking import error_named, opened
from llama_logging.cli.options import add_store
from llama_logging.cli.shortening import shortened
from llama_logging.cli.terminal import COLOURS, colour_of, group_document, painted, print_json
from llama_logging.context import ErrorContext, Sighting
from llama_logging.documents.exports import as_document
from llama_logging.plain import last_line
from llama_logging.registry.groups import ErrorGroup
from llama_logging.registry.triage import Change
from llama_logging.tried import RecoveryAttempt
from llama_logging.visible import counted, printable, printable_lines

HELP = "show one error: its stack trace, its context, and what recovery did"
EPILOG = "An id may be shortened as long as it is unambiguous."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("id", metavar="ID", help="an error's id, which may be shortened, or a group's fingerprint")
    parser.add_argument("--short", action="store_true", help="leave out calls within libraries")
    parser.add_argument("--markdown", action="store_true", help="as Markdown, to paste into an issue")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the error."""
    with opened(args) as store:
        context = error_named(store, args.id)
        attempts = store.attempts(context.error_id)
        sightings = store.sightings(context.error_id)
        group = store.group(context.fingerprint)
        changes = store.changes(context.fingerprint)
    if args.markdown:
        print(as_markdown(context, group, attempts), end="")
    elif args.json:
        document = as_document(context)
        document["recovery_attempts"] = [dataclasses.asdict(attempt) for attempt in attempts]
        document["sightings"] = [dataclasses.asdict(sighting) for sighting in sightings]
        document["group"], document["changes"] = group and group_document(group), changes
        print_json(document)
    else:
        _print(context, attempts, sightings, short=args.short)
        if group is not None:
            _print_group(group, changes)
    return 0


def _print(context: ErrorContext, attempts: list[RecoveryAttempt], sightings: list[Sighting], *, short: bool) -> None:
    print(painted(printable(last_line(context.error_type, context.error_message)), f"1;{COLOURS[context.severity]}"))
    for name, value in _facts(context).items():
        if value:
            print(f"  {painted(f'{name:<12}', '2')} {printable(value)}")
    if context.stack_trace:
        frames = [frame for error in context.exceptions for frame in error.frames]
        trace = shortened(context.stack_trace, frames) if short else context.stack_trace
        print(f"\n{printable_lines(trace.rstrip())}")
    _print_locals(context)
    if context.breadcrumbs:
        print(painted("\nBefore it", "1"))
        for crumb in context.breadcrumbs:
            moment = datetime.fromtimestamp(crumb.created).strftime("%H:%M:%S")
            words = printable(f"{crumb.severity.name:<8} {crumb.logger_name}  {crumb.message}")
            print(f"  {painted(moment, '2')} {words}")
    if context.stack_info:
        print(f"\n{printable_lines(context.stack_info.rstrip())}")
    if context.additional_context:
        print(painted("\nContext", "1"))
        for name, value in context.additional_context.items():
            print(f"  {printable(name)} = {printable(json.dumps(value, ensure_ascii=False))}")
    if sightings:
        print(painted("\nAlso logged", "1"))
        for sighting in sightings:
            words = f"{sighting.logger_name}: {sighting.log_message.rstrip()} ({sighting.error_type})"
            print(f"  {sighting.timestamp.astimezone().strftime('%H:%M:%S')} {printable(words)}")
    if attempts:
        print(painted("\nRecovery", "1"))
        for attempt in attempts:
            status = painted(f"{attempt.status:<10}", colour_of(attempt.status))
            words = printable(f"{attempt.strategy} ({attempt.duration:.2f} s): {attempt.detail}")
            print(f"  {status} {words}")


def _print_group(group: ErrorGroup, changes: list[Change]) -> None:
    print(painted(f"\nIts group: {counted(group.count, 'error')}, {state_of(group, changes)}", "1"))
    for moment, words in (
        (group.last_seen, f"last seen {group.last_release}"),
        *((change.at, f"{change.kind} {change.detail} {change.by and 'by'} {change.by}") for change in changes),
    ):
        print(f"  {painted(local(moment), '2')} {printable(' '.join(words.split()))}")


def _print_locals(context: ErrorContext) -> None:
    if context.locals:
        print(painted("\nLocal variables", "1"))
    # Of a chain too long for one frame of the journal the last calls were left out, of a lost stack all.
    calls = {
        (at, number): f"{frame.module}.{frame.function}:{frame.line}"
        for at, error in enumerate(context.exceptions)
        for number, frame in enumerate(error.frames)
    }
    for found in context.locals:
        print(f"  {painted(printable(calls.get((found.exception, found.frame), 'a call that was not kept')), '2')}")
        for name, value in found.values.items():
            print(f"    {printable(name)} = {printable(json.dumps(value, ensure_ascii=False))}")


def _facts(context: ErrorContext) -> dict[str, str]:
    process = context.process
    handled = "" if context.handled else "nobody caught it"
    return {
        "id": context.error_id,
        "when": f"{local(context.timestamp, 'milliseconds')} ({ago(context.timestamp)})",
        "severity": context.severity.name,
        "where": f"{context.source_module}.{context.source_function} ({context.source_file}:{context.source_line})",
        "logger": context.logger_name,
        "logged": context.log_message if context.log_message != context.error_message else "",
        "carries": context.carried,
        "seen by": context.mechanism if context.mechanism != "logging" else "",
        "handled": handled,
        "complete": "" if context.complete else "no: the process ended before the error's own text was told",
        "thread": " ".join(filter(None, (context.thread_name, context.task_name))),
        "process": f"{process.program} (pid {process.pid} on {process.host}, Python {process.python})"
        if process
        else "",
        "service": process.service if process else "",
        "release": process.release if process else "",
        "environment": process.environment if process else "",
        "tags": ", ".join(f"{key}={value}" for key, value in context.tags.items()),
        "trace": " span ".join(filter(None, (context.trace_id, context.span_id))),
        "fingerprint": context.fingerprint,
    }
