"""Asks the store for the event loop: it may wait for a disk, a lock or a network, so it is asked in threads."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

from llama_logging.registry.origins import EVERYWHERE
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import open_store
from llama_logging.stores.urls import StoreURL

T = TypeVar("T")

STORES = 4
"""Connections, so that a question that takes long does not keep all the others waiting."""


class Desk:
    """Some stores of one registry, each asked by one thread at a time.

    Args:
        store: One that is open, or the name of one; nothing is opened before it is asked.
    """

    def __init__(self, store: Outbox | StoreURL) -> None:
        self._free: queue.LifoQueue[Outbox] = queue.LifoQueue()
        self._stores = [open_store(store) for _ in range(STORES)] if isinstance(store, StoreURL) else [store]
        for each in self._stores:
            self._free.put(each)
        self._owned = isinstance(store, StoreURL)

    async def ask(self, question: Callable[[Outbox], T]) -> T:
        """The answer of *question*, which gets a store and runs in a thread.

        Raises:
            StoreError: If the store could not be read or written.
        """

        def answer() -> T:
            store = self._free.get()
            try:
                return question(store)
            finally:
                store.origin = EVERYWHERE
                self._free.put(store)

        return await to_thread.run_sync(answer)

    def close(self) -> None:
        """Close what was opened here."""
        if self._owned:
            for store in self._stores:
                store.close()
