"""Names of models: which one an error is about, and which ones may be acted on."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from llama_logging.context import ErrorContext
from llama_logging.exceptions import LlamaLoggingError
from llama_logging.recovery.commands import safe_name

# "model 'x' not found" and, since 2026 or from OpenAI's half, "model \"x\" not found, try pulling it first".
_MISSING = re.compile(r"""model \\?["']([^"'\\]{1,200})\\?["'] not found""")


def missing(context: ErrorContext) -> str:
    """The model that a server said it does not have; empty if it said no such thing, or nothing that is a name."""
    for error in context.exceptions:
        for text in error.texts:
            found = _MISSING.search(text[:2_000])
            if found:
                return _named(found[1])
    return ""


def wanted(context: ErrorContext, model: str) -> str:
    """The model that is to work: *model*, else the one the error is about; empty if nobody knows.

    The application may say it, as `extra={"model": ...}`.
    """
    return model or missing(context) or _named(context.additional_context.get("model"))


def full(model: str) -> str:
    """*model* with its tag.

    >>> full("llama3.2"), full("llama3.2:1b")
    ('llama3.2:latest', 'llama3.2:1b')
    """
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def allowed(model: str, globs: Iterable[str]) -> bool:
    """Whether one of *globs* means *model*. A `*` never means a `/`: that is where another owner begins.

    >>> allowed("llama3.2:1b", ["llama3*"]), allowed("llama3/evil", ["llama3*"]), allowed("x/y:1", ["x/*"])
    (True, False, True)
    """
    parts = full(model).split("/")
    for glob in globs:
        given = glob.split("/")
        if len(given) == len(parts) and all(map(fnmatch.fnmatchcase, parts, [*given[:-1], _tagged(given[-1])])):
            return True
    return False


def _tagged(glob: str) -> str:
    return glob if ":" in glob or glob.endswith("*") else f"{glob}:latest"


def _named(value: object) -> str:
    try:
        return safe_name(value) if isinstance(value, str) else ""
    except LlamaLoggingError:
        return ""
