"""The text of a record without what varies, so that records of one kind are known as one."""

from __future__ import annotations

import functools
import re

KNOWN = 4_096
"""Messages whose template is remembered."""

_VARYING = re.compile(
    r"""(?P<quoted>"[^"]*"|'[^']*')"""
    r"|(?P<url>\b[a-z][a-z0-9+.-]{1,15}://\S+)"
    r"|(?P<path>(?<![\w.])(?:/[\w.@-]+){2,}/?)"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)"
    r"|(?P<hex>\b(?:0x[0-9a-fA-F]+|(?=[a-f]*[0-9])[0-9a-f]{8,})\b)"
    r"|(?P<n>[0-9]+(?:[.,:][0-9]+)*)"
)


@functools.lru_cache(KNOWN)
def template(logger: str, msg: str, has_args: bool) -> str:
    """What all records have in common that *logger* was given in one place.

    >>> template("app", "took %d ms", True)
    'app: took %d ms'
    >>> template("app", "order 4711 of 'eve' took 12.5 ms", False)
    'app: order <n> of <quoted> took <n> ms'
    """
    if has_args:
        return f"{logger}: {msg}"
    return f"{logger}: {_VARYING.sub(_masked, msg)}"


def _masked(found: re.Match[str]) -> str:
    return f"<{found.lastgroup}>"
