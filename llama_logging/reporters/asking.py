"""Rules are asked what is to be reported: each once for all processes.

What a rule has seen is one row of the registry; it goes on in the same transaction in which the
reports are written down. So of all processes exactly one makes each report, and none is lost between.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from llama_logging.context import ErrorContext, from_microseconds, to_microseconds
from llama_logging.exceptions import ErrorNotFound
from llama_logging.prediction.ledger import Announcement
from llama_logging.registry.groups import ErrorGroup, GroupState
from llama_logging.registry.origins import about
from llama_logging.registry.outbox import Outbox, Quota, Wanted
from llama_logging.reporters.configuration import CHANGES, HOURLY, ReportRule
from llama_logging.reporters.protocol import THREADS
from llama_logging.reporters.report import Report, of_error, of_prediction
from llama_logging.reporters.unusual import Unusual

HORIZON = timedelta(days=1)
"""What is older when it comes to light, from an import or after a long silence, is no news."""
LOOK_BACK = timedelta(minutes=10)
"""That a recovery has ended comes to light so long after, at most."""
SETTLED = timedelta(seconds=5)
"""After so long without another try, a ladder that has failed is over."""
QUIET = timedelta(minutes=30)
"""A recovery of a group that fails again within this time is the same incident."""

_BATCH = 100


class Asking:
    """Makes reports by rules.

    Args:
        hourly: How many reports each channel takes in an hour.
        keep: Whether an error may be reported at all.
        since: What happened before is nothing to a rule that the registry has not seen yet.
        clock: Aware now.
    """

    def __init__(
        self,
        hourly: Mapping[str, int],
        keep: Callable[[ErrorContext], bool],
        since: datetime,
        clock: Callable[[], datetime],
    ) -> None:
        self._hourly, self._keep, self.since, self._clock = hourly, keep, since, clock
        self._unusual = Unusual()

    def ask(self, store: Outbox, rule: ReportRule) -> bool:
        """Write down what *rule* asks for; whether there was anything to look at."""
        name, now = f"report rule {rule.key}", self._clock()
        before = store.recall(name)
        state = json.loads(before) if before else self._start(store)
        state["since"] = min(state["since"], to_microseconds(now))  # a clock may have been ahead
        with about(store, rule.origin):
            wanted = list(self._reports(store, rule, state, now))
        after = json.dumps(state, separators=(",", ":"), sort_keys=True)
        return after != before and store.advance(name, before, after, wanted, now)

    def _start(self, store: Outbox) -> dict[str, Any]:
        change, error = store.positions(self.since)
        return {
            "change": change,
            "error": error,
            "prediction": store.prediction_position(self.since),
            "since": to_microseconds(self.since),
            "often": [],
            "failed": {},
        }

    def _reports(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        """What *rule* wants after *state*, which goes on."""
        if rule.when & {*CHANGES, "resolved"}:
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
        failed = _lately(state["failed"], now)
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
            yield from self._wanted(rule, report, about)

    def _of_unusual(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        found = self._unusual.look(store, now)
        # To the minute, and for a while: who looked before a late journal came in may say otherwise meanwhile.
        at = to_microseconds(now.replace(second=0, microsecond=0))
        # What was so before the rule looked first is nothing to it.
        before = state.get("unusual_at", dict.fromkeys(found, at))
        known = _lately(before, now)
        state["unusual_at"] = {**known, **dict.fromkeys(found, at)}
        for name in found.keys() - known.keys():
            about = f"unusual {rule.key} {name} {to_microseconds(now)}"
            yield from self._of_group(store, rule, "unusual", name, about, now, found[name])

    def _of_frequent(self, store: Outbox, rule: ReportRule, state: dict[str, Any], now: datetime) -> Iterator[Wanted]:
        limit = rule.frequency
        if limit is None:
            return
        # The minute that has just begun counts, and what happened before we were there does not.
        start = max(now - timedelta(seconds=limit.period), from_microseconds(state["since"]))
        counts = store.frequent(start, now, -(-limit.count // 2))
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
            yield from self._wanted(rule, of_error(kind, rule.name, now, context, group, told), about)

    def _may_tell(self, rule: ReportRule, context: ErrorContext, group: ErrorGroup | None) -> bool:
        muted = group is not None and group.state is GroupState.MUTED
        ours = context.thread_name.startswith(THREADS)
        return not muted and not ours and self._keep(context) and rule.applies(context)

    def _wanted(self, rule: ReportRule, report: Report, about: str) -> list[Wanted]:
        return [
            replace(each, quotas=(*rule.quotas(each.channel), self._quota(each.channel)))
            for each in wanted(rule.channels, report, about)
        ]

    def _quota(self, channel: str) -> Quota:
        return Quota(f"channel {channel}", self._hourly.get(channel, HOURLY))


def wanted(channels: Sequence[str], report: Report, about: str) -> list[Wanted]:
    """*report* for each of *channels*, also one that this process cannot send to: another may have its secret."""
    content = json.dumps(report.as_dict(), default=str)
    return [Wanted(channel=name, about=about, content=content) for name in channels]


def _lately(moments: Mapping[str, int], now: datetime) -> dict[str, int]:
    """Those of *moments* that are not long ago; nor far ahead, as a clock may have been."""
    return {name: at for name, at in moments.items() if abs(now - from_microseconds(at)) < QUIET}
