"""What happened in a time, for people: totals against the time before, what is new, what came back, what healed."""

from __future__ import annotations

import dataclasses
import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from llama_logging.context import ErrorSeverity
from llama_logging.plain import last_line
from llama_logging.prediction.ledger import KEPT, Action, Announcement
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.registry.outbox import Healing, Outbox
from llama_logging.reporters.report import Report, one_line, visible
from llama_logging.visible import counted

K = TypeVar("K")

TOP = 10
_RANKED = 1_000
"""Groups of a period, the most frequent, of which it is known how frequent they are."""
_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A group that the digest names.

    Attributes:
        count: Of all times.
        error_id: The latest.
    """

    fingerprint: str
    error: str
    count: int
    error_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What became of the predictions of a group.

    Attributes:
        fates: How many came true (`hit`), did not (`miss`), are open (`pending`), or will never be known (`censored`).
        acted: About how many something was done.
        lead: Seconds that those which came true were ahead, on average; None without any.
    """

    error: str
    fates: Mapping[str, int]
    acted: int
    lead: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What happened from *since* to *until*.

    Attributes:
        origin: Where; all that follows is of there alone.
        total, before: Errors of this time, and of as long a time before.
        by_severity: The worst first.
        top_types: The most frequent first.
        new, regressed: At most TOP of them; `new_count` and `regressed_count` are of all.
    """

    since: datetime
    until: datetime
    origin: Origin = EVERYWHERE
    total: int
    before: int
    by_severity: Mapping[str, int]
    top_types: Mapping[str, int]
    new: tuple[Line, ...]
    new_count: int
    regressed: tuple[Line, ...]
    regressed_count: int
    healings: tuple[Healing, ...]
    foreseen: tuple[Foreseen, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**dataclasses.asdict(self), "since": self.since.isoformat(), "until": self.until.isoformat()}


def digest(store: Outbox, since: datetime, until: datetime) -> Digest:
    """Sum up what happened from *since* to *until*, where the store's questions are about."""
    earlier, begun, ended = (
        store.counts(start, ErrorSeverity.DEBUG, _MOST) for start in (since - (until - since), since, until)
    )
    severities = _less(begun.by_severity, ended.by_severity)
    types = _less(begun.by_type, ended.by_type)
    changes = store.changes_between(since, until)
    new, regressed = (
        list(dict.fromkeys(change.fingerprint for change in changes if change.kind == kind))
        for kind in ("new", "regressed")
    )
    often = [group.fingerprint for group in store.groups(since=since, order="count", limit=_RANKED)]
    ranks = {name: rank for rank, name in enumerate(often)}
    return Digest(
        since=since,
        until=until,
        origin=store.origin,
        total=sum(severities.values()),
        before=sum(_less(earlier.by_severity, begun.by_severity).values()),
        by_severity={severity.name: severities[severity] for severity in sorted(severities, reverse=True)},
        top_types=dict(sorted(types.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]),
        new=_lines(store, new, ranks),
        new_count=len(new),
        regressed=_lines(store, regressed, ranks),
        regressed_count=len(regressed),
        healings=tuple(store.healings(since, until)),
        foreseen=_foreseen(store, since, until),
    )


def as_text(told: Digest) -> str:
    """For a terminal or an e-mail."""
    heading = f"Errors{told.origin} from {_moment(told.since)} to {_moment(told.until)}"
    lines = [heading, "", f"{counted(told.total, 'error')}, {_trend(told)}"]
    lines += [f"  {name:<8}  {count:>8}" for name, count in told.by_severity.items()]
    for heading, count, groups in _sections(told):
        lines += ["", f"{heading}: {count}"]
        lines += [f"  {group.error}  ({group.count} in all)  llama-logging show {group.error_id}" for group in groups]
    if told.top_types:
        lines += ["", "Most frequent"]
        lines += [f"  {count:>8}  {name}" for name, count in told.top_types.items()]
    if told.healings:
        lines += ["", "Recoveries"]
        lines += [f"  {healing.strategy}: {_healed(healing)}" for healing in told.healings]
    if told.foreseen:
        lines += ["", "Predictions"]
        lines += [f"  {foreseen.error}: {_came(foreseen)}" for foreseen in told.foreseen]
    return visible("\n".join(lines)) + "\n"


