"""Where nothing more can be tried: a human is told."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_callable, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError, LlamaLoggingError
from llama_logging.plain import last_line
from llama_logging.recovery.commands import run
from llama_logging.recovery.hooks import problem_of
from llama_logging.recovery.placeholders import as_command, filled
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy, function_name
from llama_logging.runtime import forks
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import for_chat, printable

COOLDOWN = 900.0
"""Seconds in which one rule tells once."""
TIMEOUT = 10.0
"""Seconds a webhook may take."""

Tell = Callable[[ErrorContext, Deadline], str]
"""Tells of an error, and gives what went wrong with that."""


class Quiet:
    """Lets through what comes first, then nothing for a while."""

    def __init__(self) -> None:
        self._lock = forks.lock()
        self._until = float("-inf")

    def begin(self, period: float) -> bool:
        """Whether it is not quiet; from now on it is, for *period* seconds."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            self._until = now + period
            return True

    def end(self) -> None:
        """Have it be over."""
        self._until = float("-inf")


@dataclass(frozen=True)
class Notify(Strategy):
    """Tells by a command, a webhook or a function, once for all errors of a rule within the cooldown.

    Told is not healed: the ladder goes on, and whoever asks is told that the recovery has failed.
    """

    name: ClassVar[str] = "notify"
    option_names: ClassVar[tuple[str, ...]] = ("command", "webhook", "function", "cooldown")
    whom: str
    tell: Tell
    cooldown: float = COOLDOWN
    quiet: Quiet = field(default_factory=Quiet, compare=False, repr=False)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: one of `command` (argv), `webhook` (a URL) and `function` (of the ErrorContext); `cooldown`."""
        readers = {"command": _by_command, "webhook": _by_webhook, "function": _by_function}
        ways = [way for name, read in readers.items() if (way := options.read(name, read, None)) is not None]
        if len(ways) != 1:
            return options.refuse("", "needs exactly one of command, webhook and function")  # type: ignore[no-any-return]
        return cls(*ways[0], options.read("cooldown", as_seconds, COOLDOWN))

    @property
    def intent(self) -> str:
        """Says who is told."""
        return f"tell {self.whom}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Tell, unless that was done a while ago."""
        if not self.quiet.begin(self.cooldown):
            return verdict(f"{self.whom} was told less than {self.cooldown:g} s ago", "")
        problem = self.tell(context, deadline)
        if problem:
            self.quiet.end()
            return verdict(f"{self.whom} could not be told: {problem}", "")
        return Remedy(OutcomeStatus.FAILED, detail=f"nothing more can be tried; {self.whom} was told")


def message(context: ErrorContext) -> dict[str, str]:
    """What a webhook gets: `text` as chats want it, the rest for programs; secrets are out already."""
    said = f"{context.severity.name} in {context.logger_name}: {last_line(context.error_type, context.error_message)}"
    return {
        "text": f"`{for_chat(printable(said[:1_000]))}`",
        "error_id": context.error_id,
        "error_type": context.error_type,
        "fingerprint": context.fingerprint,
        "timestamp": context.timestamp.isoformat(),
    }


def _by_command(value: object) -> tuple[str, Tell]:
    argv = as_command(value)

    def tell(context: ErrorContext, deadline: Deadline) -> str:
        try:
            return run(filled(argv, context), deadline).problem
        except LlamaLoggingError as error:
            return str(error)

    return " ".join(argv), tell


def _by_webhook(value: object) -> tuple[str, Tell]:
    url = as_text(value)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("expected an address such as https://hooks.example/...")
    # No more of it is ever said: the path of a webhook is its password.
    host = f"{parts.scheme}://{parts.hostname}"

    def tell(context: ErrorContext, deadline: Deadline) -> str:
        body = json.dumps(message(context)).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=max(0.05, min(TIMEOUT, deadline.remaining()))):
                return ""
        except urllib.error.HTTPError as error:
            with error:
                return f"it answered {error.code}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return last_line(type(error).__name__, str(getattr(error, "reason", "")))

    return host, tell


def _by_function(value: object) -> tuple[str, Tell]:
    function: Callable[[ErrorContext], Any] = as_callable(value)
    name = function_name(function)
    return name, lambda context, deadline: problem_of(function, deadline, context)
