"""The way of an error into the registry, one per process and store: journal, ingester, store.

Handlers come and go with every dictConfig; this stays until the process ends.
"""

from __future__ import annotations

import atexit
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llama_logging import plain, process, retention, wire
from llama_logging.capture.seen import Taken
from llama_logging.config.mistakes import warn
from llama_logging.config.values import is_installed
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.exceptions import ConfigError, StoreError
from llama_logging.frozen import replace
from llama_logging.ingest import Ingester
from llama_logging.journal.framing import FRAME_BYTES
from llama_logging.journal.pressure import Repeats
from llama_logging.journal.telling import tell
from llama_logging.journal.writing import Journal
from llama_logging.runtime import forks
from llama_logging.runtime.room import with_room
from llama_logging.runtime.state import user
from llama_logging.stores import open_store
from llama_logging.stores.mounts import may_write
from llama_logging.stores.urls import POSTGRES, StoreURL

if TYPE_CHECKING:
    from llama_logging.registry import Store
    from llama_logging.tried import RecoveryAttempt

EXIT_TIMEOUT = 2.0
"""Seconds that the end of the process may be delayed by what is still to be ingested."""


COMPACT_EVERY = 60.0
"""Seconds until journals that could not be made small enough are looked at again."""
PRUNE_FOR = 0.25
"""Seconds, of each, for which a registry is pruned that has no room: more must go than comes in a storm."""
PRUNE_EVERY = 60.0
"""Seconds until a registry that has room is looked at again: so long a storm may go beyond it."""
PRUNE_IDLE = 300.0
"""The same for who adds nothing to it: details grow old all the same."""
REST_AFTER = 60.0
"""Seconds without an error after which a server is let go of: each process of a fleet would hold one of its connections
for ever, and with that keep the server from freezing old transactions."""
PRUNE_LEASE = 10.0
"""Seconds after which another goes on with it, should the one that prunes be gone."""
SYNC_FROM = {"process": ErrorSeverity.CRITICAL + 1, "critical": ErrorSeverity.CRITICAL, "disk": ErrorSeverity.DEBUG}
"""What an error survives once its logging call has returned: the severities that are synced to the disk.

`process`: the end of the process, and a power cut may cost about the last second. `disk`: a power cut
too, for the price of waiting for the disk. `critical`: that for CRITICAL alone.
"""


