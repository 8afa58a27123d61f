"""What a user has redacted besides: patterns and keys of their own, in the whole process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

from llama_logging.redaction.credentials import REDACTED

SLOW = 0.02
"""Seconds that a pattern of the user's may take on one hostile text."""
LONGEST = 16_384
"""Characters of the longest one that is tried: a pattern that goes back to each of its beginnings takes five times as
long for it, one that does not a tenth, so that none is refused here and taken on another machine."""

# Growing: one that takes ever longer is found out while it still ends.
_FEW, _MORE = range(4, 65, 2), tuple(64 * 2**n for n in range(9))
_PLAINLY = 10
"""So many times longer than it may take it has taken for no other process."""

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
    forget_all()


def forget_all() -> None:
    """Have what was remembered of errors made anew."""
    for forget in _forgetting:
        forget()


def on_more(forget: Callable[[], None]) -> Callable[[], None]:
    """Have *forget* called as soon as more is redacted, and by `forget_all`.

    It makes another cache, and does not clear the one there was: a thread may be about to add to that what it has
    redacted without.
    """
    _forgetting.append(forget)
    return forget


def safe_pattern(text: str) -> re.Pattern[str]:
    """As `tried_pattern`, and one that finds nothing in the empty text.

    Raises:
        ValueError: If it is none, or takes longer than 20 ms on 16 KB.
    """
    pattern = tried_pattern(text)
    if pattern.search(""):
        raise ValueError(f"{text!r} matches the empty text")
    return pattern


def tried_pattern(text: str, slow: float = SLOW, longest: int = LONGEST) -> re.Pattern[str]:
    """Compile a pattern, and try it on text that makes a careless one run for ever.

    Args:
        slow: Seconds that it may take on one text.
        longest: Characters of the longest.

    Raises:
        ValueError: If it is no regular expression, or takes longer: an attacker chooses what is logged.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    from llama_logging.redaction.hostile import hostile  # here and not above: few have patterns of their own

    for before, again, doubles in hostile(text):
        for times in (*(_FEW if doubles else ()), *_MORE):
            tried = f"{before}{again * times}"[:longest] + "\0"
            took = _seconds(pattern, tried)
            if took > slow * _PLAINLY or (took > slow and min(_seconds(pattern, tried) for _ in range(3)) > slow):
                raise ValueError(
                    f"{text!r} takes too long on text such as {before + again * 8!r}...: bound it, as in {{1,64}}"
                )
            if len(tried) > longest:
                break
    return pattern


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    # Of this thread alone: where ten processes want two cores, a bounded pattern takes 10 ms, and 50 by the clock.
    began = time.thread_time()
    pattern.sub(REDACTED, text)
    return time.thread_time() - began
