"""A registry for who asks it: with all that any process has written by now."""

from __future__ import annotations

from llama_logging.config.mistakes import warn
from llama_logging.exceptions import StoreError
from llama_logging.ingest import ingest, waiting
from llama_logging.journal.places import directories_of_others
from llama_logging.registry import Store
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import open_store
from llama_logging.stores.urls import StoreURL
from llama_logging.visible import counted, noun_for


def open_registry(url: StoreURL, *, whole: bool = False) -> Outbox:
    """The store of *url* with everything in it that any process, living or dead, has written.

    Where it takes nothing in, because its disk is full, say, or another process holds it locked, it answers with
    what it has, and how many errors wait in the journal is told.

    Args:
        whole: Whether it is to fail then: what it has is not enough.

    Raises:
        StoreError: If it cannot be read; the message says how many errors wait in the journal.
        MissingExtraError: If what reaches it is not installed.
    """
    directories = url.directories
    for folder in directories_of_others(directories):
        warn(
            f"{url}: another user's errors wait in {folder} and are not brought in, as anybody may have put them "
            f"there; to trust them, move its files to {directories[0]} once that user's processes have ended"
        )
    store = open_store(url)
    try:
        if steps := store.behind:
            warn(f"{url}: an earlier version made it; it is brought up to date ({steps} more), which takes a while")
        if store.exists and not store.may_write:
            # Who may only read a registry is answered with what is in it.
            if kept := _waiting(directories, store):
                warn(f"{url} may not be written to{kept}")
        elif store.exists or waiting(None, directories):
            ingest(store, directories, path=url.path or None)
    except StoreError as error:
        if whole or not _answers(store):
            store.close()
            raise StoreError(f"{error}{_waiting(directories)}") from error
        warn(f"{error}{_waiting(directories, store)}")
    return store


def _answers(store: Store) -> bool:
    try:
        return store.exists and bool(store.recall("id"))
    except StoreError:
        return False


def _waiting(directories: list[str], store: Store | None = None) -> str:
    """What to add to a sentence about a store that takes no errors now: where they are; nothing if there are none.

    Args:
        store: Where it can be asked what it has of them.
    """
    counts = {directory: count for directory in directories if (count := waiting(store, [directory]))}
    if not counts:
        return ""
    kept = counted(sum(counts.values()), "error is", "errors are")
    return f"; {kept} safe in the {noun_for(len(counts), 'journal')} {' and '.join(counts)}, waiting for it"