def as_html(told: Digest) -> str:
    """One page, nothing loaded from elsewhere, nothing executed."""
    parts = [
        f"<h1>{html.escape(visible(_errors(told)))}</h1>",
        f"<p>{_moment(told.since)} to {_moment(told.until)}, {_trend(told)}</p>",
        _table(("Severity", "Errors"), told.by_severity.items()),
    ]
    for heading, count, groups in _sections(told):
        rows = [(group.error, group.count, f"llama-logging show {group.error_id}") for group in groups]
        parts += [f"<h2>{heading}: {count}</h2>", _table(("Error", "In all", "More"), rows)]
    if told.top_types:
        parts += ["<h2>Most frequent</h2>", _table(("Type", "Errors"), told.top_types.items())]
    if told.healings:
        rows = [(healing.strategy, _healed(healing)) for healing in told.healings]  # type: ignore[misc]
        parts += ["<h2>Recoveries</h2>", _table(("Strategy", "What came of it"), rows)]
    if told.foreseen:
        rows = [(foreseen.error, _came(foreseen)) for foreseen in told.foreseen]  # type: ignore[misc]
        parts += ["<h2>Predictions</h2>", _table(("Error", "What came of them"), rows)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Error digest</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


_STYLE = (
    ":root { color-scheme: light dark } "
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 1.5em auto; padding: 0 1em } "
    "h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.5em 0 .3em } table { border-collapse: collapse } "
    "th, td { text-align: left; vertical-align: top; padding: .25em 1.2em .25em 0 } "
    "td:first-child { overflow-wrap: anywhere } "
    "th { font-weight: normal; opacity: .7; white-space: nowrap }"
)


def report_of(told: Digest) -> Report:
    """*told* as what is sent."""
    return Report(
        kind="digest",
        rule="digest",
        created_at=told.until,
        title=one_line(f"{_errors(told)}, {_trend(told)}: {told.new_count} new, {told.regressed_count} regressed"),
        text=as_text(told),
        html=as_html(told),
        command="llama-logging summary",
        digest=told.as_dict(),
    )


def _less(since: Mapping[K, int], until: Mapping[K, int]) -> dict[K, int]:
    """What was counted from one moment on, without what was from a later one."""
    counts = {what: number - until.get(what, 0) for what, number in since.items()}
    return {what: number for what, number in counts.items() if number}


def _lines(store: Outbox, fingerprints: list[str], ranks: Mapping[str, int]) -> tuple[Line, ...]:
    """The most frequent first: where hundreds are new, the ten that happened to be first tell nothing."""
    ordered = sorted(fingerprints, key=lambda name: ranks.get(name, _RANKED))[:TOP]
    groups = [group for name in ordered if (group := store.group(name)) is not None]
    return tuple(
        Line(
            fingerprint=group.fingerprint,
            error=one_line(last_line(group.error_type, group.error_message)),
            count=group.count,
            error_id=group.last_error_id,
        )
        for group in groups
    )


def _foreseen(store: Outbox, since: datetime, until: datetime) -> tuple[Foreseen, ...]:
    """The groups that were predicted most often first; of all that is kept of this time."""
    groups: dict[str, list[Announcement]] = {}
    for announcement in store.predictions(since=since, limit=KEPT):
        if announcement.prediction.at < until.timestamp() and _is_there(store, announcement):
            groups.setdefault(announcement.prediction.group, []).append(announcement)
    ordered = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(_of_group(store, group, announcements) for group, announcements in ordered[:TOP])


def _is_there(store: Outbox, announcement: Announcement) -> bool:
    """Whether it is about a group that was seen there, and was announced by the service, if one is asked for."""
    origin, group = store.origin, announcement.prediction.group
    return origin.service in (None, announcement.service) and (
        origin.environment is None or store.group(group) is not None
    )


def _of_group(store: Outbox, fingerprint: str, announcements: list[Announcement]) -> Foreseen:
    group = store.group(fingerprint) if fingerprint else None
    leads = [announcement.lead for announcement in announcements if announcement.lead is not None]
    return Foreseen(
        error=one_line(last_line(group.error_type, group.error_message)) if group else fingerprint or "any error",
        fates=dict(Counter(announcement.fate.value for announcement in announcements)),
        acted=sum(announcement.action is Action.ACTED for announcement in announcements),
        lead=sum(leads) / len(leads) if leads else None,
    )


def _came(foreseen: Foreseen) -> str:
    words = {"hit": "came true", "miss": "did not", "pending": "are open", "censored": "nobody can know of"}
    told = [f"{foreseen.fates[fate]} {word}" for fate, word in words.items() if foreseen.fates.get(fate)]
    if foreseen.lead is not None:
        told.append(f"{foreseen.lead:.0f} s ahead on average")
    if foreseen.acted:
        told.append(f"{foreseen.acted} were acted on")
    return ", ".join(told)


def _sections(told: Digest) -> list[tuple[str, int, tuple[Line, ...]]]:
    found = [("New", told.new_count, told.new), ("Regressed", told.regressed_count, told.regressed)]
    return [section for section in found if section[1]]


def _errors(told: Digest) -> str:
    return f"{counted(told.total, 'error')}{told.origin}"


def _trend(told: Digest) -> str:
    if not told.before:
        return "none in the time before"
    change = round(100 * (told.total - told.before) / told.before)
    return f"{told.before} in the time before ({change:+d} %)"


def _healed(healing: Healing) -> str:
    took = "" if healing.seconds is None else f", {healing.seconds:.1f} s from the error to its end on average"
    return f"{healing.recovered} recovered, {healing.failed} in vain{took}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")


def _table(heading: tuple[str, ...], rows: Any) -> str:
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in heading)]
    lines += ["".join(f"<td>{html.escape(visible(str(cell)))}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
