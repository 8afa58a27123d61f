"""Where the registry is kept: one file for each kind of store."""

from __future__ import annotations

from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.stores.urls import StoreURL


def open_store(url: StoreURL) -> SQLiteStore:
    """The store at *url*; nothing is opened or created before the first call of a method."""
    return SQLiteStore(url)
