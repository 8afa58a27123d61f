"""`llama-logging ingest`."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable

from llama_logging.cli import registries
from llama_logging.cli.looking import told
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import print_json, progress
from llama_logging.exceptions import StoreError
from llama_logging.ingest import BUSY_PAUSE, IDLE_PAUSE, Intake
from llama_logging.stores import open_store
from llama_logging.visible import counted

HELP = "bring waiting errors from journals into the registry: once, for cron, or continuously, beside a service"
EPILOG = "Any number may run, and may be killed, beside the applications: every error is counted once."

_STEP = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--follow", action="store_true", help="keep running until Ctrl-C or SIGTERM")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Ingest, and say how many errors that were."""
    url = registries.named(args)
    store = open_store(url)
    try:
        with progress("errors ingested") as tick:
            intake = Intake(store, url.directories, path=url.path or None, arrived=_steps(tick))
            if args.follow:
                _follow(intake)
            else:
                intake.run()
    finally:
        store.close()
    if args.json:
        print_json({"store": str(url), "errors": intake.errors})
    else:
        print(f"{counted(intake.errors, 'error')} ingested into {url}")
    if intake.failure is not None:
        raise intake.failure
    return 0


def _follow(intake: Intake) -> None:
    """Go on until told to end: that is no failure, and may come at any moment, as SIGKILL may.

    Between two looks, words are indexed, for which a search would have to wait; in an application that would take the
    interpreter from its callers, and memory for the words of all its groups.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pause, problem = BUSY_PAUSE, ""
    try:
        while True:
            try:
                busy, now = intake.run() > 0, str(intake.failure or "")
                busy = (intake.store.exists and intake.store.index_words()) or busy
            except StoreError as error:
                busy, now = False, str(error)
                intake.store.close()
            problem = told(now, problem)
            pause = BUSY_PAUSE if busy else min(pause * 2, IDLE_PAUSE)
            time.sleep(pause)
    except KeyboardInterrupt:
        return


def _steps(tick: Callable[[int], None]) -> Callable[[int], None]:
    """*tick* for numbers that come in leaps."""
    return lambda number: tick(number // _STEP * _STEP)
