"""Configures logging from a YAML file: loudly for those who call it, safely for those who do not."""

from __future__ import annotations

import copy
import importlib.resources
import logging.config
import os
from collections.abc import Mapping
from typing import Any

from llama_logging.attachment.checking import check
from llama_logging.config import Problem, load, warn
from llama_logging.exceptions import ConfigError


def configure(source: str | os.PathLike[str] | Mapping[str, Any]) -> None:
    """Configure logging from a YAML file, or from what such a file holds.

    Raises:
        ConfigError: If it cannot be read, or dictConfig refuses it; the message names every mistake
            with its place in the file.
    """
    data = dict(source) if isinstance(source, Mapping) else load(os.fspath(source))
    try:
        logging.config.dictConfig(data)
    except Exception as error:
        problems = [str(problem) for problem in check(data) if problem.fatal]
        raise ConfigError("; ".join(problems) or f"{error}: {error.__cause__ or ''}") from error


def configure_safely(path: str) -> None:
    """As `configure`, for an application that must run whatever the file says.

    Mistakes are told on standard error, one line each. What is refused is left out; if nothing
    is left that keeps errors, the shipped configuration is used.
    """
    try:
        data = load(path)
        problems = check(data)
    except ConfigError as error:
        warn(f"{error}; the shipped configuration is used instead")
        logging.config.dictConfig(shipped())
        return
    fatal = [problem for problem in problems if problem.fatal]
    for problem in fatal:
        warn(f"{path}: {problem}; left out")
    try:
        logging.config.dictConfig(without(data, fatal) if fatal else data)
    except Exception as error:
        warn(f"{path}: {error}: {error.__cause__ or ''}; the shipped configuration is used instead")
        logging.config.dictConfig(shipped())


def shipped_text() -> str:
    """The logging.yaml that comes with the package."""
    return importlib.resources.files("llama_logging").joinpath("logging.yaml").read_text(encoding="utf-8")


def shipped() -> dict[str, Any]:
    """The shipped configuration, as data."""
    import yaml

    data: dict[str, Any] = yaml.safe_load(shipped_text())
    return data


def without(data: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """*data* without the parts that *problems* are about, and without references to them.

    >>> broken = {"handlers": {"a": {"class": "nope"}}, "root": {"handlers": ["a"]}}
    >>> without(broken, [Problem("handlers.a.class", "cannot be imported")])
    {'handlers': {}, 'root': {'handlers': []}, 'version': 1}
    """
    kept: dict[str, Any] = copy.deepcopy(dict(data))
    for problem in problems:
        section, _, rest = problem.path.partition(".")
        name = rest.partition(".")[0]
        if section in ("handlers", "filters", "formatters", "loggers") and isinstance(kept.get(section), dict):
            kept[section].pop(name, None)
        else:
            kept.pop(section, None)
    kept["version"] = 1
    for user in (*_mappings(kept, "loggers"), *_mappings(kept, "handlers"), kept.get("root")):
        if isinstance(user, dict):
            _drop_references(user, kept)
    return kept


def _mappings(data: Mapping[str, Any], section: str) -> list[Any]:
    found = data.get(section)
    return list(found.values()) if isinstance(found, dict) else []


def _drop_references(user: dict[str, Any], data: Mapping[str, Any]) -> None:
    for key in ("handlers", "filters"):
        if isinstance(user.get(key), list):
            user[key] = [name for name in user[key] if name in (data.get(key) or {})]
    if user.get("formatter") not in (data.get("formatters") or {}):
        user.pop("formatter", None)
