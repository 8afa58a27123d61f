"""What is due for a channel is sent, again and again until it arrives, by one process at a time.

A channel is leased while it is sent to.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from llama_logging import process
from llama_logging.exceptions import ReportError
from llama_logging.ids import new_id
from llama_logging.plain import last_line
from llama_logging.redaction import clean
from llama_logging.registry.attempts import SENDING, Lease, Policy
from llama_logging.registry.outbox import Delivery, Outbox
from llama_logging.reporters.configuration import Channel
from llama_logging.reporters.protocol import THREADS
from llama_logging.reporters.report import of_delivery
from llama_logging.runtime import background
from llama_logging.saying import say
from llama_logging.tried import OutcomeStatus

LEASE = 30.0
"""Seconds for which a channel is leased; prolonged while it is sent to. A lost sender is succeeded after that."""
LONGEST_SEND = 600.0
"""Seconds for which that is prolonged for one report: what takes longer, as a callback that hangs, another tries."""
FIRST_DELAY = 2.0
LONGEST_DELAY = 600.0
"""Seconds after which a channel is tried again: from the first, doubling to the second, with jitter."""
TRIES = 10
"""A report that the receiver refuses, while it has taken others, is given up after so many; until it has, it is the
channel that is in trouble: a wrong key, or a proxy that says 400 to all."""
KEPT = timedelta(days=7)
"""For so long a report is tried, and what became of it is known."""
SEND_TIMEOUT = 20.0
"""Seconds that one report may take."""

TURNS = Policy.of_turns()


class Sending:
    """Sends to channels.

    Args:
        clock: Aware now.
    """

    def __init__(self, channels: Mapping[str, Channel], clock: Callable[[], datetime]) -> None:
        self._channels, self._clock = channels, clock
        self._owner = ""
        self._complained: set[str] = set()

    def send(self, store: Outbox, name: str, timeout: float = 60.0) -> int:
        """Send what is due for a channel, for so many seconds; how many arrived. Another may be at it: then none."""
        if self._owner.partition("/")[0] != str(os.getpid()):
            self._owner = f"{os.getpid()}/{process.current().host}/{new_id()}"
        owner = f"{self._owner}/{threading.get_ident()}"
        lease = store.acquire(f"{SENDING}{name}", owner, LEASE, TURNS)
        if not isinstance(lease, Lease):
            return 0
        try:
            with _kept(store, lease) as began:
                return self._send(store, self._channels[name], lease, time.monotonic() + timeout, began)
        finally:
            store.finish(lease, OutcomeStatus.RECOVERED, "", TURNS)

    def _send(self, store: Outbox, channel: Channel, lease: Lease, until: float, began: Callable[[], None]) -> int:
        count = 0
        while (left := until - time.monotonic()) > 0:
            delivery = store.next_delivery(channel.name, self._clock())
            if delivery is None or not store.renew(lease, LEASE):
                break
            began()
            try:
                channel.reporter.send(of_delivery(delivery, json.loads(delivery.content)), min(left, SEND_TIMEOUT))
            except BaseException as error:  # as a task that was cancelled, or gevent's timeout, is one
                if not self._failed(store, channel, delivery, error):
                    break
            else:
                store.sent(delivery, self._clock())
                self._complained.discard(channel.name)
                count += 1
        return count

    def _failed(self, store: Outbox, channel: Channel, delivery: Delivery, error: BaseException) -> bool:
        """Write the failure down; whether the next may be tried now."""
        said = error if isinstance(error, ReportError) else ReportError("")
        now, told = self._clock(), failure(channel, error)
        again = now + timedelta(seconds=_delay(delivery.tries))
        state = next((known for known in store.channels() if known.channel == channel.name), None)
        held = timedelta(seconds=max(_delay(state.failures if state else 0), said.retry_after or 0.0))
        content = json.loads(delivery.content)
        taken = content["taken"] = [*content.get("taken", ()), *said.taken]
        tried = said.refused and delivery.tries + 1 >= TRIES
        sent_at = state.sent_at if state else None
        # Of a list of recipients with one that is always refused, no report is ever taken by all.
        takes = bool(taken) or (sent_at is not None and sent_at >= delivery.created_at)
        final = now - delivery.created_at > KEPT or (tried and takes)
        refused = said.refused and (takes or not tried)
        kept = replace(delivery, content=json.dumps(content)) if said.taken else delivery
        store.failed(kept, now, told, again, None if refused else now + held, final)
        if final or channel.name not in self._complained:
            self._complained.add(channel.name)
            say(
                "reporters",
                logging.WARNING,
                "the report channel %s failed: %s; %s, `llama-logging report list` tells how it goes",
                channel.name,
                told,
                f"the report {delivery.about} is given up" if final else "it is tried again",
            )
        return refused


@contextlib.contextmanager
def _kept(store: Outbox, lease: Lease) -> Iterator[Callable[[], None]]:
    """Within this block *lease* is prolonged, so long as a report has begun no longer ago than LONGEST_SEND."""
    over, latest = threading.Event(), time.monotonic()

    def began() -> None:
        nonlocal latest
        latest = time.monotonic()

    def keep() -> None:
        with background.ours():
            while not background.waited(over, LEASE / 3) and time.monotonic() - latest < LONGEST_SEND:
                with contextlib.suppress(Exception):  # of a store that is away for a moment
                    store.renew(lease, LEASE)

    keeper = threading.Thread(target=keep, name=f"{THREADS}-lease", daemon=True)
    # At the end of an interpreter no thread begins: what is sent then has no more than two seconds.
    with contextlib.suppress(RuntimeError):
        keeper.start()
    try:
        yield began
    finally:
        over.set()
        if keeper.ident is not None:
            keeper.join()


def failure(channel: Channel, error: BaseException) -> str:
    """What *error* says, without the channel's secrets."""
    try:
        told = str(error) if isinstance(error, ReportError) else last_line(type(error).__name__, str(error))
    except Exception:
        told = type(error).__name__
    for secret in sorted(channel.reporter.secrets, key=len, reverse=True):
        if secret:
            told = told.replace(secret, "[redacted]")
    return clean(told, 500)


def _delay(tries: int) -> float:
    """Seconds, doubling, with jitter: all that failed together must not come again together."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries, 20)) * random.uniform(0.5, 1.0)
