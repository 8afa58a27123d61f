"""The socket that connections come in by: never so many that the process has no file left to open."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

try:
    import resource
except ImportError:  # no POSIX: there is no such limit
    resource = None  # type: ignore[assignment]

MOST = 500
"""Connections at once: a browser opens six, and a hundred pages are live."""


class Door(socket.socket):
    """Shuts who comes when MOST are inside, or half as many as the process may have files.

    Without a file left every look at it would fail, and be told of on standard error, thousands of times a second.
    """

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self._inside: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Whoever comes next.

        Raises:
            InterruptedError: If there is no room; the event loop then goes on, and looks again.
        """
        come, address = super().accept()
        self._inside = [each for each in self._inside if each.fileno() != -1]
        if len(self._inside) >= _most():
            come.close()
            raise InterruptedError
        self._inside.append(come)
        return come, address


def _most() -> int:
    with contextlib.suppress(AttributeError):
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)
    return MOST
