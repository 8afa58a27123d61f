"""Which registry a command is about."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import Any

from llama_logging.attachment.ready import ready
from llama_logging.config.files import load
from llama_logging.config.values import convert
from llama_logging.exceptions import ConfigError
from llama_logging.stores import urls

USUAL = "logging.yaml"
"""The configuration where none is named."""
HELP = f"the registry; default that of ./{USUAL}, else {urls.VARIABLE}, else {urls.DEFAULT}"
OF_CONFIG = HELP.replace("default", "default that of -c FILE, else", 1)
"""Of a command that takes `-c`."""

_REGISTRY = "llama_logging.handlers.RegistryHandler"


def named(args: argparse.Namespace) -> urls.StoreURL:
    """The store of `--store`, else of the file of `-c`, of ./logging.yaml, of LLAMA_LOGGING_STORE, or the default.

    That is where the handlers of these files write: a store that is named counts, and the variable where none is.

    Raises:
        ConfigError: If what was named cannot be read or names no store there is; ./logging.yaml was not.
    """
    if args.store:
        return urls.parse(args.store)
    config = getattr(args, "config", None)
    found = _store_in(config) if config else None
    if found is None and os.path.isfile(USUAL):
        with contextlib.suppress(ConfigError):
            found = _store_in(USUAL)
            _tell_of_other(found)
    return found or urls.default()


def _tell_of_other(found: urls.StoreURL | None) -> None:
    """Say so if the store *found* is not the one that the environment names: who has set that may look for it."""
    if found is not None and os.environ.get(urls.VARIABLE) and found != urls.default():
        told = f"this is the registry that ./{USUAL} names, not the one of {urls.VARIABLE}; --store names any"
        print(f"llama-logging: {told}", file=sys.stderr)


def _store_in(path: str) -> urls.StoreURL | None:
    """The store that a RegistryHandler names in the YAML at *path*; None if none does.

    Raises:
        ConfigError: If it cannot be read, or names none there is.
    """
    text = ready(path)
    data = json.loads(text) if text else load(path)
    handlers = data.get("handlers")
    for name, entry in handlers.items() if isinstance(handlers, dict) else ():
        if isinstance(entry, dict) and _REGISTRY in (entry.get("()"), entry.get("class")) and entry.get("store"):
            return urls.parse(convert(_referred(data, name)))
    return None


def _referred(data: dict[str, Any], name: str) -> Any:
    """The `store` of that handler, as dictConfig hands it over."""
    store = data["handlers"][name]["store"]
    if not str(store).startswith(("cfg://", "ext://")):
        return store
    from logging.config import BaseConfigurator  # here and not above: few configurations refer to others

    try:
        return BaseConfigurator(data).config["handlers"][name]["store"]
    except Exception as error:
        raise ConfigError(f"handlers.{name}.store: cannot resolve {store!r}: {error!r}") from error
