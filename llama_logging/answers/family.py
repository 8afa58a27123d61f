"""Which exception of an error belongs to which: causes to what they have caused, members to their groups."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set

from llama_logging.capture.sights import CAUSE, CONTEXT
from llama_logging.context import ExceptionDetail

_WORDS = {
    "cause": "caused by",
    "context": "raised while handling",
    "suppressed": "raised while handling, and hidden by “from None”",
}
_RANKS = {"cause": 0, "context": 0, "suppressed": 1, "member": 2}
"""In which order they follow what they belong to."""
_MARGIN = re.compile(r"[ |+-]*")
_JOINTS = (CAUSE.strip(), CONTEXT.strip())


def parents_of(exceptions: Sequence[ExceptionDetail], text: str) -> dict[int, int]:
    """What each exception but the first belongs to, by their indices.

    They come breadth first, and do not say it. A group says how many members it has, so theirs is known;
    where a cause may be that of several, the stack's text tells.

    Args:
        text: As the standard library prints it.
    """
    heads = {_head(exception) for exception in exceptions}
    effects = _effects(text, heads) if any(map(is_group, exceptions)) else {}
    parents: dict[int, int] = {}
    at = 0
    for index in range(1, len(exceptions)):
        able = [each for each in range(at, index) if _can_have(exceptions, parents, each, index)] or [index - 1]
        told = effects.get(_head(exceptions[index]))
        at = parents[index] = next((each for each in able if told and _head(exceptions[each]) == told), able[0])
    return parents


def is_group(exception: ExceptionDetail) -> bool:
    """Whether it has members."""
    return "BaseExceptionGroup" in exception.bases


def tree(exceptions: Sequence[ExceptionDetail], text: str) -> list[tuple[int, int, str]]:
    """Index, depth and relation in words of each exception: causes below effects, members below their groups."""
    parents = parents_of(exceptions, text)
    depths, order, waiting = {0: 0}, [], [0] if exceptions else []
    while waiting:
        index = waiting.pop(0)
        order.append(index)
        children = [child for child, parent in parents.items() if parent == index]
        depths.update((child, depths[index] + 1) for child in children)
        waiting = children + waiting
    return [(index, depths[index], _related(exceptions, parents, index)) for index in order]


def _effects(text: str, heads: Set[str]) -> dict[str, str]:
    """For each exception of *text* that has led to another: that other's, by the lines that name them."""
    effects: dict[str, str] = {}
    latest: dict[int, str] = {}
    joined: dict[int, str] = {}
    for line in text.splitlines():
        margin = _MARGIN.match(line)
        depth = margin.end() if margin else 0
        said = line[depth:]
        if said in _JOINTS:
            joined[depth] = latest.get(depth, "")
        elif said in heads:
            latest[depth] = said
            if before := joined.pop(depth, ""):
                effects.setdefault(before, said)
    return effects


def _head(exception: ExceptionDetail) -> str:
    """The line that names it in a traceback."""
    first = exception.message.partition("\n")[0]
    return f"{exception.qualified_type}: {first}" if first else exception.qualified_type


def _can_have(exceptions: Sequence[ExceptionDetail], parents: Mapping[int, int], parent: int, child: int) -> bool:
    relation = exceptions[child].relation
    siblings = [exceptions[index].relation for index, own in parents.items() if own == parent]
    if relation == "member":
        size = _size(exceptions[parent])
        return size is None or siblings.count("member") < size
    return all(_RANKS.get(sibling, 2) < _RANKS.get(relation, 0) for sibling in siblings)


def _size(exception: ExceptionDetail) -> int | None:
    """How many members a group has, by its message; 0 of what is none, None if it does not say."""
    if not is_group(exception):
        return 0
    words = exception.message.rpartition("(")[2].partition(" sub-exception")[0]
    return int(words) if words.isdecimal() and len(words) < 10 else None  # a message says what it likes


def _related(exceptions: Sequence[ExceptionDetail], parents: Mapping[int, int], index: int) -> str:
    relation = exceptions[index].relation
    if relation != "member":
        return _WORDS.get(relation, "")
    siblings = [other for other, own in parents.items() if own == parents[index]]
    members = [other for other in siblings if exceptions[other].relation == "member"]
    return f"member {members.index(index) + 1} of {len(members)}"
