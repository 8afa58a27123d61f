"""An engine for all who share a registry: their leases, their switch, their records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from llama_logging.exceptions import MissingExtraError, StoreError
from llama_logging.pipeline import Pipeline
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.rules import Rule
from llama_logging.recovery.scopes import SharedScopes
from llama_logging.recovery.switch import Switch
from llama_logging.registry import Store
from llama_logging.stores import kind_of_store, open_store

T = TypeVar("T")


def shared_engine(rules: Sequence[Rule], pipeline: Pipeline) -> Engine:
    """An engine that asks the registry of *pipeline* who may act, and whether anybody may."""
    path, state = pipeline.url.path, pipeline.url.state
    folders = [*([os.path.dirname(path)] if path else []), os.path.dirname(os.path.dirname(state))]

    def opened() -> Store:
        try:
            return open_store(pipeline.url)
        except MissingExtraError as error:  # then it is as one that cannot be reached
            raise StoreError(str(error)) from error

    def ask(question: Callable[[Store], T]) -> T:
        with contextlib.closing(opened()) as store:
            return question(store)

    # Now, so that the first recovery holds up no event loop by what it imports.
    with contextlib.suppress(MissingExtraError):
        kind_of_store(pipeline.url)
    return Engine(
        rules,
        audit=pipeline.add_attempt,
        scopes=SharedScopes(opened, f"{state}.leases"),
        switch=Switch(folders, lambda name: ask(lambda store: store.recall(name))),
        records=lambda fingerprint: ask(lambda store: store.records(fingerprint)),
    )
