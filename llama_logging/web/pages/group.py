"""A group, and one of its errors."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llama_logging.answers.family import tree
from llama_logging.answers.markdown import as_markdown
from llama_logging.capture.grouping import told_of
from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from llama_logging.documents.exports import as_document
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry.figures import Steps
from llama_logging.registry.outbox import Outbox
from llama_logging.web.asked import Asked, Text

DAYS = 28
"""What the chart shows, in steps of STEP minutes."""
STEP = 360
EVENTS = 20
"""Errors that are listed."""
FRAMES = 60
"""Calls of one exception that are shown; of more, those in the middle are left out."""
REPEATS = 3
"""Calls at one line, each made by the next, that are shown, as in a traceback: of a recursion."""
EXCEPTIONS = 20
"""Exceptions of a chain or group that are shown."""
TAGS, VALUES = 20, 5
"""Tags and values of each that are shown."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it is shown.

    Attributes:
        hidden: Whether it is shown only where all calls are.
        left_out: How many calls before it are not shown at all.
        folded: How many calls before it are hidden.
        repeated: How many more like it come before the next that is shown.
    """

    frame: Frame
    values: Mapping[str, Any]
    hidden: bool
    left_out: int = 0
    folded: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain or group.

    Attributes:
        depth: How far it is from what was raised.
        relation: What it is to that, in words.
        calls: The innermost first.
    """

    detail: ExceptionDetail
    depth: int
    relation: str
    calls: tuple[Call, ...]
    folded: int


def of_group(asked: Asked) -> dict[str, Any]:
    """The newest error of a group."""
    fingerprint = asked.store.fingerprint_of(asked.params["name"])
    events = asked.store.errors(fingerprint=fingerprint, limit=EVENTS)
    return _view(asked, fingerprint, events[0] if events else None, events)


def of_error(asked: Asked) -> dict[str, Any]:
    """One error."""
    error = asked.store.find(asked.params["name"])
    return _view(asked, error.fingerprint, error, asked.store.errors(fingerprint=error.fingerprint, limit=EVENTS))


def as_markdown_text(asked: Asked) -> Text:
    """One error, to be pasted into an issue."""
    error = asked.store.find(asked.params["name"])
    group, attempts = asked.store.group(error.fingerprint), asked.store.attempts(error.error_id)
    return Text(as_markdown(error, group, attempts), "text/plain")


def as_json_text(asked: Asked) -> Text:
    """One error, all there is to it."""
    error = asked.store.find(asked.params["name"])
    document = as_document(error)
    document["recovery_attempts"] = [dataclasses.asdict(attempt) for attempt in asked.store.attempts(error.error_id)]
    return Text(json.dumps(document, indent=2, default=str), "application/json")


