"""Regular expressions that are compiled when they are first used: together they take longer than to start Python.

One that fails to compile for want of stack or memory raises that, and is tried again at its next use.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Pattern:
    """A pattern as those of `re`; each of its methods is found out once."""

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)
        self.__dict__[name] = found
        return found


if TYPE_CHECKING:
    regex = re.compile
else:

    def regex(text, flags=0):
        r"""As `re.compile`, later.

        >>> regex(r"\d").sub("n", "1 of 2")
        'n of n'
        """
        return _Pattern(text, flags)
