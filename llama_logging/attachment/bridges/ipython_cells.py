"""IPython and Jupyter: an exception in a cell is shown, and goes nowhere else."""

from __future__ import annotations

import functools
import sys
from typing import Any

from llama_logging.attachment.hooks import keep
from llama_logging.context import ErrorSeverity


def install(module: Any) -> None:
    """Capture what is shown."""
    original = module.InteractiveShell.showtraceback

    @functools.wraps(original)
    def showtraceback(self: Any, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> Any:
        keep((exc_tuple or sys.exc_info())[1], "ipython", ErrorSeverity.ERROR)
        return original(self, exc_tuple, *args, **kwargs)

    module.InteractiveShell.showtraceback = showtraceback