def _view(asked: Asked, fingerprint: str, error: ErrorContext | None, newest: Sequence[ErrorContext]) -> dict[str, Any]:
    store = asked.store
    group = store.group(fingerprint)
    if group is None:
        raise ErrorNotFound(f"no group is called {fingerprint!r} in {store.url}")
    steps = Steps.ending(asked.now, STEP, DAYS * 1440 // STEP)
    facets = store.facets(fingerprint)
    return {
        "pulse": asked.pulse,
        "group": group,
        "error": error,
        "steps": steps,
        "activity": store.activity([group.fingerprint], steps)[group.fingerprint],
        "facets": {key: values[:VALUES] for key, values in list(facets.values.items())[:TAGS]},
        "sample": facets.sample,
        "changes": store.changes(fingerprint, 30),
        "records": store.records(fingerprint)[:TAGS],
        "why": told_of(error.grouping if error is not None else ()),
        **_events(store, error, newest, asked),
        **(_details(store, error) if error is not None else {"raised": (), "attempts": (), "sightings": ()}),
    }


def _events(store: Outbox, error: ErrorContext | None, newest: Sequence[ErrorContext], asked: Asked) -> dict[str, Any]:
    """The neighbours of *error*, and a part of the list of all; *newest* is its beginning."""
    if error is None or not newest:
        return {"first": "", "earlier": "", "later": "", "last": "", "events": (), "older": "", "newer": ""}
    events, older, newer = newest, asked.query.get("older", ""), asked.query.get("newer", "")
    if older:
        events = store.errors_beside(older, limit=EVENTS)
    elif newer:
        events = store.errors_beside(newer, later=True, limit=EVENTS)[::-1]
    is_all = len(newest) < EVENTS
    first, last = newest[-1] if is_all else store.first_error(error.fingerprint), newest[0]
    earlier, later = _beside(store, error, newest, is_all)
    return {
        "first": _id(first, error),
        "earlier": _id(earlier, error),
        "later": _id(later, error),
        "last": _id(last, error),
        "events": events,
        "older": events[-1].error_id if events and first and events[-1].error_id != first.error_id else "",
        "newer": events[0].error_id if events and events[0].error_id != last.error_id else "",
    }


def _beside(
    store: Outbox, error: ErrorContext, newest: Sequence[ErrorContext], is_all: bool
) -> tuple[ErrorContext | None, ErrorContext | None]:
    """The errors before and after *error*; the store is asked only where they are not among the *newest*."""
    ids = [each.error_id for each in newest]
    if error.error_id in ids:
        at = ids.index(error.error_id)
        later = newest[at - 1] if at else None
        if at + 1 < len(newest) or is_all:
            return (newest[at + 1] if at + 1 < len(newest) else None), later
        return next(iter(store.errors_beside(error.error_id)), None), later
    before, after = (store.errors_beside(error.error_id, later=later) for later in (False, True))
    return next(iter(before), None), next(iter(after), None)


def _id(found: ErrorContext | None, shown: ErrorContext) -> str:
    return found.error_id if found is not None and found.error_id != shown.error_id else ""


def _details(store: Outbox, error: ErrorContext) -> dict[str, Any]:
    exceptions = error.exceptions
    values = {(found.exception, found.frame): found.values for found in error.locals}
    raised = [
        _raised(exceptions[index], index, depth, relation, values)
        for index, depth, relation in tree(exceptions, error.stack_trace)[:EXCEPTIONS]
    ]
    return {
        "raised": raised,
        "unshown": max(0, len(exceptions) - EXCEPTIONS),
        "has_hidden": any(call.hidden for each in raised for call in each.calls),
        "attempts": store.attempts(error.error_id),
        "sightings": store.sightings(error.error_id),
    }


def _raised(
    detail: ExceptionDetail, index: int, depth: int, relation: str, values: Mapping[tuple[int, int], Mapping[str, Any]]
) -> Raised:
    own = any(frame.in_app for frame in detail.frames)
    told = list(_told(detail.frames))
    unshown = told[FRAMES // 2 : -FRAMES // 2] if len(told) > FRAMES else []
    left_out = sum(1 + repeated for _, repeated in unshown)
    calls, folded = [], 0
    for place, (number, repeated) in enumerate(told[: FRAMES // 2] + told[FRAMES // 2 + len(unshown) :]):
        frame = detail.frames[number]
        hidden = own and not frame.in_app
        gap = left_out if place == FRAMES // 2 else 0
        calls.append(Call(frame, values.get((index, number), {}), hidden, gap, 0 if hidden else folded, repeated))
        folded = folded + 1 + repeated if hidden else 0
    return Raised(detail, depth, relation, tuple(calls), folded)


def _told(frames: Sequence[Frame]) -> Iterator[tuple[int, int]]:
    """The numbers of the frames that are worth showing, the innermost first, and how many more like it follow each."""
    innermost = range(len(frames) - 1, -1, -1)
    for _, run in itertools.groupby(innermost, lambda n: (frames[n].file, frames[n].line, frames[n].function)):
        alike = list(run)
        shown = alike[:REPEATS]
        yield from ((number, len(alike) - len(shown) if number == shown[-1] else 0) for number in shown)
