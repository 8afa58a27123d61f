"""Texts as they may be shown: what could forge or hide output is made visible, and colours where they are wanted."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

# C0 and C1 controls but tab, bidirectional overrides, line separators: each can forge or hide text.
_CONTROL = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})
_CHAT = str.maketrans({"<": "\u2039", ">": "\u203a", "`": "'"})


def counted(number: int, noun: str, plural: str = "") -> str:
    """How many there are.

    Args:
        plural: Of *noun*, with what stands behind it; without it, an s makes it.

    >>> counted(1, "group"), counted(2, "group"), counted(0, "error is", "errors are")
    ('1 group', '2 groups', '0 errors are')
    """
    return f"{number} {noun_for(number, noun, plural)}"


def noun_for(number: int, noun: str, plural: str = "") -> str:
    """*noun* as it goes with *number*."""
    return noun if number == 1 else plural or f"{noun}s"


def printable(text: str) -> str:
    r"""*text* with all that could forge or hide output made visible, but for line breaks at its very end.

    >>> printable("ok\x1b[2J\nERROR forged\n")
    'ok\\x1b[2J\\nERROR forged'
    """
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text.rstrip())


def printable_lines(text: str) -> str:
    """As `printable`, but a newline stays one."""
    return "\n".join(printable(line) for line in text.split("\n"))


def for_chat(text: str, *, slack: bool = True) -> str:
    r"""*text* as it may stand between backticks in a chat: it has no way out, and nothing in it is markup or a mention.

    Slack knows no other escapes than these three (docs.slack.dev/messaging/formatting-message-text); Mattermost and
    Discord take a bare @everyone for a mention, and [text](address) for a link, everywhere but in code.

    Args:
        slack: Whether it is Slack. The others show its escapes as they stand, and Mattermost makes links of what is
            between angle brackets even in code: they get some that are no markup anywhere.

    >>> for_chat("`@all` <!channel>"), ascii(for_chat("in <module>", slack=False))
    ("'@all' &lt;!channel&gt;", "'in \\u2039module\\u203a'")
    """
    return text.translate(_SLACK if slack else _CHAT)


def wants_colour(stream: Any = None) -> bool:
    """Whether *stream* (default standard error) should get colours; see no-color.org and force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    stream = sys.stderr if stream is None else stream
    return os.environ.get("TERM") != "dumb" and bool(getattr(stream, "isatty", bool)())
