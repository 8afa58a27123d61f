"""From the registry to the channels: rules are asked, reports written down and sent, by whichever process comes first.

What a rule has seen is one row of the registry; it goes on in the same transaction in which the
reports are written down. So of all processes exactly one makes each report, and none is lost between.
A channel is leased while it is sent to, and each has a thread of its own: one that is down keeps up nobody.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from llama_logging import process
from llama_logging.background import Worker
from llama_logging.context import ErrorContext, from_microseconds, new_id, to_microseconds
from llama_logging.exceptions import ErrorNotFound, ReportError, StoreError
from llama_logging.outbox import Delivery, Outbox, Wanted
from llama_logging.prediction.ledger import Announcement
from llama_logging.redaction import clean
from llama_logging.registry import ErrorGroup, GroupState, Lease, Policy
from llama_logging.reporters.configuration import CHANGES, Channel, DigestPlan, ReportRule
from llama_logging.reporters.digest import digest, report_of
from llama_logging.reporters.report import Report, of_delivery, of_error, of_prediction
from llama_logging.reporters.unusual import Unusual
from llama_logging.saying import say
from llama_logging.stores.leases import OWN
from llama_logging.tried import OutcomeStatus

BUSY_PAUSE = 0.1
IDLE_PAUSE = 2.0
"""Seconds between two looks: from the first, doubling to the second while nothing happens."""
LEASE = 30.0
"""Seconds for which a channel is leased; prolonged before each report. A lost sender is succeeded after that."""
FIRST_DELAY = 2.0
LONGEST_DELAY = 600.0
"""Seconds after which a channel is tried again: from the first, doubling to the second, with jitter."""
TRIES = 10
"""A report that the receiver refuses, while it takes others, is given up after so many."""
KEPT = timedelta(days=7)
"""For so long a report is tried, and what became of it is known."""
HORIZON = timedelta(days=1)
"""What is older when it comes to light, from an import or after a long silence, is for the digest."""
LOOK_BACK = timedelta(minutes=10)
"""A recovery that ends comes to light so long after it began, at most."""
SETTLED = timedelta(seconds=5)
"""After so long without another try, a ladder that has failed is over."""
QUIET = timedelta(minutes=30)
"""A recovery of a group that fails again within this time is the same incident."""
SEND_TIMEOUT = 20.0
"""Seconds that one report may take."""

_BATCH = 100
_UNLIMITED = Policy(attempts=1_000_000, period=0.0, cooldown=0.0)


class Reporting:
    """Makes reports by *rules* and sends them to *channels*, in the background or when asked.

    The thread is started when first needed and again after a fork, never in the constructor.

    Args:
        open_store: Gives a store of its own for each thread.
        bring_in: Has what waits in the journals brought into the store, so many seconds at most.
        begin: Called when the thread starts: what dead processes have left is to be brought in, too.
        keep: Whether an error may be reported at all.
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
        since: datetime | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.channels, self.rules, self.plan = dict(channels), tuple(rules), plan
        self._open_store, self._bring_in, self._keep, self._clock = open_store, bring_in, keep, clock
        self._on_start = begin
        self._since = since or clock()
        self._unusual = Unusual()
        self._owner = ""
        self._complained: set[str] = set()
        self.failure: StoreError | None = None
        self._looker = Worker("llama_logging-reports")
        self._senders = {name: Worker(f"llama_logging-report-{name}", capacity=1) for name in self.channels}
        self._pid = os.getpid()
        self._started = False
        self._stop = threading.Event()

    # --- in the background

    def wake(self) -> None:
        """Make sure the thread runs. Costs two comparisons when it does."""
        if self._pid != os.getpid():
            self._begin()
        if not self._started and not sys.is_finalizing():
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
                    self.send(store, name, left / (len(due) - number))
        for sender in self._senders.values():
            # One that is under way takes what has come meanwhile along, and gives its lease back.
            sender.finish(max(0.0, until - time.monotonic()))

    def run(self, timeout: float) -> dict[str, int]:
        """Look, and send what is due, for so many seconds; how many arrived, by channel."""
        arrived: dict[str, int] = {}
        with contextlib.closing(self._open_store()) as store:
            while self.look(store):
                pass
            arrived = {name: 0 for name in store.due(self._clock()) if name in self.channels}
        for name in arrived:
            self._senders[name].submit(self._sending(name, arrived))
        until = time.monotonic() + timeout
        for name in list(arrived):
            self._senders[name].finish(max(0.0, until - time.monotonic()))
        return arrived

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._started = False
        self._stop = threading.Event()

    def _run(self, stop: threading.Event) -> None:
        store, pause = None, BUSY_PAUSE
        while not stop.wait(pause):
            try:
                if store is None:
                    self._on_start()
                    store = self._open_store()
                busy = self.look(store)
                for name in store.due(self._clock()):
                    if name in self._senders:
                        busy |= self._senders[name].submit(self._sending(name))
                self.failure = None
            except Exception as error:
                # An unforeseen fault must not end it: the next look may go well.
                busy, self.failure = False, StoreError.of(error)
            pause = BUSY_PAUSE if busy else min(pause * 2, IDLE_PAUSE)
        if store is not None:
            store.close()

    def _sending(self, name: str, arrived: dict[str, int] | None = None) -> Callable[[], object]:
        def job() -> None:
            with contextlib.closing(self._open_store()) as store:
                count = self.send(store, name)
                if arrived is not None:
                    arrived[name] = count

        return job

    # --- what is to be sent

    def look(self, store: Outbox) -> bool:
        """Write down what the rules and the digest ask for; whether there was anything to look at."""
        busy = False
        for rule in self.rules:
            busy |= self._ask(store, rule)
        if self.plan is not None:
            busy |= self._plan_digest(store, self.plan)
        self._sweep(store)
        return busy

    def send_digest(self, store: Outbox, since: datetime, channels: Sequence[str]) -> Report:
        """Write a digest down for *channels*, besides those that come by themselves."""
        now = self._clock()
        report = report_of(digest(store, since, now))
        store.enqueue(self._wanted(channels, report, f"digest {to_microseconds(now)}", ()), now)
        return report

    def _ask(self, store: Outbox, rule: ReportRule) -> bool:
        name, now = f"report rule {rule.key}", self._clock()
        before = store.recall(name)
        state = json.loads(before) if before else self._start(store)
        wanted = list(self._reports(store, rule, state, now))
        after = json.dumps(state, separators=(",", ":"), sort_keys=True)
        return after != before and store.advance(name, before, after, wanted, now)

    def _start(self, store: Outbox) -> dict[str, Any]:
        change, error = store.positions(self._since)
        return {
            "change": change,
            "error": error,
            "prediction": store.prediction_position(self._since),
            "since": to_microseconds(self._since),
            "often": [],
            "failed": {},
        }

    def _reports(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        """What *rule* wants after *state*, which goes on."""
        if rule.when & set(CHANGES):
            yield from self._of_changes(store, rule, state, now)
        if "every" in rule.when:
            yield from self._of_errors(store, rule, state, now)
        if "recovery_failed" in rule.when:
            yield from self._of_recoveries(store, rule, state, now)
        if "predicted" in rule.when:
            yield from self._of_predictions(store, rule, state, now)
        if "unusual" in rule.when:
            yield from self._of_unusual(store, rule, state, now)
        if rule.frequency is not None:
            yield from self._of_frequent(store, rule, state, now)

    def _of_changes(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        for position, change in store.changes_after(state["change"], _BATCH):
            state["change"] = position
            if change.kind in rule.when and change.at > now - HORIZON:
                about = f"{change.kind} {change.fingerprint} {position}"
                told = change.detail if change.kind != "new" else ""
                yield from self._of_group(store, rule, change.kind, change.fingerprint, about, now, told)

    def _of_errors(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        state["error"], errors = store.errors_after(state["error"], _BATCH)
        for context in errors:
            if context.timestamp > now - HORIZON:
                group = store.group(context.fingerprint)
                about = f"every {context.error_id}"
                yield from self._of_error(rule, "every", context, group, about, now)

    def _of_recoveries(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        since = max(now - LOOK_BACK, from_microseconds(state["since"]))
        failed = {
            name: at for name, at in state["failed"].items() if from_microseconds(at) > now - QUIET
        }  # fmt: skip
        for error_id, fingerprint in store.unhealed(since, now - SETTLED):
            known = fingerprint in failed
            # To the minute: one that goes on failing must not write this row at every look.
            failed[fingerprint] = to_microseconds(now.replace(second=0, microsecond=0))
            if not known:
                with contextlib.suppress(ErrorNotFound):
                    context, group = store.find(error_id), store.group(fingerprint)
                    tries = [attempt for attempt in store.attempts(error_id) if attempt.detail]
                    told = f"{tries[-1].strategy}: {tries[-1].detail}" if tries else ""
                    about = f"recovery_failed {error_id}"
                    yield from self._of_error(rule, "recovery_failed", context, group, about, now, told)
        state["failed"] = failed

    def _of_predictions(
        self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime
    ) -> Iterator[Wanted]:
        if "prediction" not in state:  # of a version that knew of none
            state["prediction"] = store.prediction_position(now)
        for position, announcement in store.predictions_after(state["prediction"], _BATCH):
            state["prediction"] = position
            prediction = announcement.prediction
            # What is over is no warning any more.
            if rule.foresees(prediction) and prediction.at + prediction.horizon > now.timestamp():
                yield from self._of_prediction(store, rule, announcement, now)

    def _of_prediction(
        self, store: Outbox, rule: ReportRule, announcement: Announcement, now: datetime
    ) -> Iterator[Wanted]:
        name = announcement.prediction.group
        latest, group = (store.errors(fingerprint=name, limit=1), store.group(name)) if name else ([], None)
        context = latest[0] if latest else None
        if self._may_tell(rule, context, group) if context is not None else rule.is_for_all:
            report = of_prediction(rule.name, now, announcement, context, group)
            about = f"predicted {announcement.prediction.prediction_id}"
            yield from self._wanted(rule.channels, report, about, rule.quotas)

    def _of_unusual(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        found = self._unusual.look(store, now)
        # What was so before the rule looked first is nothing to it.
        known = state.setdefault("unusual", sorted(found))
        state["unusual"] = sorted(found)
        for name in found.keys() - set(known):
            about = f"unusual {rule.key} {name} {to_microseconds(now)}"
            yield from self._of_group(store, rule, "unusual", name, about, now, found[name])

    def _of_frequent(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        limit = rule.frequency
        if limit is None:
            return
        # The minute that has just begun counts, and what happened before we were there does not.
        start = max(now - timedelta(seconds=limit.period), from_microseconds(state["since"]))
        counts = store.frequent(start, -(-limit.count // 2))
        # Over only when it is below half: a number that goes up and down around the limit is one incident.
        before = [name for name in state["often"] if name in counts]
        often = [name for name, count in counts.items() if count >= limit.count and name not in before]
        state["often"] = sorted([*before, *often])
        for name in often:
            about = f"frequent {rule.key} {name} {to_microseconds(now)}"
            told = f"{counts[name]} within {limit.period:g} s"
            yield from self._of_group(store, rule, "frequent", name, about, now, told)

    def _of_group(
        self, store: Outbox, rule: ReportRule, kind: str, fingerprint: str, about: str, now: datetime, told: str
    ) -> Iterator[Wanted]:
        group = store.group(fingerprint)
        latest = store.errors(fingerprint=fingerprint, limit=1)
        if group is not None and latest:
            yield from self._of_error(rule, kind, latest[0], group, about, now, told)

    def _of_error(
        self,
        rule: ReportRule,
        kind: str,
        context: ErrorContext,
        group: ErrorGroup | None,
        about: str,
        now: datetime,
        told: str = "",
    ) -> Iterator[Wanted]:
        if self._may_tell(rule, context, group):
            yield from self._wanted(
                rule.channels, of_error(kind, rule.name, now, context, group, told), about, rule.quotas
            )

    def _may_tell(self, rule: ReportRule, context: ErrorContext, group: ErrorGroup | None) -> bool:
        muted = group is not None and group.state is GroupState.MUTED
        return not muted and self._keep(context) and rule.applies(context)

    def _wanted(self, channels: Sequence[str], report: Report, about: str, quotas: tuple[Any, ...]) -> list[Wanted]:
        content = json.dumps(report.as_dict(), default=str)
        limited = report.kind != "digest"
        return [
            Wanted(
                channel=name,
                about=about,
                content=content,
                quotas=(*quotas, self.channels[name].quota) if limited else (),
            )
            for name in channels
            if name in self.channels
        ]

    def _plan_digest(self, store: Outbox, plan: DigestPlan) -> bool:
        name, now = f"report digest {plan.period:g} {' '.join(plan.channels)}", self._clock()
        current, before = int(now.timestamp() // plan.period), store.recall(name)
        if before and int(before) >= current:
            return False
        wanted: list[Wanted] = []
        if before:
            until = datetime.fromtimestamp(current * plan.period, UTC)
            report = report_of(digest(store, until - timedelta(seconds=plan.period), until))
            wanted = self._wanted(plan.channels, report, f"digest {plan.period:g} {current}", ())
        return store.advance(name, before, str(current), wanted, now)

    def _sweep(self, store: Outbox) -> None:
        """Once an hour, by one of all."""
        now, before = self._clock(), store.recall("report sweep")
        hour = f"{now:%Y-%m-%dT%H}"
        if hour > before and store.advance("report sweep", before, hour, (), now):
            store.sweep(now - KEPT)

    # --- sending

    def send(self, store: Outbox, name: str, timeout: float = 60.0) -> int:
        """Send what is due for a channel, for so many seconds; how many arrived. Another may be at it: then none."""
        if self._owner.partition("/")[0] != str(os.getpid()):
            self._owner = f"{os.getpid()}/{process.current().host}/{new_id()}"
        owner = f"{self._owner}/{threading.get_ident()}"
        lease = store.acquire(f"{OWN}{name}", owner, LEASE, _UNLIMITED)
        if not isinstance(lease, Lease):
            return 0
        try:
            return self._send(store, self.channels[name], lease, time.monotonic() + timeout)
        finally:
            store.finish(lease, OutcomeStatus.RECOVERED, "", _UNLIMITED)

    def _send(self, store: Outbox, channel: Channel, lease: Lease, until: float) -> int:
        count = 0
        while (left := until - time.monotonic()) > 0:
            delivery = store.next_delivery(channel.name, self._clock())
            if delivery is None or not store.renew(lease, LEASE):
                break
            try:
                channel.reporter.send(of_delivery(delivery, json.loads(delivery.content)), min(left, SEND_TIMEOUT))
            except (Exception, SystemExit) as error:
                if not self._failed(store, channel, delivery, error):
                    break
            else:
                store.sent(delivery, self._clock())
                count += 1
        return count

    def _failed(self, store: Outbox, channel: Channel, delivery: Delivery, error: BaseException) -> bool:
        """Write the failure down; whether the next may be tried now."""
        refused = isinstance(error, ReportError) and error.refused
        wait = error.retry_after if isinstance(error, ReportError) else None
        now, told = self._clock(), failure(channel, error)
        again = now + timedelta(seconds=_delay(delivery.tries))
        state = next((known for known in store.channels() if known.channel == channel.name), None)
        held = timedelta(seconds=max(_delay(state.failures if state else 0), wait or 0.0))
        final = now - delivery.created_at > KEPT or (refused and delivery.tries + 1 >= TRIES)
        store.failed(delivery, now, told, again, None if refused else now + held, final)
        if channel.name not in self._complained:
            self._complained.add(channel.name)
            say(
                "reporters",
                logging.WARNING,
                "the report channel %s failed: %s; it is tried again, `llama-logging report list` tells how it goes",
                channel.name,
                told,
            )
        return refused


def failure(channel: Channel, error: BaseException) -> str:
    """What *error* says, without the channel's secrets."""
    try:
        told = str(error) if isinstance(error, ReportError) else f"{type(error).__name__}: {error}"
    except Exception:
        told = type(error).__name__
    for secret in sorted(channel.reporter.secrets, key=len, reverse=True):
        if secret:
            told = told.replace(secret, "[redacted]")
    return clean(told, 500)


def _delay(tries: int) -> float:
    """Seconds, doubling, with jitter: all that failed together must not come again together."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries, 20)) * random.uniform(0.5, 1.0)
