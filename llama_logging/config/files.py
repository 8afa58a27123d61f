"""A YAML file of plain data."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from llama_logging.config.mistakes import Problem
from llama_logging.exceptions import ConfigError
from llama_logging.runtime.state import is_planted

_MOST_VALUES = 100_000
"""Of a configuration; nine aliases of nine each, nine deep, would be a billion."""
_MERGE = "tag:yaml.org,2002:merge"


def load(path: str) -> dict[str, Any]:
    """Read a YAML file of plain data.

    Raises:
        ConfigError: If it cannot be read, anybody may have put it there, it is not YAML, asks for Python objects,
            or is not a mapping; the message names file, line and column.
    """
    return parse(read(path), path)


def read(path: str) -> str:
    """The text of a file.

    Raises:
        ConfigError: If it cannot be read, or anybody may have put it there.
    """
    if is_planted(path):
        raise ConfigError(
            f"{path}: it belongs to another user, in a folder that all may write to: "
            "who has put it there could have anything executed"
        )
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {_reason(error)}") from error


def parse(text: str, path: str) -> dict[str, Any]:
    """What is in the YAML *text*; *path* is for messages.

    Raises:
        ConfigError: If it is not YAML, asks for Python objects, or is not a mapping.
    """
    import yaml  # here and not above: the capture path runs without PyYAML

    try:
        data = yaml.safe_load(text)
        values = _values(data, {})
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day that no calendar has
        raise ConfigError(f"{path}{_place(error)}: {_reason(error)}") from error
    if values > _MOST_VALUES:
        raise ConfigError(f"{path}: its aliases (*name) make more than {_MOST_VALUES} values, or refer to themselves")
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping with `version: 1`, got {type(data).__name__}")
    return data


def repeated(text: str) -> list[Problem]:
    """The keys that a mapping has more than once in the YAML *text*, which `parse` takes with the last of each."""
    import yaml

    problems = []
    waiting: list[tuple[str, Any]] = [("", yaml.compose(text, yaml.SafeLoader))]
    seen = set[int]()
    while waiting:
        place, node = waiting.pop(0)
        if id(node) in seen:  # by an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(f"{place}[{index}]", item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                name = f"{place}.{key.value}".lstrip(".")
                waiting.append((name, value))
                before, line = lines.get((key.tag, str(key.value))), key.start_mark.line + 1
                lines[key.tag, str(key.value)] = line
                if before is not None and key.tag != _MERGE:
                    told = f"stands again in line {line}: what is in line {before} does not count"
                    problems.append(Problem(name, told))
    return problems


def entries_of(data: Mapping[str, Any], section: str) -> dict[str, Any]:
    """What stands under *section*, by name; empty if that is no mapping."""
    found = data.get(section)
    return found if isinstance(found, dict) else {}


def users_of(data: Mapping[str, Any]) -> list[Any]:
    """What may list handlers and filters: loggers, handlers, the root."""
    return [*entries_of(data, "loggers").values(), *entries_of(data, "handlers").values(), data.get("root")]


def names_in(user: Any, section: str) -> list[Any]:
    """The names of handlers or filters that a part of a configuration lists; empty if there is no such list."""
    found = user.get(section) if isinstance(user, dict) else None
    return [name for name in found if isinstance(name, Hashable)] if isinstance(found, list) else []


def _values(data: Any, known: dict[int, float]) -> float:
    """How many values *data* has, what an alias stands for each time again; without end where one holds itself."""
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in known:
        known[id(data)] = math.inf
        parts = [*data, *data.values()] if isinstance(data, dict) else data
        known[id(data)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(data)]


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""


def _reason(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    if problem and "could not determine a constructor" in problem:
        return f"{problem}; only plain data is allowed"
    return str(problem or error).replace("\n", " ")
