"""Bridges to the application's libraries, each built when the application imports its module.

A bridge is a module with one function, `install(module)`. Until then it costs a look into a dictionary
for each module that is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from llama_logging.config.mistakes import warn
from llama_logging.exceptions import ConfigError
from llama_logging.plugins import BRIDGES, entry_point


def build_when_imported(bridges: Mapping[str, str], loss: str) -> None:
    """Build the bridges to what is imported already, and wait for the rest.

    Args:
        bridges: Module of the application's: module that is the bridge to it.
        loss: What is lost where a module is not as its bridge knows it: said in one line, and all else goes on.
    """
    finder = _Finder(dict(bridges), loss)
    for name in [name for name in bridges if name in sys.modules]:
        # Another thread may be importing it still, and is waited for; what cannot be imported stays waiting.
        with contextlib.suppress(Exception):
            module = importlib.import_module(name)
            finder.build(finder.waiting.pop(name), module)
    sys.meta_path.insert(0, finder)


def other(name: str) -> tuple[str, str]:
    """A bridge of another package, and before it what it waits for, as `build_when_imported` has them.

    Args:
        name: Of a module with `MODULE`, the application's that it is for, and `install`, or of an entry point for such.

    Raises:
        ConfigError: If it is none.
    """
    try:
        bridge = entry_point(BRIDGES, name) or importlib.import_module(name)
        return bridge.MODULE, bridge.__name__
    except Exception as error:
        raise ConfigError(f"{name!r} is no bridge: {type(error).__name__}: {error}") from error


class _Finder:
    """Finds nothing itself: has the others find, and learns of it when a module is there."""

    def __init__(self, waiting: dict[str, str], loss: str) -> None:
        self.waiting, self._loss = waiting, loss

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        bridge = self.waiting.pop(name, None)
        if bridge is None:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    self._build_when_executed(spec, bridge)
                    return spec
        self.waiting[name] = bridge
        return None

    def build(self, bridge: str, module: ModuleType) -> None:
        try:
            importlib.import_module(bridge).install(module)
        except Exception as error:
            warn(f"{module.__name__}: {self._loss}: {type(error).__name__}: {error}")

    def _build_when_executed(self, spec: ModuleSpec, bridge: str) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            # The loader is the module's for ever, and may be asked to execute it again.
            loader.__dict__.pop("exec_module", None)
            execute(module)
            self.build(bridge, module)

        # On this one loader, not around it: modules are asked for their loader's source and resources.
        loader.exec_module = exec_module
