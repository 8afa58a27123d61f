"""`llama-logging recovery`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from llama_logging.answers.wording import ago, doing, local
from llama_logging.attachment.checking import rules_of
from llama_logging.cli import registries
from llama_logging.cli.deciding import user
from llama_logging.cli.looking import error_named, opened
from llama_logging.cli.options import add_store, count
from llama_logging.cli.terminal import colour_of, painted, print_json, print_table
from llama_logging.config.files import load
from llama_logging.config.values import did_you_mean
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError, LlamaLoggingError
from llama_logging.plain import last_line
from llama_logging.recovery.probes import problem_now
from llama_logging.recovery.rules import Rule
from llama_logging.recovery.switch import ROW
from llama_logging.visible import printable

HELP = "see what recovery acts on and what it did; switch it off and on"
EPILOG = "Example: llama-logging recovery off --why 'maintenance until noon'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    commands: Any = parser.add_subparsers(metavar="ACTION", required=True)
    listed = commands.add_parser("list", help="what was acted on: by whom, how often, with what result")
    listed.set_defaults(action=_list)
    log = commands.add_parser("log", help="the latest attempts")
    log.add_argument("--limit", type=count, default=20, metavar="N", help="default 20")
    log.set_defaults(action=_log)
    test = commands.add_parser("test", help="which rule matches an error, and what it would do")
    test.add_argument("id", metavar="ID", help="an error's id, which may be shortened, or a group's fingerprint")
    test.add_argument("-c", "--config", metavar="FILE", help=f"default {registries.USUAL}")
    test.set_defaults(action=_test)
    off = commands.add_parser("off", help="switch recovery off, on all machines that share the registry")
    off.add_argument("--why", default="", metavar="TEXT", help="the reason to show")
    off.set_defaults(action=_off)
    on = commands.add_parser("on", help="switch recovery on again")
    on.set_defaults(action=_on)
    forget = commands.add_parser("forget", help="reset a scope: its past attempts and cooldown no longer count")
    forget.add_argument("scope", metavar="SCOPE", help="as shown by `list`")
    forget.set_defaults(action=_forget)
    add_store(test, registries.OF_CONFIG)
    for command in (listed, log, off, on, forget):
        add_store(command)


def execute(args: argparse.Namespace) -> int:
    """Do what was asked."""
    code: int = args.action(args)
    return code


def _list(args: argparse.Namespace) -> int:
    with opened(args) as store:
        scopes, off = store.scopes(), store.recall(ROW)
    if args.json:
        print_json({"off": off, "scopes": [dataclasses.asdict(scope) for scope in scopes]})
        return 0
    if off:
        print(painted(f"recovery is switched off: {printable(off)}", "31"))
    if scopes:
        rows = [[s.scope, doing(s), str(len(s.incidents)), s.status.value, s.detail, str(s.token)] for s in scopes]
        print_table([["SCOPE", "NOW", "INCIDENTS", "LAST", "DETAIL", "TOKEN"], *rows])
    else:
        print("recovery has not acted on anything yet")
    return 0


def _log(args: argparse.Namespace) -> int:
    with opened(args) as store:
        attempts = store.recent_attempts(args.limit)
    if args.json:
        print_json([dataclasses.asdict(attempt) for attempt in attempts])
    elif attempts:
        heading = ["WHEN", "STATUS", "RULE", "STRATEGY", "SCOPE", "TOOK", "DETAIL", "ERROR"]
        rows = [
            [
                ago(a.started_at),
                a.status.value,
                a.rule,
                a.strategy,
                a.scope,
                f"{a.duration:.2f} s",
                a.detail,
                a.error_id,
            ]
            for a in attempts
        ]
        print_table([heading, *rows], {1: [colour_of(attempt.status) for attempt in attempts]})
    else:
        print("no recovery attempts yet")
    return 0


def _test(args: argparse.Namespace) -> int:
    """Say what would be done; nothing is, but that probes are asked."""
    config = args.config or registries.USUAL
    rules = rules_of(load(config))
    with opened(args) as store:
        context = error_named(store, args.id)
    rule = next((rule for rule in rules if rule.applies(context)), None)
    if rule is None:
        error = last_line(context.error_type, context.error_message)[:300]
        raise ConfigError(f"no rule in {config} matches {error}{_nearly(rules, context)}")
    steps = [
        {
            "strategy": step.strategy.name,
            "intent": step.strategy.intent,
            "destructive": step.strategy.destructive,
            "observed": rule.observes(step.strategy),
            "doubt": step.strategy.doubt(context),
        }
        for step in rule.ladder
    ]
    problem = problem_now(rule.verify)
    if args.json:
        print_json({"rule": rule.name, "scope": rule.scope, "mode": rule.mode, "steps": steps, "problem": problem})
    else:
        _print_rule(rule, steps, problem)
    return 0


def _nearly(rules: Sequence[Rule], context: ErrorContext) -> str:
    """Which rule of a preset would match *context* if the preset were for it, and what speaks against that."""
    for rule in rules:
        if not rule.about(context) and dataclasses.replace(rule, about=bool).applies(context):
            doubts = dict.fromkeys(doubt for step in rule.ladder if (doubt := step.strategy.doubt(context)))
            return "; ".join([f"\n{rule.name} is like it, but its preset is for other errors", *doubts])
    return ""


def _print_rule(rule: Rule, steps: list[dict[str, Any]], problem: str | None) -> None:
    print(painted(f"{printable(rule.name)} on {printable(rule.scope or 'nothing shared')}", "1"))
    for number, step in enumerate(steps, 1):
        would = "only say that it would" if step["observed"] else "would"
        doubt = f"; but {step['doubt']}" if step["doubt"] else ""
        print(f"  {number}. {step['strategy']}: {would} {printable(step['intent'] + doubt)}")
    if problem is not None:
        print(f"  its probe now says: {printable(problem) or 'all is well'}")


def _off(args: argparse.Namespace) -> int:
    told = f"by {user() or 'somebody'} at {local(datetime.now(UTC))}" + (f": {args.why}" if args.why else "")
    return _switch(args, told)


def _on(args: argparse.Namespace) -> int:
    return _switch(args, "")


def _switch(args: argparse.Namespace, told: str) -> int:
    with opened(args) as store:
        store.remember(ROW, told)
    if args.json:
        print_json({"off": told})
    else:
        print(f"recovery is switched off: {printable(told)}" if told else "recovery may act")
    return 0


def _forget(args: argparse.Namespace) -> int:
    with opened(args) as store:
        known = [state.scope for state in store.scopes()]
        if args.scope not in known:
            raise LlamaLoggingError(f"nothing named {args.scope!r} was ever acted on{did_you_mean(args.scope, known)}")
        store.forget_scope(args.scope)
    if args.json:
        print_json({"forgotten": args.scope})
    else:
        print(f"{printable(args.scope)} is reset: its past attempts and cooldown no longer count")
    return 0
