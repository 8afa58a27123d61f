"""Has the application get a new token, once for all who need it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.hooks import Hook, as_named, problem_of
from llama_logging.recovery.naming import within_process
from llama_logging.recovery.probes import Probe, as_probe
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy, function_name

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class _Credential:
    """One of the application's, whatever rules name it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    refreshed_at: datetime = _NEVER


_credentials: dict[str, _Credential] = {}
if hasattr(os, "register_at_fork"):
    # A lock held at the fork would never be given back in the child.
    os.register_at_fork(after_in_child=_credentials.clear)


@dataclass(frozen=True)
class TokenRefresh(Strategy):
    """Calls a function that gets a new token; errors from before the last one need none.

    A provider that rotates tokens makes the first invalid by the second, so two must never be asked
    for at once. The token itself stays with the application: it is not looked at.
    """

    name: ClassVar[str] = "token.refresh"
    option_names: ClassVar[tuple[str, ...]] = ("refresh", "credential", "check")
    refresh: Hook
    credential: str
    check: Probe | None = None

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `refresh`, a function; `credential`, a name for what it refreshes; `check`, a probe."""
        path, refresh = options.required("refresh", as_named)
        return cls(
            refresh,
            options.read("credential", as_text, path),
            options.read("check", as_probe, None),
        )

    @property
    def scope(self) -> str:
        """The credential."""
        return within_process(f"credential:{self.credential}")

    @property
    def intent(self) -> str:
        """Names the function."""
        return f"call {function_name(self.refresh)}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Get a new token, unless there is one since the error has happened; then probe."""
        known = _credentials.setdefault(self.credential, _Credential())
        if not known.lock.acquire(timeout=deadline.remaining()):
            return verdict(f"{self.credential} is being refreshed, and it takes long", "")
        try:
            if context.timestamp < known.refreshed_at:
                return verdict("", f"{self.credential} was refreshed since")
            problem = problem_of(self.refresh, deadline)
            if not problem and self.check is not None:
                problem = deadline.wait_for(self.check)
            if not problem:
                known.refreshed_at = datetime.now(UTC)
        finally:
            known.lock.release()
        return verdict(problem, f"{self.credential} was refreshed")
