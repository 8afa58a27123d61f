"""Where the registry is kept: one file for each kind of store."""

from __future__ import annotations

from llama_logging.config import is_installed
from llama_logging.exceptions import MissingExtraError
from llama_logging.registry import Store
from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.stores.urls import NEEDED, StoreURL


def open_store(url: StoreURL) -> Store:
    """The store at *url*; nothing is opened or created before the first call of a method.

    Raises:
        MissingExtraError: If what reaches it is not installed.
    """
    if url.path:
        return SQLiteStore(url)
    # Asked first: of two threads whose import fails at once, one is told something else by Python.
    if not is_installed("psycopg"):
        raise MissingExtraError(NEEDED)
    from llama_logging.stores.postgres import PostgresStore  # here: only what has such a store needs psycopg

    return PostgresStore(url)
