"""Attaches llama_logging to a Python process at its start; `llama-logging run` puts it on PYTHONPATH.

Nothing here may stop the application: every failure is one line on standard error.
"""

import importlib.machinery
import importlib.util
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Iterable
    from typing import Any


class _Elsewhere:
    """Finds this package in another environment, and there what it needs, and what that needs.

    Nothing else: on `sys.path` all of that environment would be the application's too, its plug-ins of pytest, what is
    used where it is installed, and a `tests` of its own before one without an `__init__.py`.
    """

    def __init__(self, home: str) -> None:
        self._home, self._found = home, {"llama_logging"}

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> "importlib.machinery.ModuleSpec | None":
        if path is not None or not (name == "llama_logging" or self._is_asked_from_there()):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, [self._home])
        if spec is not None:
            self._found.add(name)
        return spec

    def find_distributions(self, context: "Any") -> "Iterable[Any]":
        if not self._is_asked_from_there():
            return ()
        from importlib.metadata import DistributionFinder, MetadataPathFinder

        there = DistributionFinder.Context(name=context.name, path=[self._home])
        return MetadataPathFinder.find_distributions(there)

    def _is_asked_from_there(self) -> bool:
        frame: types.FrameType | None = sys._getframe(2)
        while frame is not None and _package(frame) in ("importlib", "_frozen_importlib"):
            frame = frame.f_back
        return frame is not None and _package(frame) in self._found


def _package(frame: "types.FrameType") -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _attach() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is read by whichever Python starts
        print(f"llama_logging: needs Python 3.11, this is {sys.version.split()[0]}: not attached", file=sys.stderr)
        return
    home = os.environ.get("LLAMA_LOGGING_HOME")
    if home and importlib.util.find_spec("llama_logging") is None:
        sys.meta_path.append(_Elsewhere(home))
    from llama_logging.attachment.attaching import attach

    attach(os.environ)


def _next_sitecustomize() -> None:
    """Run the sitecustomize that ours hides; not once more the one that has run ours, or is run by it."""
    here = os.path.dirname(os.path.abspath(__file__))
    paths = [os.path.abspath(path or ".") for path in sys.path]
    behind = paths[paths.index(here) + 1 :] if here in paths else paths
    # In `sys`, for this file is executed anew by every other one that runs the next.
    run = sys.__dict__.setdefault("_llama_logging_sitecustomize", {here})
    for path in behind:
        spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [path])
        if spec is not None and spec.loader is not None and path not in run:
            run.add(path)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
            return


try:
    asked = os.environ.get("LLAMA_LOGGING_CONFIG") or os.environ.get("LLAMA_LOGGING_DOCTOR")
    if asked and not os.environ.get("LLAMA_LOGGING_DISABLED"):
        _attach()
except BaseException as error:
    if os.environ.get("LLAMA_LOGGING_DEBUG"):
        raise
    print(f"llama_logging: not attached: {type(error).__name__}: {error}", file=sys.stderr)
_next_sitecustomize()
