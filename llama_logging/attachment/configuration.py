"""Configures logging from a YAML file: loudly for those who call it, safely for those who do not."""

from __future__ import annotations

import copy
import logging.config
import os
from collections.abc import Mapping
from typing import Any

from llama_logging.attachment.checking import check
from llama_logging.attachment.run import SHIPPED
from llama_logging.config.files import entries_of, load, names_in, users_of
from llama_logging.config.mistakes import Problem, warn
from llama_logging.exceptions import ConfigError

_REGISTRY = "llama_logging.handlers.RegistryHandler"


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
    """As `configure`, for an application that must run whatever the file says, and lose no error.

    Mistakes are told on standard error, one line each. What dictConfig refuses is left out, and if
    nothing is left that keeps errors, the default registry is put at the root.
    """
    try:
        data = load(path)
        fatal = [problem for problem in check(data) if problem.fatal]
    except ConfigError as error:
        _use_shipped(str(error))
        return
    for problem in fatal:
        warn(f"{path}: {problem}; left out")
    try:
        logging.config.dictConfig(with_registry(without(data, fatal)) if fatal else data)
    except Exception as error:
        _use_shipped(f"{path}: {error}: {error.__cause__ or ''}")


def shipped_text() -> str:
    """The logging.yaml that comes with the package."""
    with open(SHIPPED, encoding="utf-8") as file:
        return file.read()


def shipped() -> dict[str, Any]:
    """The shipped configuration, as data."""
    import yaml

    data: dict[str, Any] = yaml.safe_load(shipped_text())
    return data


def without(data: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """*data* without the options or parts that *problems* are about, and without references to them.

    >>> broken = {"handlers": {"a": {"class": "nope"}}, "root": {"handlers": ["a"]}}
    >>> without(broken, [Problem("handlers.a.class", "cannot be imported")])
    {'handlers': {}, 'root': {'handlers': []}, 'version': 1}
    """
    kept: dict[str, Any] = copy.deepcopy(dict(data))
    for problem in problems:
        _leave_out(kept, problem.path)
    kept["version"] = 1
    for user in users_of(kept):
        if isinstance(user, dict):
            _drop_references(user, kept)
    return kept


def with_registry(data: dict[str, Any]) -> dict[str, Any]:
    """*data*, if nothing in it keeps errors with a registry at the root."""
    used = {name for user in users_of(data) for name in names_in(user, "handlers")}
    handlers = data["handlers"] = entries_of(data, "handlers")
    kept = [handlers[name] for name in used if name in handlers]
    if not any(_REGISTRY in (entry.get("class"), entry.get("()")) for entry in kept):
        warn("nothing that keeps errors is left of it: the default registry is used")
        handlers["llama_logging"] = {"class": _REGISTRY}
        root = data["root"] if isinstance(data.get("root"), dict) else {}
        data["root"] = {**root, "handlers": [*names_in(root, "handlers"), "llama_logging"]}
    return data


def _use_shipped(why: str) -> None:
    warn(f"{why}; the shipped configuration is used instead")
    logging.config.dictConfig(shipped())


def _leave_out(data: dict[str, Any], path: str) -> None:
    section, _, rest = path.partition(".")
    entries = entries_of(data, section) if section != "root" else {}
    names = {str(name): name for name in entries if rest == str(name) or rest.startswith((f"{name}.", f"{name}["))}
    name = max(names, key=len, default="")  # of loggers they have dots
    entry = data.get("root") if section == "root" else entries.get(names.get(name, ""))
    option = rest.removeprefix(name).lstrip(".").partition(".")[0].partition("[")[0]
    if isinstance(entry, dict) and option and option not in ("class", "()"):
        if option not in ("handlers", "filters"):  # of these the wrong names alone are dropped
            entry.pop(option, None)
    elif rest and section != "root":
        entries.pop(names.get(name, ""), None)
    else:
        data.pop(section, None)


def _drop_references(user: dict[str, Any], data: Mapping[str, Any]) -> None:
    for section in ("handlers", "filters"):
        if section in user:
            user[section] = [name for name in names_in(user, section) if name in entries_of(data, section)]
    if user.get("formatter") not in [*entries_of(data, "formatters")]:
        user.pop("formatter", None)
