"""Downloads a model that is missing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_bytes, as_seconds, as_text, as_texts
from llama_logging.context import ErrorContext
from llama_logging.recovery.strategies.ollama.models import allowed, full, missing
from llama_logging.recovery.strategies.ollama.server import OllamaServer
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

MAX_SIZE = 10 * 2**30
KEEP_FREE = 2 * 2**30
STALL = 60.0


@dataclass(frozen=True)
class OllamaPull(Strategy):
    """Has the server pull the model that it said it does not have, and verifies that it is installed.

    Which model it is comes from the error, and so from anybody; hence only what is a name and what the
    list of the configuration means is ever asked for. A download that is too large, leaves too little
    room on the disk, or stands still is broken off: the server keeps what has come, and goes on there.
    """

    name: ClassVar[str] = "ollama.pull"
    option_names: ClassVar[tuple[str, ...]] = ("models", "max_size", "keep_free", "directory", "stall", "base_url")
    destructive: ClassVar[bool] = True
    server: OllamaServer
    models: tuple[str, ...]
    max_size: int = MAX_SIZE
    keep_free: int = KEEP_FREE
    directory: str = ""
    stall: float = STALL

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Read the options.

        `models`: globs of the names that may be pulled, needed. `max_size`: of one model, 10G.
        `keep_free`: room that must be left on the disk, 2G, where `directory` (`OLLAMA_MODELS`, else
        ~/.ollama) is on this machine. `stall`: seconds without progress, 60.
        """
        models = options.required("models", as_texts) or options.refuse(
            "models", "needs at least one name or glob of what may be pulled"
        )
        server = OllamaServer.configured(options)
        return cls(
            server,
            models,
            options.read("max_size", as_bytes, MAX_SIZE),
            options.read("keep_free", as_bytes, KEEP_FREE),
            options.read("directory", as_text, _directory_of(server)),
            options.read("stall", as_seconds, STALL),
        )

    @property
    def scope(self) -> str:
        """The models of the server: it may go on answering meanwhile."""
        return f"{self.server.scope}/models"

    @property
    def intent(self) -> str:
        """Names what may be pulled."""
        return f"pull the missing model, if it is one of {', '.join(self.models)}"

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Whether it is missing, and may be pulled."""
        model = missing(context)
        if not model:
            return verdict("the error names no model that is missing", "")
        if not allowed(model, self.models):
            return verdict(f"{model} is none of {', '.join(self.models)}", "")
        if full(model) in self.server.installed(deadline)[0]:
            return verdict("", f"{model} is installed already")
        return None

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Pull it; watch size, disk and progress; ask whether it is installed."""
        model = missing(context)
        problem = self._pull(model, deadline)
        installed, unanswered = self.server.installed(deadline)
        if full(model) not in installed:
            why = problem or unanswered or "the server said success but does not list it"
            return verdict(f"pull {model}: {why}", "")
        return verdict("", f"pulled {model}")

    def _pull(self, model: str, deadline: Deadline) -> str:
        body = {"model": model, "stream": True}
        try:
            with closing(self.server.lines("/api/pull", body, min(self.stall, deadline.remaining()))) as lines:
                return self._watch(lines, deadline)
        except OSError as error:
            return str(error)

    def _watch(self, lines: Generator[dict[str, Any]], deadline: Deadline) -> str:
        """Read what it tells of its progress; why it must be broken off."""
        sizes: dict[str, tuple[int, int]] = {}
        seen, moved_at = None, time.monotonic()
        for line in lines:
            if line.get("error"):
                return str(line["error"])[:300]
            if type(line.get("total")) is int:
                sizes[str(line.get("digest"))] = (line["total"], int(line.get("completed") or 0))
            if line != seen:
                seen, moved_at = line, time.monotonic()
            problem = self._too_large(sizes)
            if problem:
                return problem
            if time.monotonic() - moved_at > self.stall:
                return f"no progress for {self.stall:g} s: {line.get('status')}"
            if not deadline.remaining():
                return f"it was not over in time: {line.get('status')}"
        return ""

    def _too_large(self, sizes: dict[str, tuple[int, int]]) -> str:
        total = sum(total for total, _ in sizes.values())
        if total > self.max_size:
            return f"it has {total} bytes, and `max_size` is {self.max_size}"
        if not self.directory:
            return ""
        missing = sum(total - done for total, done in sizes.values())
        free = shutil.disk_usage(self.directory).free
        if free - missing < self.keep_free:
            return f"{missing} more bytes would leave less than {self.keep_free} of {free} free"
        return ""


def _directory_of(server: OllamaServer) -> str:
    """Where the server keeps its models, if that is on this machine."""
    if urlsplit(server.base_url).hostname not in ("127.0.0.1", "localhost", "::1"):
        return ""
    given = os.environ.get("OLLAMA_MODELS") or os.path.expanduser("~/.ollama")
    return given if os.path.isdir(given) else ""
