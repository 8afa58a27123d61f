"""What `llama-logging run` does in each Python process of the command, at its start."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import MutableMapping
from typing import Any

from llama_logging import saying, tap
from llama_logging.attachment import bridges, detached, hooks
from llama_logging.attachment.ready import ready
from llama_logging.attachment.run import (
    CONFIG_VARIABLE,
    CONFIGURE,
    DATA_VARIABLE,
    DOCTOR_CONFIG_VARIABLE,
    DOCTOR_VARIABLE,
    PRINTED,
    RUN_VARIABLE,
)
from llama_logging.config.files import entries_of, load
from llama_logging.config.mistakes import collecting, warn
from llama_logging.exceptions import ConfigError
from llama_logging.handling import ContextHandler

_attached = False


def attach(environ: MutableMapping[str, str]) -> bool:
    """Attach to this process as the environment says; False if that was done before.

    Raises:
        KeyError: If the environment names no configuration.
    """
    global _attached
    if _attached:
        return False
    _attached = True
    examined = environ.get(DOCTOR_VARIABLE, "")
    if environ.get(DOCTOR_CONFIG_VARIABLE):
        from llama_logging.attachment.configuration import configure_safely

        configure_safely(environ[DOCTOR_CONFIG_VARIABLE])
    if not examined or CONFIG_VARIABLE in environ:
        _attach(environ)
    if examined:
        from llama_logging.attachment import examining

        examining.begin(examined)
    return True


def _attach(environ: MutableMapping[str, str]) -> None:
    # Out of the environment: pages that show one to the world are common, and a configuration may hold a password.
    given = environ.pop(DATA_VARIABLE, "")
    path, asked = environ[CONFIG_VARIABLE], environ.get(RUN_VARIABLE, "").split(",")
    if CONFIGURE in asked:
        from llama_logging.attachment.configuration import configure_safely

        configure_safely(path)
    else:
        saying.ask_first(_is_in_the_tree)
    for sink in _sinks(path, given):
        tap.add(sink)
    hooks.install(printed=PRINTED in asked)
    bridges.install()


def _is_in_the_tree() -> bool:
    """Whether the application's own logging has a handler of ours: else it is told nothing, its log is its own."""
    listed = logging._handlerList  # type: ignore[attr-defined]
    return any(isinstance(reference(), ContextHandler) for reference in list(listed))


def attach_if_asked() -> None:
    """Attach where a wrapper's sitecustomize hides ours: opentelemetry-instrument calls this at its start."""
    asked = os.environ.get(CONFIG_VARIABLE) or os.environ.get(DOCTOR_VARIABLE)
    if asked and not os.environ.get("LLAMA_LOGGING_DISABLED"):
        attach(os.environ)


def _sinks(path: str, given: str) -> list[tap.Sink]:
    """The sinks of a file, or of what was *given* of it as JSON; whatever is wrong with it, errors are kept."""
    try:
        text = given or ready(path)
        data: dict[str, Any] = json.loads(text) if text else load(path)
    except (ConfigError, ValueError) as error:
        data = _shipped(str(error))
    try:
        with collecting() as problems:
            sinks = detached.sinks_of(data)
        if sinks and not problems:
            return sinks
    except Exception:
        pass  # what is wrong is found out, and told, below
    try:
        return _without_mistakes(path, data)
    except Exception as error:
        return detached.sinks_of(_shipped(f"{path}: {error}"))


def _shipped(why: str) -> dict[str, Any]:
    from llama_logging.attachment.configuration import shipped

    warn(f"{why}; the shipped configuration is used instead")
    return shipped()


def _without_mistakes(path: str, data: dict[str, Any]) -> list[tap.Sink]:
    from llama_logging.attachment.checking import check
    from llama_logging.attachment.configuration import with_registry, without

    # Filters of the application's own cannot be imported yet.
    later = {f"filters.{name}.()" for name in entries_of(data, "filters") if detached.is_later(data, name)}
    fatal = [problem for problem in check(data) if problem.fatal and problem.path not in later]
    for problem in fatal:
        warn(f"{path}: {problem}; left out")
    return detached.sinks_of(with_registry(without(data, fatal)))
