"""Where the registry is kept: one file for each kind of store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llama_logging.config.values import is_installed
from llama_logging.exceptions import MissingExtraError
from llama_logging.plugins import STORES, plugin
from llama_logging.stores.urls import NEEDED, POSTGRES, StoreURL, parse

if TYPE_CHECKING:
    from llama_logging.registry.outbox import Outbox


def open_store(url: StoreURL) -> Outbox:
    """The store at *url*; nothing is opened or created before the first call of a method.

    Raises:
        MissingExtraError: If what reaches it is not installed.
    """
    return kind_of_store(url)(url)


def open_source(path: str) -> Outbox:
    """The registry in the SQLite file *path*, to which nothing is done whatever state it is in: it is only read."""
    from llama_logging.stores.sqlite import SQLiteStore  # here and not above: as below

    return SQLiteStore(parse(f"sqlite:///{path}"), reading=True)


def kind_of_store(url: StoreURL) -> Callable[[StoreURL], Outbox]:
    """What makes the store at *url*: asked for early, it is imported by the time a store is needed.

    Raises:
        MissingExtraError: If what reaches it is not installed.
    """
    # Here and not above: a process that logs no error never reaches its store, and few need psycopg.
    # Whole, before any part of it: who imports a part first holds that, and waits for the whole, which another
    # thread that began with the whole has part by part. Python tells one of them of a deadlock.
    import llama_logging.registry  # noqa: F401 - as said

    if url.path:
        from llama_logging.stores.sqlite import SQLiteStore

        return SQLiteStore
    if url.scheme not in POSTGRES:
        other: Callable[[StoreURL], Outbox] = plugin(STORES, url.scheme)
        return other
    # Asked first: of two threads whose import fails at once, one is told something else by Python.
    if not is_installed("psycopg"):
        raise MissingExtraError(NEEDED)
    from llama_logging.stores.postgres import PostgresStore

    return PostgresStore
