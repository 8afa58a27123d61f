"""What the registry knows, in words: the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from llama_logging.registry.attempts import ScopeState
from llama_logging.registry.groups import ErrorGroup
from llama_logging.registry.triage import Change
from llama_logging.registry.upkeep import Gap, Incident
from llama_logging.visible import counted, printable


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago *moment* is, for people.

    >>> ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 3, tzinfo=UTC))
    '3h ago'
    """
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return f"{max(0, int(seconds))}s ago"


def local(moment: datetime, timespec: str = "seconds") -> str:
    """*moment* in local time with its offset: all that people read has the same; what programs read is UTC."""
    return moment.astimezone().isoformat(sep=" ", timespec=timespec)


def state_of(group: ErrorGroup, changes: Iterable[Change] = ()) -> str:
    """The state of *group* in words.

    Args:
        changes: What became of it, the latest first: they know whether a release has the fix, or the one after it.
    """
    how = ""
    if group.resolved_in:
        told = next((change.detail for change in changes if change.kind == "resolved"), "")
        after = f"after {group.resolved_in}"
        how = f" {printable(after if told == after else f'in {group.resolved_in}')}"
    elif group.muted_until is not None:
        how = f" until {local(group.muted_until)}"
    elif group.muted_count is not None and group.muted_period is not None:
        how = f" until {group.muted_count} come within {group.muted_period:g} s"
    return f"{group.state.value}{how}"


def doing(scope: ScopeState) -> str:
    """What goes on at a thing that recovery acts on."""
    if scope.leased_for:
        return f"{scope.owner} is at it"
    left = max(scope.open_for, scope.rests_for)
    return f"{'open' if scope.open_for else 'resting'} for {left:.0f} s" if left else "idle"


def findings(gaps: Iterable[Gap], damaged: int, incidents: Iterable[Incident]) -> Iterator[str]:
    """What there is to complain of in a registry, a line for each."""
    for gap in gaps:
        who = f"{gap.process.get('program') or '?'}, pid {gap.process.get('pid')} on {gap.process.get('host')}"
        missing = counted(gap.missing, "frame is", "frames are")
        yield f"{missing} missing of those that a process numbered ({who}): lost, or not yet written when it was killed"
    if damaged:
        yield f"{counted(damaged, 'frame was', 'frames were')} damaged and could not be read"
    for incident in incidents:
        yield f"{local(incident.at)} {incident.kind}: {incident.detail}"
