"""Texts on which a careless pattern runs for ever, made of what the pattern itself is made of."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

# Told nowhere else: what `re` reads out of a pattern before it compiles it.
_parser: Any = importlib.import_module("re._parser")

_MANY = 16
"""What is repeated more often, by all repetitions that it stands in together, may take long."""
_MOST = 64
"""Characters of a sample, and texts that are made for one pattern."""
_ELSEWHERE = "\x00a0_ -.=:/\n\u00e9"
_REPEATS = frozenset(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"))
_CHARACTERS = frozenset(("LITERAL", "NOT_LITERAL", "IN", "ANY", "RANGE", "CATEGORY"))

Items = Sequence[tuple[object, Any]]


class Hostile(NamedTuple):
    """A text that comes to a repetition, what keeps that busy, and whether more of it may double how long it takes."""

    before: str
    again: str
    doubles: bool


def hostile(pattern: str) -> list[Hostile]:
    r"""What to try *pattern* with, which is a valid one.

    >>> [tuple(each) for each in hostile(r"no\.(?:\d|[0-7]+)+;")]
    [('no.', '0', True), ('no.', '8', True), ('', 'no.0', True)]
    """
    items = _parser.parse(pattern)
    loops = list(_loops(items, ""))
    alphabet = _alphabet(list(_characters(items))) if loops else []
    found: dict[Hostile, None] = {}
    # Any may be the one that is kept busy.
    doubles = any(nested or len(body) != 1 or str(body[0][0]) not in _CHARACTERS for _, body, nested in loops)
    for before, body, _ in loops:
        inside = list(_characters(body))
        for again in [each for each in alphabet if any(_takes(op, value, each) for op, value in inside)]:
            found[Hostile(before, again, doubles)] = None
        samples = _samples(body)
        for again in samples:
            found[Hostile(before, again, doubles)] = None
        # From each beginning to the end: these add up.
        found[Hostile("", f"{before}{samples[0]}", doubles)] = None
    return [each for each in found if each.again][:_MOST]


def _loops(items: Items, before: str, times: int = 1) -> Iterator[tuple[str, Items, bool]]:
    """What is repeated, with a text that leads to it, and whether it stands in what is; all of it so many *times*."""
    for op, value in items:
        name = str(op)
        if name in _REPEATS:
            most = times * int(value[1])
            if most > _MANY:
                yield before, value[2], times > 1
            yield from _loops(value[2], before, most)
        else:
            for part in _parts(name, value):
                yield from _loops(part, before, times)
        before = (before + _sample([(op, value)]))[-_MOST:]


def _parts(name: str, value: Any) -> Iterable[Items]:
    """What stands within brackets of any kind, the alternatives apart."""
    if name == "BRANCH":
        return list(value[1])
    if name == "SUBPATTERN":
        return [value[3]]
    if name == "ATOMIC_GROUP":
        return [value]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [value[1]]
    if name == "GROUPREF_EXISTS":
        return [part for part in value[1:] if part is not None]
    return []


def _samples(items: Items) -> list[str]:
    """Texts that *items* match: one for each alternative that is the only thing in them, or begins them."""
    if items and str(items[0][0]) in ("BRANCH", "SUBPATTERN", "ATOMIC_GROUP"):
        parts = _parts(str(items[0][0]), items[0][1])
        rest = _sample(items[1:])
        return [f"{begin}{rest}" for part in parts for begin in _samples(part)] or [rest]
    return [_sample(items)]


def _sample(items: Items) -> str:
    """The shortest text, nearly, that *items* match; what looks around and refers back is taken for nothing."""
    text = ""
    for op, value in items:
        name = str(op)
        if name in _CHARACTERS:
            text += next((each for each in _candidates(op, value) if _takes(op, value, each)), "")
        elif name in _REPEATS:
            text += _sample(value[2]) * min(max(value[0], 1), _MOST)
        elif name == "ASSERT" and value[0] < 0:
            text += _sample(value[1])
        elif name != "ASSERT" and name != "ASSERT_NOT":
            text += next(map(_sample, _parts(name, value)), "")
    return text[-_MOST:]


def _characters(items: Items) -> Iterator[tuple[object, Any]]:
    for op, value in items:
        name = str(op)
        if name in _CHARACTERS:
            yield op, value
        for part in [value[2]] if name in _REPEATS else _parts(name, value):
            yield from _characters(part)


def _alphabet(classes: Sequence[tuple[object, Any]]) -> list[str]:
    """One character of each kind that the pattern tells apart."""
    kinds: dict[tuple[bool, ...], str] = {}
    for each in dict.fromkeys(each for op, value in classes for each in _candidates(op, value)):
        kinds.setdefault(tuple(_takes(op, value, each) for op, value in classes), each)
    return list(kinds.values())


def _candidates(op: object, value: Any) -> Iterator[str]:
    """Characters at the borders of a class, and such as any text has."""
    name = str(op)
    if name in ("LITERAL", "NOT_LITERAL"):
        yield chr(value)
    elif name == "RANGE":
        low, high = value
        yield from map(chr, {low, high, max(low - 1, 0), min(high + 1, 0x10FFFF), (low + high) // 2})
    elif name == "IN":
        for part in value:
            yield from _candidates(*part)
    yield from _ELSEWHERE[1:]


def _takes(op: object, value: Any, character: str) -> bool:
    name = str(op)
    if name == "LITERAL":
        return chr(value) == character
    if name == "NOT_LITERAL":
        return chr(value) != character
    if name == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])
    if name == "CATEGORY":
        return _is_of(str(value), character)
    if name == "IN":
        is_other = bool(value) and str(value[0][0]) == "NEGATE"
        return any(_takes(part[0], part[1], character) for part in value[is_other:]) is not is_other
    return character != "\n"  # a dot


def _is_of(category: str, character: str) -> bool:
    name = category.removeprefix("CATEGORY_").removeprefix("NOT_")
    is_of = {"DIGIT": character.isdigit(), "SPACE": character.isspace()}.get(
        name, character.isalnum() or character == "_"
    )
    return is_of is not category.startswith("CATEGORY_NOT_")
