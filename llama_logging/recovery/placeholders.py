"""Commands with gaps that an error fills: `[ollama, pull, "{extra.model}"]`."""

from __future__ import annotations

import re

from llama_logging.config.values import as_argv, did_you_mean
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError, LlamaLoggingError
from llama_logging.recovery.commands import safe_name

KNOWN = ("error_id", "type", "logger", "fingerprint")
"""Besides `tags.NAME` and `extra.NAME`."""
SLASHED = ("model", "image")
"""What is called so has slashes in its name, `library/llama3`; in anything else one would be a path's."""

# Doubled braces are another program's: docker's --format '{{.Name}}'.
_PLACEHOLDER = re.compile(r"(?<!\{)\{([A-Za-z_]+(?:\.[\w-]+)?)\}(?!\})")


def as_command(value: object) -> tuple[str, ...]:
    """A command as a list of its words; all but the first may hold placeholders.

    Raises:
        ConfigError: If it is none, or a placeholder is unknown.
    """
    argv = as_argv(value)
    if _PLACEHOLDER.search(argv[0]):
        raise ConfigError(f"an error must not choose the program: {argv[0]!r}")
    for name in [name for word in argv for name in _PLACEHOLDER.findall(word)]:
        if name not in KNOWN and not name.startswith(("tags.", "extra.")):
            known = (*KNOWN, "tags.NAME", "extra.NAME")
            raise ConfigError(f"unknown placeholder {{{name}}}{did_you_mean(name, known)}; known: {', '.join(known)}")
    return argv


def filled(argv: tuple[str, ...], context: ErrorContext) -> tuple[str, ...]:
    """*argv* with what *context* says in its gaps, each nothing but a name.

    Raises:
        LlamaLoggingError: If the error does not say it, or what it says is no name.
    """
    return tuple(_PLACEHOLDER.sub(lambda found: safe_name(_said(found[1], context)), word) for word in argv)


def _said(name: str, context: ErrorContext) -> str:
    head, _, key = name.partition(".")
    said: object
    if key:
        said = (context.tags if head == "tags" else context.additional_context).get(key)
    else:
        said = {
            "error_id": context.error_id,
            "type": context.error_type,
            "logger": context.logger_name,
            "fingerprint": context.fingerprint,
        }[head]
    if not isinstance(said, str):
        raise LlamaLoggingError(f"the error says no {{{name}}}")
    if "/" in said and key not in SLASHED:
        raise LlamaLoggingError(f"not a name that may be acted on: {{{name}}} is {said[:100]!r}")
    return said
