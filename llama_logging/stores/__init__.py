"""Where the registry is kept: one file for each kind of store."""

from __future__ import annotations

from llama_logging.outbox import Outbox
from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.stores.urls import StoreURL


def open_store(url: StoreURL) -> Outbox:
    """The store at *url*; nothing is opened or created before the first call of a method.

    Raises:
        MissingExtraError: If what reaches it is not installed.
    """
    if url.path:
        return SQLiteStore(url)
    from llama_logging.stores.postgres import PostgresStore  # here: only what has such a store needs psycopg

    return PostgresStore(url)
