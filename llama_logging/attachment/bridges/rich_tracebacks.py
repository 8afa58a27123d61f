"""rich: an exception that `Console.print_exception` prints, where `run --printed` asks for what is printed."""

from __future__ import annotations

import functools
import sys
from typing import Any

from llama_logging.attachment.hooks import keep
from llama_logging.attachment.run import PRINTED, is_asked
from llama_logging.context import ErrorSeverity


def install(module: Any) -> None:
    """Capture what is printed."""
    if not is_asked(PRINTED):
        return
    original = module.Console.print_exception

    @functools.wraps(original)
    def print_exception(*args: Any, **kwargs: Any) -> Any:
        keep(sys.exc_info()[1], "printed", ErrorSeverity.ERROR)
        return original(*args, **kwargs)

    module.Console.print_exception = print_exception
