"""What a record says without what varies from one time to the next."""

from __future__ import annotations

import functools
import re

LONGEST = 200
"""Characters of a template."""

# One pass over alternatives that begin with different characters, no nested quantifier: linear in the length.
_VARIABLE = re.compile(
    r"(?P<url>\b[a-z]{2,10}://[^\s\"'<>]+)"
    r"|(?P<quoted>\"[^\"\n]*\"|(?<![\w])'[^'\n]*')"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)"
    r"|(?P<path>(?<![\w/])/[\w.+@~-]+(?:/[\w.+@~-]*)*)"
    r"|(?P<hex>\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,64}\b)"
    r"|(?P<n>\d+(?:[.,:]\d+)*)"
)


def template(logger: str, msg: str, has_args: bool) -> str:
    """The logger and the message as the code has it; or the message without what varies, if it was put in before.

    >>> template("app.db", "%d rows in %s", True)
    'app.db: %d rows in %s'
    >>> template("app", "user 81 opened '/tmp/x' at https://example.org/a?b=1", False)
    'app: user <n> opened <quoted> at <url>'
    """
    # A record of a library's f-string has no arguments; one with a % in it was hardly made by one.
    text = msg[:LONGEST] if has_args or "%" in msg else _masked(msg[: 4 * LONGEST])
    return f"{logger}: {text}"


@functools.lru_cache(maxsize=4096)
def _masked(msg: str) -> str:
    return _VARIABLE.sub(_name, msg.partition("\n")[0])[:LONGEST]


def _name(match: re.Match[str]) -> str:
    return f"<{match.lastgroup}>"
