"""The index of words, made when it is asked for, or when there is time: errors come in without waiting for it.

What the errors of a group have in common (type, message without its numbers, logger, stack), as it is when
the group is first seen here, is indexed once, for the group; of an error only the words that were not: numbers,
ids, tags, short values of its context, the trace. So the index stays small at any number of repeats, and words in
every error are found at once.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from llama_logging.runtime.native import breathe
from llama_logging.stores.statements import Execute, marks, only, parts

AT_ONCE = 50
"""Errors between two moments in which other threads get the interpreter: half a millisecond."""
STEP = 2_000
"""Errors that are indexed in one transaction."""
MOST = 10_000
"""So many rows, the newest, are looked at for words; of errors, a database may look at fewer."""

_WORD = re.compile(r"\w+")
_LONGEST = 64
_VALUES = 50
"""Of the values of one error's context that stand at its top, at most so many, no longer than the longest word."""
SPEAKS_FOR = 60_000_000
"""Microseconds for which an error that has not said all yet is waited for."""
_KNOWN = STEP
"""The words of so many groups, and stacks, are kept at hand."""
_FEW, _NEWEST = 20, 100
"""Where many errors have a word of several: so many groups, and errors of each, are looked at for the others."""
_NONE: frozenset[str] = frozenset()
_GROUPS = """
    SELECT groups.id, groups.error_type, groups.error_message, groups.logger_name, stacks.content
    FROM groups LEFT JOIN stacks ON stacks.id = groups.stack
"""
_ERRORS = """
    SELECT errors.position, errors.timestamp, errors.partial, errors.group_id, errors.stack, errors.error_type,
           errors.message, errors.content
    FROM errors
"""


def split(text: str) -> list[str]:
    """The words of *text*, in lower case.

    >>> split("Order a-17: NOT found")
    ['order', 'a', '17', 'not', 'found']
    """
    return [word[:_LONGEST].lower() for word in _WORD.findall(text)]


class Index:
    """Words of groups and errors; a subclass keeps them as its database does best.

    Args:
        transaction: In which words are added.
        may_write: Whether they can be. Who may only read finds what others have had indexed.
    """

    def __init__(
        self, transaction: Callable[[], contextlib.AbstractContextManager[Execute]], may_write: Callable[[], bool]
    ) -> None:
        self._transaction, self._may_write = transaction, may_write
        self._groups: dict[int, frozenset[str]] = {}
        self._stacks: dict[int, frozenset[str]] = {}

    def put(self, execute: Execute, table: str, rows: Sequence[tuple[int, str, int]]) -> None:
        """Add rows to `group_words` or `error_words`: number, words, and the moment of an error.

        What is there already gets these words as well.
        """
        raise NotImplementedError

    def drop(self, execute: Execute, groups: Sequence[int]) -> None:
        """Drop the words of *groups*, which are gone."""
        raise NotImplementedError

    def of_groups(self, execute: Execute, groups: Sequence[int]) -> Iterable[tuple[int, str]]:
        """The words that were indexed for *groups*, of those for which there are some."""
        raise NotImplementedError

    def groups_with(self, execute: Execute, asked: Sequence[str], most: int = MOST) -> set[int]:
        """The newest groups that have words which begin with each of *asked*; *most* of them."""
        raise NotImplementedError

    def errors_with(self, execute: Execute, asked: Sequence[str]) -> tuple[list[tuple[int, int]], bool]:
        """The newest errors of which each of *asked* begins a word, or one of their group's; one at least their own.

        Returns:
            The position of each that is still there with the group that it is in, and whether these are all there are.
        """
        raise NotImplementedError

    def catch_up(self) -> None:
        """Index all that came since."""
        while self.step():
            pass

    def step(self) -> bool:
        """Index STEP errors; whether there may be more."""
        if not self._may_write():
            return False
        with self._transaction() as execute:
            reached = self._reached(execute, "groups indexed"), self._reached(execute, "errors indexed")
            # The ends of two indexes: what comes next would be looked for in the tables of all days.
            ends = execute("SELECT (SELECT max(id) FROM groups), (SELECT max(position) FROM errors)").fetchone()
            if reached[0] and all((end or 0) <= place for end, place in zip(ends, reached, strict=True)):
                return False
            if not reached[0]:  # another registry than before, perhaps
                self._groups.clear()
                self._stacks.clear()
            groups = execute(f"{_GROUPS} WHERE groups.id > ? ORDER BY groups.id LIMIT ?", (reached[0], STEP)).fetchall()
            rows = [(row[0], " ".join(sorted(_of_group(row))), 0) for row in groups]
            self.put(execute, "group_words", rows)
            self._reach(execute, "groups indexed", rows)
            errors = execute(f"{_ERRORS} WHERE position > ? ORDER BY position LIMIT ?", (reached[1], STEP)).fetchall()
            now = time.time() * 1_000_000
            speaking = (place for place, row in enumerate(errors) if row[2] and abs(now - row[1]) < SPEAKS_FOR)
            own = self._own(execute, errors[: next(speaking, STEP)])
            self.put(execute, "error_words", [row for row in own if row[1]])
            self._reach(execute, "errors indexed", own)
        return len(groups) == STEP or len(own) == STEP

    def moved(self, execute: Execute, positions: Sequence[int]) -> None:
        """Index errors anew that have other groups now, whose words are not those of the ones before."""
        reached = self._reached(execute, "errors indexed")
        for part in parts([position for position in positions if position <= reached]):
            errors = execute(f"{_ERRORS} WHERE position IN ({marks(part)})", part).fetchall()
            self.put(execute, "error_words", self._own(execute, errors))

    def groups(self, execute: Execute, search: str) -> set[int]:
        """The groups that have all words of *search*, or an error that has those which the group has not."""
        asked = split(search)
        if not asked:
            return set()
        errors, are_all = self.errors_with(execute, asked)
        found = self.groups_with(execute, asked) | {group for _, group in errors}
        return found if are_all or len(asked) == 1 else found | self._beside(execute, asked, found)

    def _beside(self, execute: Execute, asked: Sequence[str], found: set[int]) -> set[int]:
        """Groups with a rare word of *asked*, in whose newest errors the others are: many other errors have these."""
        # One more than are looked at tells that there are too many.
        having = [self.groups_with(execute, [word], len(found) + _FEW + 1) for word in asked]
        few = min(filter(None, having), key=len, default=set()) - found
        more: set[int] = set()
        for group in few if len(few) <= _FEW else ():
            ask = f"{_ERRORS} WHERE group_id = ? ORDER BY timestamp DESC LIMIT {_NEWEST}"
            for _, text, _ in self._own(execute, execute(ask, (group,)).fetchall()):
                said = [*text.split(), *self._groups.get(group, _NONE)]
                if all(any(word.startswith(each) for word in said) for each in asked):
                    more.add(group)
        return more

    def errors(self, execute: Execute, search: str) -> list[int]:
        """The positions of the newest errors that have all words of *search*, one of them not their group's."""
        asked = split(search)
        return sorted((position for position, _ in self.errors_with(execute, asked)[0]), reverse=True) if asked else []

    def learned(self, execute: Execute, groups: set[int]) -> Mapping[int, frozenset[str]]:
        """The words that were indexed for *groups*, and perhaps others."""
        return _learn(self._groups, groups, partial(self.of_groups, execute))

    def _own(self, execute: Execute, errors: Sequence[Sequence[Any]]) -> list[tuple[int, str, int]]:
        """What of *errors* is to be indexed: the words that were not for their groups."""
        groups = self.learned(execute, {row[3] for row in errors})
        stacks = _learn(self._stacks, {row[4] for row in errors} - {None}, partial(_of_stacks, execute))
        own: list[tuple[int, str, int]] = []
        for some in parts(errors, AT_ONCE):
            for row in some:
                words = (_of_error(row) | stacks.get(row[4], _NONE)) - groups.get(row[3], _NONE)
                own.append((row[0], " ".join(sorted(words)), row[1]))
            breathe()
        return own

    def _reached(self, execute: Execute, name: str) -> int:
        return int(only(execute("SELECT value FROM registry WHERE name = ?", (name,))))

    def _reach(self, execute: Execute, name: str, rows: Sequence[tuple[int, str, int]]) -> None:
        if rows:
            execute("UPDATE registry SET value = ? WHERE name = ?", (str(rows[-1][0]), name))