class Pipeline:
    """Writes errors and attempts to the journal of one store, and has them ingested.

    Attributes:
        sync_from: Errors at least this severe are on the disk when they are added; see SYNC_FROM.
        retention: How much of the errors' details is kept.
    """

    def __init__(self, url: StoreURL) -> None:
        self.url = url
        if url.scheme in POSTGRES and not is_installed("psycopg"):
            warn(f"{url}: psycopg is not installed (pip install 'llama_logging[postgres]'); errors wait in the journal")
        self._directories = directories = url.directories
        self.journal = Journal(
            directories,
            lambda: wire.dumps(wire.encode_process(process.current())),
            self._chosen_anew,
            self._kept_elsewhere,
        )
        self._told_of = ""
        self.ingester = Ingester(lambda: open_store(url), directories, self._tend, url.path or None)
        self._repeats = Repeats()
        self._taken = Taken()
        self._compact_at = 0.0
        self.sync_from: int = SYNC_FROM["process"]
        self.retention = retention.USUAL
        self._prune_at = self._pruned_at = 0.0

    def add(self, context: ErrorContext) -> bool:
        """Make *context* durable; True once it survives the death of the process."""
        again = context.again and context.error_id in self._taken
        added: bool | None = None
        if self.journal.pressure or self._repeats.early:
            added = self._counted(context, again)
        if added is None:
            added = self._written(context, again)
        if added:
            self._taken.add(context.error_id)
        return added

    def _written(self, context: ErrorContext, again: bool) -> bool:
        sync = context.severity >= self.sync_from
        if again:
            return self._write(wire.dumps(wire.encode_sighting(context)), sync=sync)
        frame, name, definition = wire.encode_error(context)
        if len(frame) > FRAME_BYTES:
            frame, name, definition = wire.encode_error(_cut(context, len(frame)))
        return self._write(frame, name, definition, sync=sync)

    def _counted(self, context: ErrorContext, again: bool) -> bool | None:
        """Count *context* and no more, where there is no room for another like it; None if there is."""
        if context.complete and self._repeats.was_counted(context.error_id):
            return True
        if not self.journal.pressure:
            return None
        if again:
            return True
        if not self._repeats.has(context.fingerprint, context.error_id, context.complete):
            return None
        return self._write(wire.dumps(wire.encode_count(context)))

    def close(self, timeout: float = EXIT_TIMEOUT) -> None:
        """Bring what was written into the store and let go of the files; a later error opens them again."""
        self.ingester.stop(timeout)
        self.journal.close()
        self.ingester.drain(timeout)

    def _chosen_anew(self) -> list[str]:
        # In place: the ingester is to look there, too.
        self._directories[:] = self.url.directories
        return self._directories

    def _kept_elsewhere(self, directory: str) -> None:
        """Say where errors are that no query of another user finds, as this one may not write the registry."""
        if self.url.path and directory != self._told_of and not may_write(self.url.path):
            self._told_of = directory
            tell(f"{self.url}: user {user()} may not write there; its errors wait in {directory} until it may")

    def _tend(self, store: Store) -> None:
        self.journal.tend()
        if self.journal.pressure and time.monotonic() >= self._compact_at:
            from llama_logging.compaction import compact  # here: most processes are never short of room

            for directory in self._directories:
                if not compact(store, directory, self.journal.quota):
                    self._compact_at = time.monotonic() + COMPACT_EVERY
        # For who adds nothing others look.
        every = 0.0 if self.ingester.arrived_at >= self._pruned_at else PRUNE_IDLE
        if time.monotonic() >= max(self._prune_at, self._pruned_at + every):
            self._pruned_at = time.monotonic()
            self._prune(store)
        if not self.url.path and time.monotonic() - self.ingester.arrived_at >= REST_AFTER:
            store.close()

    def _prune(self, store: Store) -> None:
        """Prune for a part of a second, if no other process is at it that keeps as much, or was a moment ago.

        Of a fleet each looked for itself, and those who write wait for who prunes.
        """
        from llama_logging.registry.attempts import PRUNING, Lease, Policy  # here: the way of an error does without
        from llama_logging.tried import OutcomeStatus

        scope = f"{PRUNING}{self.retention.period}/{self.retention.errors}/{self.retention.size_bytes}"
        policy = Policy.of_turns(PRUNE_EVERY)
        lease = store.acquire(scope, process.current().process, PRUNE_LEASE, policy)
        if not isinstance(lease, Lease):
            self._prune_at = time.monotonic() + lease.retry_in
            return
        end = time.monotonic() + PRUNE_FOR
        try:
            while store.prune(self.retention, datetime.now(UTC), retention.AT_ONCE):
                if time.monotonic() >= end:
                    self._pruned_at = 0.0  # it is gone on with in a second, also by who adds nothing more
                    return
        except StoreError:
            # Such as a day that is to go and that pg_dump reads: at each try all who write wait, too.
            self._prune_at = time.monotonic() + PRUNE_EVERY
            store.finish(lease, OutcomeStatus.FAILED, "", policy)
            raise
        self._prune_at = time.monotonic() + PRUNE_EVERY
        store.finish(lease, OutcomeStatus.RECOVERED, "", policy)

    def add_attempt(self, attempt: RecoveryAttempt) -> None:
        """Make what is known of *attempt* durable."""
        forks.look()
        self._write(wire.dumps(wire.encode_attempt(attempt)))

    def _write(self, frame: str, name: str = "", definition: str = "", *, sync: bool = False) -> bool:
        try:
            written = self.journal.write(frame, name, definition, sync=sync)
        except (RecursionError, MemoryError) as problem:
            written = with_room(problem, lambda: self.journal.write(frame, name, definition, sync=sync))
        self.ingester.wake()
        return written


def pipeline_for(url: StoreURL) -> Pipeline:
    """The pipeline of *url* in this process."""
    found = _pipelines.get(url.url)
    if found is None:
        # setdefault is atomic: two threads get the same one.
        found = _pipelines.setdefault(url.url, Pipeline(url))
    return found


def flush(timeout: float = EXIT_TIMEOUT) -> None:
    """Bring what this process has logged into its stores now, *timeout* seconds at most for each."""
    for pipeline in list(_pipelines.values()):
        if pipeline.journal.path:
            pipeline.ingester.finish(timeout)


def as_durability(value: object) -> int:
    """The least severity that the name of a durability stands for."""
    if value not in SYNC_FROM:
        raise ConfigError(f"unknown durability {value!r}; expected {', '.join(SYNC_FROM)}")
    return SYNC_FROM[str(value)]


_pipelines: dict[str, Pipeline] = {}


@atexit.register
def _end() -> None:
    flush()
    for pipeline in list(_pipelines.values()):
        pipeline.ingester.end(EXIT_TIMEOUT)
        pipeline.journal.give_back()


def _cut(context: ErrorContext, size: int) -> ErrorContext:
    """*context* without what made it too large for a frame."""
    return replace(
        context,
        additional_context={"...": f"{size} bytes were too many and left out"},
        breadcrumbs=(),
        locals=(),
        stack_info="",
        messages=tuple(plain.text(message, 1000) for message in context.messages),
        parts=tuple(plain.text(part, 1000) for part in context.parts),
    )
