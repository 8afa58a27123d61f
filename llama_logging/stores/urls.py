"""Names of stores: `sqlite:///relative.db`, `sqlite:////absolute/path.db`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from llama_logging.exceptions import ConfigError

DEFAULT = "sqlite:///llama_logging.db"
"""The default store: a file in the folder the process was started in."""

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A store's name, its path absolute: the process may change its folder later."""

    url: str
    path: str

    def __str__(self) -> str:
        return self.url


def parse(url: object) -> StoreURL:
    """Read the name of a store.

    Raises:
        ConfigError: If it is not one.
    """
    if not isinstance(url, str) or not url.startswith(_SQLITE) or url == _SQLITE:
        raise ConfigError(f"unknown store {url!r}; expected sqlite:///PATH, such as {DEFAULT}")
    path = os.path.abspath(os.path.expanduser(url.removeprefix(_SQLITE)))
    return StoreURL(_SQLITE + path, path)


def default() -> StoreURL:
    """The store of `LLAMA_LOGGING_STORE`, else the default one.

    Raises:
        ConfigError: If the variable holds something else.
    """
    return parse(os.environ.get("LLAMA_LOGGING_STORE") or DEFAULT)