def _learn(
    known: dict[int, frozenset[str]], wanted: set[int], ask: Callable[[Sequence[int]], Iterable[tuple[int, str]]]
) -> Mapping[int, frozenset[str]]:
    """*known*, with what is *wanted*."""
    if len(known.keys() | wanted) > _KNOWN:
        known.clear()
    for part in parts(sorted(wanted - known.keys())):
        known.update((number, frozenset(text.split())) for number, text in ask(part))
    return known


def _of_group(row: Sequence[Any]) -> set[str]:
    _, error_type, message, logger, stack = row
    # A word with a digit is one error's own: a number, an id.
    said = {word for word in split(message) if word.isalpha()}
    return said | _of_texts([error_type, logger, *_stack_texts(stack)])


def _of_stacks(execute: Execute, stacks: Sequence[int]) -> Iterable[tuple[int, str]]:
    rows = execute(f"SELECT id, content FROM stacks WHERE id IN ({marks(stacks)})", stacks)
    return [(number, " ".join(_of_texts(_stack_texts(content)))) for number, content in rows.fetchall()]


def _stack_texts(content: str | None) -> list[Any]:
    told = json.loads(content) if content else {}
    return [*_listed(told.get("site"))[:3], told.get("text")]


def _of_error(row: Sequence[Any]) -> set[str]:
    *_, error_type, message, content = row
    frame = json.loads(content)
    tags = frame.get("tags")
    said = [text for pair in tags.items() for text in pair] if isinstance(tags, dict) else []
    context = frame.get("ctx")
    values = list(context.values())[:_VALUES] if isinstance(context, dict) else []
    said += [str(value) for value in values if type(value) is int or (type(value) is str and len(value) <= _LONGEST)]
    return _of_texts([error_type, message, frame.get("logger"), frame.get("log"), *_listed(frame.get("trace")), *said])


def _of_texts(texts: Iterable[Any]) -> set[str]:
    """The words of those of *texts* that are some: what a frame holds besides its columns nobody has looked at."""
    return {word for text in texts if isinstance(text, str) for word in split(text)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
