"""Waits until a name is known again."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.hooks import Hook, as_hooks, problems_of
from llama_logging.recovery.naming import on_host
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

_reload: Callable[[], int] | None = None
with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
    import ctypes

    _reload = ctypes.CDLL(None).__res_init  # glibc: reads /etc/resolv.conf anew, for this thread


@dataclass(frozen=True)
class DnsRefresh(Strategy):
    """Has the resolver read its configuration again until it finds the host, then drops connections to where it was."""

    name: ClassVar[str] = "dns.refresh"
    option_names: ClassVar[tuple[str, ...]] = ("host", "close")
    host: str
    close: tuple[Hook, ...] = ()

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `host`; `close`, functions that drop connections which are kept open."""
        return cls(options.required("host", as_text), options.read("close", as_hooks, ()))

    @property
    def scope(self) -> str:
        """The name, as this machine sees it."""
        return on_host(f"dns:{self.host}")

    @property
    def intent(self) -> str:
        """Names the host."""
        return f"wait until {self.host} is known"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Look; read the configuration again and look until the deadline; drop connections."""
        if not self._problem(deadline):
            return verdict("", f"{self.host} is known already")
        problem = deadline.wait_for(self._afresh, delay=0.5, longest=5.0) or problems_of(self.close, deadline)
        return verdict(problem, f"{self.host} is known again")

    def _afresh(self, deadline: Deadline) -> str:
        if _reload is not None:
            _reload()
        return self._problem(deadline)

    def _problem(self, deadline: Deadline) -> str:
        try:
            socket.getaddrinfo(self.host, None)
        except (OSError, UnicodeError) as error:
            return f"{self.host}: {error}"
        return ""
