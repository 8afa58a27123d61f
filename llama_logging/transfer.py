"""Errors from one registry, or from files, into another: each once, however often it is done."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from llama_logging import process, wire
from llama_logging.context import ErrorContext, Process, to_microseconds
from llama_logging.exceptions import UNREADABLE, StoreError
from llama_logging.frozen import replace
from llama_logging.registry import Store
from llama_logging.registry.groups import ErrorGroup, GroupState
from llama_logging.registry.intake import Batch
from llama_logging.registry.origins import Origin
from llama_logging.registry.upkeep import Unkept
from llama_logging.visible import counted

BATCH = 500
"""So many errors go over in one transaction."""

WITHOUT_MINUTES = timedelta(days=34)
"""Before a registry counts by the day (`Upkeep.prune`): what is older is compared by the day."""
_UNREADABLE = (StoreError, *UNREADABLE)
_PATIENCE = 10_000
"""So many errors in a row that cannot be read, and no more is looked for: they may be without end."""

Progress = Callable[[int], object]
"""Gets how many errors went over."""


def add(store: Store, contexts: Iterable[ErrorContext], progress: Progress = bool) -> int:
    """Put *contexts* into *store*; how many. One that is there already changes nothing."""
    return _put(store, map(_frames, contexts), progress)


def _put(store: Store, errors: Iterable[list[str]], progress: Progress) -> int:
    """Put errors, each as its frames, into *store*; how many."""
    journal, start = f"import-{os.urandom(8).hex()}", 0
    waiting: list[str] = []
    count = 0
    for count, frames in enumerate(errors, 1):
        waiting += frames
        progress(count)
        if count % BATCH == 0:
            start = store.ingest(Batch(journal, start, start + 1, waiting))
            waiting = []
    store.ingest(Batch(journal, start, start + 1, waiting))
    store.forget(journal)
    return count


def merge(source: Store, target: Store, progress: Progress = bool) -> int:
    """Put all of *source* into *target*; how many errors' details went over.

    Counts of errors whose details were pruned go over too, the first time; of a copy of *target* itself, and of
    what it was copied from, those that *target* lacks. The state of a group that *target* knows already stays; of
    others it is taken over.

    Raises:
        StoreError: If something could not be read, of a damaged file say; what could be went over before.
    """
    problems: list[StoreError] = []
    groups: dict[str, ErrorGroup] = {}
    with _noted(problems):
        groups = {group.fingerprint: group for group in source.groups(limit=1_000_000)}
    known = {name for name in groups if target.group(name) is not None}
    count = _put(target, _readable(source, problems), progress)
    with _noted(problems):
        _add_unkept(source, target)
    for name, group in groups.items():
        if name not in known and group.state_at is not None:
            _take_over(group, target, group.state_at)
    if problems:
        came = (
            f"{counted(count, 'error')} could be read all the same, and came in" if count else "no error could be read"
        )
        raise StoreError(f"{problems[0]}; {came}")
    return count


@contextlib.contextmanager
def _noted(problems: list[StoreError]) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        problems.append(StoreError.of(error))


def _readable(source: Store, problems: list[StoreError]) -> Iterator[list[str]]:
    """The frames of all errors, in the order in which they came, but for what is damaged."""
    position, newest, limit, in_vain = 0, 0, BATCH, 0
    with _noted(problems):
        newest, _ = source.errors_after(-1)
    while position < newest and in_vain < _PATIENCE:
        reached, errors = position, list[ErrorContext]()
        try:
            reached, errors = source.errors_after(position, limit)
        except _UNREADABLE as error:
            problems[1:] = [StoreError.of(error)]
        for context in errors:
            try:
                frames = _frames(context)
            except _UNREADABLE as problem:
                problems[1:] = [StoreError.of(problem)]
            else:
                yield frames
        in_vain = 0 if errors else in_vain + 1
        if not errors:
            position, limit = position + (limit == 1), max(limit // 2, 1)
        else:
            # What is damaged may also lead back, or far away.
            position, limit = reached if position < reached <= newest else position + 1, min(limit * 2, BATCH)


def _frames(context: ErrorContext) -> list[str]:
    error, _, stack = wire.encode_error(context)
    process = [wire.dumps(wire.encode_process(context.process))] if context.process is not None else []
    return [*process, stack, error]


def _add_unkept(source: Store, target: Store) -> None:
    whose = source.recall("id")
    mark = f"imported {whose}"
    if whose == target.recall("id"):
        journal = f"import-{os.urandom(8).hex()}"
        _count(_uncounted(source, target), target, journal)
    elif not target.recall(mark):
        # By this name they come in once, also if this process ends before the mark is there.
        journal = f"import-{whose}"
        _count(source.unkept(), target, journal)
        target.remember(mark, "1")
    else:
        return
    target.forget(journal)


def _uncounted(source: Store, target: Store) -> Iterator[Unkept]:
    """What *source*, of which *target* is a copy or the other way round, has counted and *target* has not."""
    roughly = datetime.now(UTC) - WITHOUT_MINUTES

    def place(fingerprint: str, minute: datetime, origin: Origin) -> tuple[str, datetime, Origin]:
        # One of them may count by the day what the other still counts by the minute.
        return fingerprint, minute if minute > roughly else minute.replace(hour=0, minute=0), origin

    left: Counter[tuple[str, datetime, Origin]] = Counter()
    for store, sign in ((source, 1), (target, -1)):
        for key, count in store.tallies().items():
            left[place(*key)] += sign * count
    for entry in source.unkept():
        key = place(entry.fingerprint, entry.minute, entry.origin)
        count = min(entry.count, left[key])
        if count > 0:
            left[key] -= count
            yield dataclasses.replace(entry, count=count)


def _count(entries: Iterable[Unkept], target: Store, journal: str) -> None:
    frames = []
    # A count is of the origin of a process, and those that it came from may be gone: one of ours stands for them.
    processes: dict[Origin, str] = {}
    for entry in entries:
        origin = entry.origin
        if origin not in processes:
            processes[origin] = f"{journal}-{len(processes)}"
            frames.append(wire.dumps(wire.encode_process(_standing_for(origin, processes[origin]))))
        frames.append(
            wire.dumps(
                {
                    "k": "count",
                    "proc": processes[origin],
                    "ts": to_microseconds(entry.minute + timedelta(seconds=1)),
                    "sev": entry.severity.value,
                    "fp": entry.fingerprint,
                    "type": entry.error_type,
                    "count": entry.count,
                }
            )
        )
    target.ingest(Batch(journal, 0, 1, frames))


def _standing_for(origin: Origin, name: str) -> Process:
    service, environment = origin.service or "", origin.environment or ""
    return replace(process.current(), process=name, release="", service=service, environment=environment)


def _take_over(group: ErrorGroup, target: Store, at: datetime) -> None:
    if group.state is GroupState.RESOLVED:
        target.resolve(group.fingerprint, at, "import", release=group.resolved_in)
    elif group.state is GroupState.MUTED:
        target.mute(
            group.fingerprint, at, "import", until=group.muted_until, count=group.muted_count, period=group.muted_period
        )
