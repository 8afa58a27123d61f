"""The exceptions of an error, as events of Sentry's format have them.

https://develop.sentry.dev/sdk/foundations/envelopes/event-payloads/exception/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_logging import process
from llama_logging.answers.family import is_group, parents_of, tree
from llama_logging.capture.sights import CAUSE, CONTEXT
from llama_logging.capture.variables import MAX_CALLS, MAX_EXCEPTIONS
from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from llama_logging.documents.sentry import SOURCES
from llama_logging.reporters.surroundings import surroundings

_MARGIN = re.compile(r"^(?: *\| )?", re.MULTILINE)
"""Before each line of what belongs to a group."""


def raised(context: ErrorContext) -> list[dict[str, Any]]:
    """The exceptions, what was raised last.

    What `from None` hides is left out, as Python leaves it out.
    """
    exceptions, text = context.exceptions, context.stack_trace
    parents = parents_of(exceptions, text)
    hidden: set[int] = set()
    for index, parent in parents.items():
        if parent in hidden or exceptions[index].relation == "suppressed":
            hidden.add(index)
    order = [index for index, _, _ in tree(exceptions, text) if index not in hidden]
    numbers = {index: number for number, index in enumerate(order)}
    has_groups = any(map(is_group, exceptions))
    values = []
    for index in reversed(order):
        error = exceptions[index]
        mechanism: dict[str, Any] = {"type": context.mechanism, "handled": context.handled}
        if has_groups:
            mechanism |= {"exception_id": numbers[index], "is_exception_group": is_group(error)}
        if has_groups and index:
            source = SOURCES.get(error.relation, SOURCES["member"])
            if source == SOURCES["member"]:
                source += f"[{_place(exceptions, parents, index)}]"
            mechanism |= {"type": "chained", "parent_id": numbers[parents[index]], "source": source}
        value = "\n".join(part for part in (error.message, _notes(error, text)) if part)
        told = {"type": error.type, "module": error.module, "value": value, "mechanism": mechanism}
        if frames := _frames(context, error, index):
            told["stacktrace"] = {"frames": frames}
        values.append(told)
    return values


def _place(exceptions: Sequence[ExceptionDetail], parents: Mapping[int, int], index: int) -> int:
    """Which member of its group."""
    before = [other for other in range(1, index) if parents[other] == parents[index]]
    return sum(exceptions[other].relation == "member" for other in before)


def _notes(error: ExceptionDetail, text: str) -> str:
    """What `add_note` has added to it: in the text of the stack it follows the exception's own line."""
    head = (f"{error.qualified_type}: {error.message}" if error.message else error.qualified_type).split("\n")
    for margin in dict.fromkeys(_MARGIN.findall(text)):
        own = "\n".join(f"{margin}{line}" for line in head)
        rest = f"\n{text}".partition(f"\n{own}\n")[2].split("\n")
        notes = "\n".join(_within(margin, rest))
        if notes:
            return notes.partition(CAUSE)[0].partition(CONTEXT)[0].strip("\n")
    return ""


def _within(margin: str, lines: Iterable[str]) -> Iterator[str]:
    """*lines* without their *margin*, up to the first that has none."""
    for line in lines:
        if not line.startswith(margin):
            return
        yield line[len(margin) :]


def _frames(context: ErrorContext, error: ExceptionDetail, index: int) -> list[dict[str, Any]]:
    variables = {found.frame: found.values for found in context.locals if found.exception == index}
    # What somebody else has recorded names files as it likes.
    is_ours = context.mechanism not in ("import", "sentry")
    is_here = context.process is not None and context.process.host == process.current().host
    own = [place for place, frame in enumerate(error.frames) if frame.in_app]
    shown = own[-MAX_CALLS:] if is_ours and is_here and index < MAX_EXCEPTIONS else []
    return [
        {**_frame(frame, around=place in shown), **({"vars": dict(variables[place])} if place in variables else {})}
        for place, frame in enumerate(error.frames)
    ]


def _frame(frame: Frame, *, around: bool) -> dict[str, Any]:
    told = {
        "module": frame.module,
        "function": frame.function,
        "abs_path": frame.file,
        "filename": frame.file.rpartition("/")[2],
        "lineno": frame.line,
        "context_line": frame.source,
        "in_app": frame.in_app,
    }
    found = surroundings(frame) if around else None
    if found is not None:
        told["pre_context"], told["context_line"], told["post_context"] = found
    return told
