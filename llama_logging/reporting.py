"""From the registry to the channels: rules are asked, reports written down and sent, by whichever process comes first.

Each channel has a thread of its own: one that is down keeps up nobody.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial

from llama_logging.context import ErrorContext, to_microseconds
from llama_logging.exceptions import StoreError
from llama_logging.registry.origins import EVERYWHERE, Origin, about
from llama_logging.registry.outbox import Outbox, Wanted
from llama_logging.reporters.asking import Asking, wanted
from llama_logging.reporters.configuration import Channel, DigestPlan, ReportRule
from llama_logging.reporters.digest import digest, report_of
from llama_logging.reporters.protocol import THREADS
from llama_logging.reporters.sending import KEPT, Sending
from llama_logging.reporters.unusual import WHOLE
from llama_logging.runtime.background import Worker, waited
from llama_logging.saying import say

BUSY_PAUSE = 0.1
IDLE_PAUSE = 2.0
"""Seconds between two looks: from the first, doubling to the second while nothing happens."""
AHEAD = timedelta(hours=1)
"""What is written down of a later moment than that was so by a clock that was ahead: it counts no more."""


class Reporting:
    """Makes reports by *rules* and sends them to *channels*, in the background or when asked.

    The thread is started when first needed and again after a fork, never in the constructor.

    Args:
        open_store: Gives a store of its own for each thread.
        bring_in: Has what waits in the journals brought into the store, so many seconds at most.
        begin: Called when the thread starts: what dead processes have left is to be brought in, too.
        keep: Whether an error may be reported at all.
        hourly: What channels take in an hour that rules name and this process cannot send to.
        since: What happened before is nothing to a rule that the registry has not seen yet.
        clock: Aware now; tests pass their own.
    """

    def __init__(
        self,
        open_store: Callable[[], Outbox],
        channels: Mapping[str, Channel],
        rules: Sequence[ReportRule],
        plan: DigestPlan | None = None,
        *,
        bring_in: Callable[[float], object] = lambda timeout: None,
        begin: Callable[[], object] = lambda: None,
        keep: Callable[[ErrorContext], bool] = lambda context: True,
        hourly: Mapping[str, int] | None = None,
        since: datetime | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.channels, self.rules, self.plan = dict(channels), tuple(rules), plan
        self._open_store, self._bring_in, self._clock = open_store, bring_in, clock
        self._on_start = begin
        caps = {**(hourly or {}), **{channel.name: channel.hourly for channel in channels.values()}}
        self._asking = Asking(caps, keep, since or clock(), clock)
        self.sending = Sending(self.channels, clock)
        self._failing: set[str] = set()
        self._looker = Worker(f"{THREADS}s")
        self._senders = {name: Worker(f"{THREADS}-{name}", capacity=1) for name in self.channels}
        self._pid = os.getpid()
        self._started = False
        self._stop = threading.Event()

    def wake(self, since: float = math.inf) -> None:
        """Make sure the thread runs. Costs two comparisons when it does.

        Args:
            since: When what it is woken for happened, in seconds since the epoch: under `run` a handler
                is made for the first error, and after it.
        """
        if self._pid != os.getpid():
            self._begin()
        if not self._started and not sys.is_finalizing():
            if type(since) is float:  # whatever somebody has put on a record
                self._asking.since = min(self._asking.since, datetime.fromtimestamp(min(since, time.time()), UTC))
            stop = self._stop
            self._started = self._looker.submit(lambda: self._run(stop))

    def stop(self) -> None:
        """Have the thread end, soon; `wake` starts another."""
        self._stop.set()
        self._begin()

    def finish(self, timeout: float) -> None:
        """At the end of the process: send what has come up until now, so many seconds at most; the rest is kept.

        On the thread that is there, for none can be started any more; it is left behind if it waits for somebody.
        """
        if not self._started or self._pid != os.getpid():
            return
        until = time.monotonic() + timeout
        self.stop()
        self._looker.submit(lambda: self._send_last(until))
        self._looker.finish(timeout)

    def _send_last(self, until: float) -> None:
        self._bring_in(until - time.monotonic())
        with contextlib.closing(self._open_store()) as store:
            self.look(store)
            due = [name for name in store.due(self._clock()) if name in self.channels]
            for number, name in enumerate(due):
                left = until - time.monotonic()
                if left > 0:
                    self.sending.send(store, name, left / (len(due) - number))
        for sender in self._senders.values():
            # One that is under way takes what has come meanwhile along, and gives its lease back.
            sender.finish(max(0.0, until - time.monotonic()))

    def run(self, timeout: float, back: timedelta = timedelta(0)) -> dict[str, int]:
        """Look, and send what is due, for so many seconds; how many arrived, by channel.

        Args:
            back: A rule that the registry has not seen yet begins so long ago.
        """
        arrived: dict[str, int] = {}
        self._asking.since -= back
        until = time.monotonic() + timeout
        with contextlib.closing(self._open_store()) as store:
            while self.look(store):
                pass
            arrived = {name: 0 for name in store.due(self._clock()) if name in self.channels}
        for name in arrived:
            self._senders[name].submit(partial(self._send_all, name, arrived, until))
        for name in list(arrived):
            self._senders[name].finish(max(0.0, until - time.monotonic()))
        return arrived

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._started = False
        self._stop = threading.Event()

    def _run(self, stop: threading.Event) -> None:
        store, pause = None, BUSY_PAUSE
        while not waited(stop, pause):
            try:
                if store is None:
                    self._on_start()
                    store = self._open_store()
                busy = self.look(store)
                for name in store.due(self._clock()):
                    if name in self._senders:
                        busy |= self._senders[name].submit(partial(self._send, name))
                self._failing.discard("any rule")
            except Exception as error:
                # An unforeseen fault must not end it: the next look may go well.
                busy = False
                self._complain("any rule", error)
            pause = BUSY_PAUSE if busy else min(pause * 2, IDLE_PAUSE)
        if store is not None:
            store.close()

    def _complain(self, what: str, error: Exception) -> None:
        """Once, until it has gone well; that the registry cannot be reached is told by who asks it."""
        if what not in self._failing and not isinstance(error, StoreError):
            self._failing.add(what)
            told = "no reports of %s are made: %s"
            say("reporters", logging.WARNING, told, what, type(error).__name__, exc_info=True)

    def _send(self, name: str) -> None:
        with contextlib.closing(self._open_store()) as store:
            self.sending.send(store, name)

    def _send_all(self, name: str, arrived: dict[str, int], until: float) -> None:
        with contextlib.closing(self._open_store()) as store:
            # Another process may be at it; or it may have been, and was killed.
            while not (count := self.sending.send(store, name)) and name in store.due(self._clock()):
                if time.monotonic() > until:
                    break
                time.sleep(BUSY_PAUSE)
            arrived[name] = count

    def look(self, store: Outbox) -> bool:
        """Write down what the rules and the digest ask for; whether there was anything to look at."""
        busy = False
        looks = [(f"the rule {rule.name}", partial(self._asking.ask, store, rule)) for rule in self.rules]
        if self.plan is not None:
            looks.append(("the digest", partial(self._plan_digest, store, self.plan)))
        for what, look in looks:
            try:
                busy |= look()
                self._failing.discard(what)
            except StoreError:
                raise
            except Exception as error:
                # Nobody foresaw it; the others, and what is to be sent, do not wait for it.
                self._complain(what, error)
        self._sweep(store)
        return busy

    def write_digest(self, store: Outbox, since: datetime, origin: Origin) -> None:
        """Write a digest down, besides those that come by themselves: for their channels, else for all.

        Args:
            origin: What it is about; for everywhere, what they are about.
        """
        channels, now = tuple(self.channels), self._clock()
        if self.plan is not None:
            channels, origin = self.plan.channels, self.plan.origin if origin == EVERYWHERE else origin
        with about(store, origin):
            report = report_of(digest(store, since, now))
        store.enqueue(wanted(channels, report, f"digest {to_microseconds(now)}"), now)

    def _plan_digest(self, store: Outbox, plan: DigestPlan) -> bool:
        where = "".join([f" {name}={value}" for name, value in asdict(plan.origin).items() if value is not None])
        what, now = f"digest {plan.period:g}{where}", self._clock()
        name = f"report {what} {' '.join(plan.channels)}"
        current, before = plan.ended(now - WHOLE), store.recall(name)
        number = int(before) if before else 0
        if current <= number <= plan.ended(now + AHEAD):
            return False
        reports: list[Wanted] = []
        if 0 < number < current:
            until = plan.end(current)
            with about(store, plan.origin):
                report = report_of(digest(store, until - timedelta(seconds=plan.period), until))
            reports = wanted(plan.channels, report, f"{what} {current}")
        return store.advance(name, before, str(current), reports, now)

    def _sweep(self, store: Outbox) -> None:
        """Once an hour, by one of all."""
        now, before = self._clock(), store.recall("report sweep")
        hour = f"{now:%Y-%m-%dT%H}"
        if hour != before and store.advance("report sweep", before, hour, (), now):
            store.sweep(now - KEPT, now)
