"""`llama-logging report`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from llama_logging.answers.wording import ago
from llama_logging.cli import registries
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_origin, add_store, count, moment, origin_of
from llama_logging.cli.terminal import painted, print_json, print_table
from llama_logging.config.files import load
from llama_logging.config.mistakes import collecting, warn
from llama_logging.exceptions import ConfigError, ErrorNotFound
from llama_logging.handlers import ReportHandler
from llama_logging.opening import open_registry
from llama_logging.plain import last_line
from llama_logging.registry.outbox import Delivery, Outbox
from llama_logging.reporters.configuration import Channel
from llama_logging.reporters.digest import as_html, as_text, digest
from llama_logging.reporters.report import of_test
from llama_logging.reporters.sending import SEND_TIMEOUT, failure
from llama_logging.reporting import Reporting
from llama_logging.stores.urls import StoreURL
from llama_logging.visible import printable, printable_lines

HELP = "send the reports that a logging.yaml asks for, and see their status"
EPILOG = "Examples: llama-logging report test ops · report send (for cron) · report digest --since 7d"

RUN = 300.0
"""Seconds that `send` may take."""
LOOK_BACK = timedelta(hours=1)
"""What happened so long before the first `send` of a rule is reported: by a process that ended too soon to do it."""
_NOT_TAKEN = ("class", "formatter", "filters", "callback", "strict")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    commands: Any = parser.add_subparsers(metavar="ACTION", required=True)
    listed = commands.add_parser("list", help="show the channels (waiting, sent, last failure) and the latest reports")
    listed.add_argument("--limit", type=count, default=20, metavar="N", help="number of latest reports; default 20")
    listed.set_defaults(action=_list)
    send = commands.add_parser(
        "send", help="apply the rules and send all due reports; exit code 1 if any could not be sent"
    )
    send.set_defaults(action=_send)
    summed = commands.add_parser("digest", help="print a digest of a period, or send it")
    summed.add_argument("--since", type=moment, metavar="WHEN", help="30m, 24h, 7d, or an ISO moment; default 24h")
    summed.add_argument("--format", choices=("text", "html", "json"), default="text", help="default text")
    summed.add_argument("--send", action="store_true", help="send it to the digest's channels, else to all")
    add_origin(summed)
    summed.set_defaults(action=_digest)
    test = commands.add_parser("test", help="send a test report to a channel now, and show the result")
    test.add_argument("channel", metavar="CHANNEL", help="its name in the YAML")
    test.set_defaults(action=_test)
    for command in (send, summed, test):
        command.add_argument("-c", "--config", metavar="FILE", help=f"default {registries.USUAL}")
        add_store(command, registries.OF_CONFIG)
    add_store(listed)


def execute(args: argparse.Namespace) -> int:
    """Do what was asked."""
    code: int = args.action(args)
    return code


def _configured(args: argparse.Namespace) -> Iterator[tuple[Reporting, StoreURL, Collection[str]]]:
    """The ReportHandlers of the YAML that have channels, their registries, and the names of their channels.

    A channel with a mistake, such as an `env://` that is not set here, is told of and left to who can send to it.

    Raises:
        ConfigError: At the first other mistake in them, and if there is none.
    """
    found, config = False, args.config or registries.USUAL
    for entry in (load(config).get("handlers") or {}).values():
        if isinstance(entry, dict) and entry.get("channels") is not None:
            options = {name: value for name, value in entry.items() if name not in _NOT_TAKEN}
            handler = _handler({**options, **({"store": args.store} if args.store else {})})
            if handler.reporting is not None and handler.pipeline is not None:
                found = True
                yield handler.reporting, handler.pipeline.url, entry["channels"]
    if not found:
        raise ConfigError(f"{config}: no ReportHandler has `channels`")


def _handler(options: dict[str, Any]) -> ReportHandler:
    with collecting() as problems:
        handler = ReportHandler(**options)
    for mistake in [problem for problem in problems if not problem.warning]:
        if not mistake.path.startswith("channels."):
            raise ConfigError(f"ReportHandler: {mistake}")
        warn(f"ReportHandler: {mistake}")
    return handler


def _list(args: argparse.Namespace) -> int:
    with opened(args) as store:
        channels, deliveries = store.channels(), store.deliveries(args.limit)
        told = [] if args.json else [_told(store, delivery) for delivery in deliveries]
    if args.json:
        known = [
            {name: value for name, value in dataclasses.asdict(each).items() if name != "content"}
            for each in deliveries
        ]
        print_json({"channels": [dataclasses.asdict(channel) for channel in channels], "deliveries": known})
        return 0
    if channels:
        rows = [
            [c.channel, str(c.waiting), str(c.sent), str(c.given_up), ago(c.sent_at) if c.sent_at else "never",
             f"{ago(c.failed_at)}: {c.failure}" if c.failed_at else "", str(c.failures)]
            for c in channels
        ]  # fmt: skip
        heading = ["CHANNEL", "WAITING", "SENT", "GIVEN UP", "LAST SENT", "LAST FAILURE", "IN A ROW"]
        print_table([heading, *rows])
    else:
        print("no reports yet")
    if deliveries:
        print()
        rows = [
            [ago(d.created_at), d.channel, d.status, str(d.tries), about, d.delivery_id]
            for d, about in zip(deliveries, told, strict=True)
        ]
        print_table([["WHEN", "CHANNEL", "STATUS", "TRIES", "ABOUT", "ID"], *rows])
    return 0


def _told(store: Outbox, delivery: Delivery) -> str:
    """What it is about: the kind of report, and the error; its latest failure."""
    kind, *names = delivery.about.split()
    about = kind
    for name in names:
        with contextlib.suppress(ErrorNotFound):
            group = store.group(store.find(name).fingerprint if kind in ("every", "recovery_failed") else name)
            if group is not None:
                about = f"{kind}: {last_line(group.error_type, group.error_message)}"
    return f"{about} ({delivery.failure})" if delivery.failure else about


def _send(args: argparse.Namespace, back: timedelta = LOOK_BACK) -> int:
    arrived: dict[str, int] = {}
    left: dict[str, str] = {}
    for reporting, url, names in _configured(args):
        open_registry(url).close()
        for name, number in reporting.run(RUN, back).items():
            arrived[name] = arrived.get(name, 0) + number
        store = open_registry(url)
        waiting = {c.channel: c.failure for c in store.channels() if c.waiting and c.channel in names}
        left |= {name: why if name in reporting.channels else "it cannot be used here" for name, why in waiting.items()}
        store.close()
    if args.json:
        print_json({"sent": arrived, "left": left})
    else:
        for name, number in sorted(arrived.items()):
            print(f"{printable(name)}: {number} sent")
        for name, told in sorted(left.items()):
            print(f"llama-logging: {printable(f'{name}: some could not be sent: {told}')}", file=sys.stderr)
    return 1 if left else 0


def _digest(args: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    since = args.since or now - timedelta(hours=24)
    if args.send:
        return _send_digest(args, since)
    with opened(args) as store:
        told = digest(store, since, now)
    if args.json or args.format == "json":
        print_json(told.as_dict())
        return 0
    told = dataclasses.replace(told, since=told.since.astimezone(), until=told.until.astimezone())
    if args.format == "html":
        print(as_html(told), end="")
    else:
        print(printable_lines(as_text(told)), end="")
    return 0


def _send_digest(args: argparse.Namespace, since: datetime) -> int:
    for reporting, url, _ in _configured(args):
        store = open_registry(url)
        reporting.write_digest(store, since, origin_of(args))
        store.close()
    return _send(args, timedelta(0))


def _test(args: argparse.Namespace) -> int:
    channels: dict[str, Channel] = {}
    config = args.config or registries.USUAL
    for reporting, _, names in _configured(args):
        channels |= reporting.channels
        if args.channel in names and args.channel not in channels:
            raise ConfigError(f"{config}: the channel {args.channel!r} cannot be used here")
    if args.channel not in channels:
        known = ", ".join(map(repr, channels))
        raise ConfigError(f"{config}: there is no channel {args.channel!r}; there are {known or 'none'}")
    channel, problem = channels[args.channel], ""
    try:
        channel.reporter.send(of_test(channel.name), SEND_TIMEOUT)
    except Exception as error:
        problem = failure(channel, error)
    if args.json:
        print_json({"channel": channel.name, "failure": problem})
    else:
        print(painted(printable(f"{channel.name}: {problem or 'accepted'}"), "31" if problem else "32"))
    return 1 if problem else 0
