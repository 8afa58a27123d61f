"""What a user has redacted besides: patterns and keys of their own, in the whole process."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable

from llama_logging.patterns import regex
from llama_logging.redaction.credentials import REDACTED

SLOW = 0.005
"""Seconds that a pattern of the user's may take on one hostile text."""

# Growing: an exponential one is found out at some twenty characters, while it still ends.
_LENGTHS = (*range(8, 29, 4), 64, 512, 4096)
_LONGEST = 4096
_MOST_PIECES = 20
# A part of a pattern: what parts it from others, how often it comes, one of a class, a character.
_PART = regex(
    r"(?P<bar>\(\?(?:[:=!>]|<[=!]|P<\w+>|[a-zA-Z-]+[:)])|[()|])"
    r"|(?P<times>\{(?P<least>\d*),?\d*\}|[?*+])[?+]?"
    r"|\[(?P<other>\^)?(?P<member>\\?.)(?:\\.|[^\]\\])*\]"
    r"|(?P<character>\\?.)",
    re.DOTALL,
)
_ESCAPED = {**dict(zip("dDwWsSnt", "0aa- a\n\t", strict=True)), **dict.fromkeys("bBAZ", "")}
_SIGNS = {".": "a", "^": "", "$": ""}

SEPARATORS = str.maketrans("", "", "-_. []:")
"""What a key is compared without, in lower case."""

own_patterns: list[re.Pattern[str]] = []
own_keys: set[str] = set()
_forgetting: list[Callable[[], None]] = []


def also(patterns: Iterable[re.Pattern[str]] = (), keys: Iterable[str] = ()) -> None:
    """Redact these too, from now on and in the whole process."""
    more = [pattern for pattern in patterns if pattern not in own_patterns]
    more_keys = {key.lower().translate(SEPARATORS) for key in keys} - own_keys
    if not more and not more_keys:
        return
    own_patterns.extend(more)
    own_keys.update(more_keys)
    for forget in _forgetting:
        forget()


def on_more(forget: Callable[[], None]) -> Callable[[], None]:
    """Have *forget* called as soon as more is redacted: it makes another cache, and does not clear the one there was.

    A thread may be about to add to that what it has redacted without.
    """
    _forgetting.append(forget)
    return forget


def safe_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern, and try it on text that makes a careless one run for ever.

    Raises:
        ValueError: If it is no regular expression, matches the empty text, or takes longer than 5 ms
            on a few kilobytes: an attacker chooses what is logged.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if pattern.search(""):
        raise ValueError(f"{text!r} matches the empty text")
    for seed in sorted({*"a0 -.=:/", *filter(str.isalnum, text), *_pieces(text)}):
        for length in _LENGTHS:
            hostile = (seed * length)[:_LONGEST] + "\0"
            if _seconds(pattern, hostile) > SLOW and min(_seconds(pattern, hostile) for _ in range(3)) > SLOW:
                raise ValueError(f"{text!r} takes too long on text such as {seed * 8!r}...: bound it, as in {{1,64}}")
    return pattern


def _pieces(text: str) -> set[str]:
    r"""Texts that parts of a pattern match, or nearly: what it has between brackets and bars, and two of these.

    >>> sorted(_pieces(r"(?:no\.\d{2}|[x-z]+)+;"))
    [';', 'no.00', 'no.00x', 'x', 'x;']
    """
    pieces, last = [""], ""
    for part in _PART.finditer(text):
        if part["bar"]:
            pieces.append("")
            last = ""
        elif part["times"]:
            pieces[-1] += last * (min(int(part["least"] or 1), 64) - 1)
        else:
            last = _sample(part)
            pieces[-1] += last
    found = [piece for piece in pieces if piece][:_MOST_PIECES]
    return {*found, *map("".join, itertools.pairwise(found))}


def _sample(part: re.Match[str]) -> str:
    """What this part of a pattern matches: a character, or nothing."""
    told = part["member"] or part["character"]
    if part["other"]:
        return "a"
    if len(told) == 2:
        return _ESCAPED.get(told[1], told[1])
    return told if part["member"] else _SIGNS.get(told, told)


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    began = time.perf_counter()
    pattern.sub(REDACTED, text)
    return time.perf_counter() - began
