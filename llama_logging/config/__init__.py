"""What a configuration may say.

files     a YAML file of plain data
options   options are read one by one
values    what the value of one stands for
mistakes  what is wrong is told, or collected

This package imports from these; here are all their names, for others.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in the package itself
if TYPE_CHECKING:
    from typing import Any


def __getattr__(name: str) -> Any:
    import importlib

    if not name.startswith("_"):
        for room in ("options", "values", "mistakes", "files"):
            module = importlib.import_module(f"{__name__}.{room}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
