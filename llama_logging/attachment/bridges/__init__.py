"""Bridges to what fails without a record of `logging`: each is built when the application imports its module.

A bridge is a module of this package with one function, `install(module)`. Until then it costs a
look into a dictionary for each module that is imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from llama_logging.config import warn

BRIDGES = {
    "asyncio.base_events": "event_loop",
    "IPython.core.interactiveshell": "ipython_cells",
    "flask.signals": "flask_debug",
    "httpcore": "http_clients",
    "loguru": "loguru_sink",
    "streamlit.error_util": "streamlit_scripts",
    "structlog._base": "structlog_events",
}
"""Module of the application's: name of the bridge to it."""


def install() -> None:
    """Build the bridges to what is imported already, and wait for the rest."""
    finder = _Finder(dict(BRIDGES))
    for name in [name for name in BRIDGES if name in sys.modules]:
        build(finder.waiting.pop(name), sys.modules[name])
    sys.meta_path.insert(0, finder)


def build(bridge: str, module: ModuleType) -> None:
    """Build one bridge; if *module* is not as we know it, a line says so and all else goes on."""
    try:
        importlib.import_module(f"{__name__}.{bridge}").install(module)
    except Exception as error:
        warn(f"{module.__name__}: its errors are not seen: {type(error).__name__}: {error}")


class _Finder:
    """Finds nothing itself: has the others find, and learns of it when a module is there."""

    def __init__(self, waiting: dict[str, str]) -> None:
        self.waiting = waiting

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        bridge = self.waiting.pop(name, None)
        if bridge is None:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    _tell_when_executed(spec, bridge)
                    return spec
        self.waiting[name] = bridge
        return None


def _tell_when_executed(spec: ModuleSpec, bridge: str) -> None:
    loader: Any = spec.loader
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def exec_module(module: ModuleType) -> None:
        # The loader is the module's for ever, and may be asked to execute it again.
        loader.__dict__.pop("exec_module", None)
        execute(module)
        build(bridge, module)

    # On this one loader, not around it: modules are asked for their loader's source and resources.
    loader.exec_module = exec_module
