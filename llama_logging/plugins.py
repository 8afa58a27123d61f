"""What other packages add: by the name of an entry point of theirs, or by a dotted path."""

from __future__ import annotations

from typing import Any

from llama_logging.config.values import import_object
from llama_logging.exceptions import ConfigError

STRATEGIES = "llama_logging.strategies"
REPORTERS = "llama_logging.reporters"
STORES = "llama_logging.stores"
BRIDGES = "llama_logging.bridges"
"""Groups of entry points: `name = "package.module:object"`."""


def plugin(group: str, name: str) -> Any:
    """What *name* stands for: an entry point of *group*, else a dotted path; None if it is neither.

    Raises:
        ConfigError: If it cannot be imported.
    """
    found = entry_point(group, name)
    return import_object(name) if found is None and "." in name else found


def entry_point(group: str, name: str) -> Any:
    """The entry point of that name; None if no package has it.

    Raises:
        ConfigError: If it cannot be imported.
    """
    from importlib.metadata import entry_points  # here: it costs 40 ms, and few name another package's

    for entry in entry_points(group=group, name=name):
        try:
            return entry.load()
        except Exception as error:
            raise ConfigError(f"{entry.value}: {type(error).__name__}: {error}") from error
    return None
