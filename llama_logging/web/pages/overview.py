"""What happened in a time, and in as long a time before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llama_logging.context import ErrorSeverity
from llama_logging.registry.figures import Steps
from llama_logging.registry.groups import ErrorGroup, GroupState
from llama_logging.registry.outbox import Outbox
from llama_logging.tried import OutcomeStatus
from llama_logging.web.asked import Asked
from llama_logging.web.places import narrowed

TOP = 5
"""Groups and types of each kind that are named."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time to look back.

    Attributes:
        step: Minutes of one column of the chart.
    """

    name: str
    words: str
    hours: int
    step: int


PERIODS = (
    Period("24h", "24 hours", 24, 60),
    Period("1h", "hour", 1, 1),
    Period("7d", "7 days", 168, 360),
    Period("30d", "30 days", 720, 1440),
)


def view(asked: Asked) -> dict[str, Any]:
    """Totals, a chart, what is new and what is back, what comes most, and what was healed."""
    store, name = asked.store, asked.choice("since", [period.name for period in PERIODS])
    places = narrowed(asked)
    period = next(period for period in PERIODS if period.name == name)
    until, length = asked.now, timedelta(hours=period.hours)
    since = until - length
    before = since - length
    steps = Steps.ending(until, period.step, period.hours * 60 // period.step)
    counts = store.counts(since, ErrorSeverity.DEBUG, TOP)
    both = store.count_by_severity(before, ErrorSeverity.DEBUG)
    earlier = {level: count - counts.by_severity.get(level, 0) for level, count in both.items()}
    return {
        **places,
        "known": {"since": "" if period is PERIODS[0] else period.name, **places["place"]},
        "pulse": asked.pulse,
        "period": period,
        "periods": sorted(PERIODS, key=lambda each: each.hours),
        "since": since,
        "steps": steps,
        "timeline": store.timeline(steps),
        "total": sum(counts.by_severity.values()),
        "total_before": sum(earlier.values()),
        "severities": [
            (level, counts.by_severity.get(level, 0), earlier.get(level, 0))
            for level in sorted(ErrorSeverity, reverse=True)
            if counts.by_severity.get(level) or earlier.get(level)
        ],
        "types": counts.by_type,
        "changed": store.changed(since, until),
        "changed_before": store.changed(before, since),
        "new": [group for group in store.groups(order="first_seen", limit=TOP) if group.first_seen >= since],
        "regressed": [
            group
            for group in store.groups(state=GroupState.REGRESSED, limit=TOP)
            if group.state_at is not None and group.state_at >= since
        ],
        "top": _top(store, since, steps),
        "recoveries": store.recoveries(since, until),
        "recoveries_before": store.recoveries(before, since),
        "healed": OutcomeStatus.RECOVERED,
        "failed": OutcomeStatus.FAILED,
    }


def _top(store: Outbox, since: datetime, steps: Steps) -> list[tuple[ErrorGroup, int, int, tuple[int, ...]]]:
    """Of the groups that were seen since, the most frequent of all times: their counts of now and of before."""
    groups = store.groups(since=since, order="count", limit=TOP)
    counts = store.activity([group.fingerprint for group in groups], steps.twice)
    counted = []
    for group in groups:
        then, now = counts[group.fingerprint][: steps.count], counts[group.fingerprint][steps.count :]
        counted.append((group, sum(now), sum(then), now))
    return sorted(counted, key=lambda row: row[1], reverse=True)
