"""What a value in a configuration stands for: a duration, a size, a function, a variable of the environment."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeGuard

from llama_logging.exceptions import ConfigError
from llama_logging.patterns import regex

_SIZE = regex(r"\s*(\d+(?:\.\d+)?)\s*([KMGTkmgt]?)(?:i?[Bb])?\s*")
_WHOLE = regex(r"\s*[+-]?[0-9]{1,18}\s*")
_MOST_BYTES = 2**63
"""SQLite and PostgreSQL have no larger numbers."""


def convert(value: Any) -> Any:
    """*value* with plain dicts and lists all the way down, its `env://` references resolved.

    dictConfig hands nested options over as ConvertingDict and ConvertingList, whose `ext://` and
    `cfg://` references are resolved by `[]` alone.

    Raises:
        ConfigError: If *value* is an `env://NAME` without `?default=` of an unset variable, or an `ext://` or
            `cfg://` in it leads nowhere, or back to it. Such an `env://` in it stays as it is: who reads that
            option tells of it, and the others count.
    """
    if isinstance(value, dict | list | tuple):
        try:
            return _converted(value)
        except RecursionError:
            raise ConfigError("what it refers to holds it, without end") from None
    return _from_environment(value) if _is_reference(value) else value


def _converted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _converted(_found(value, key)) for key in value}
    if isinstance(value, list | tuple):
        return [_converted(_found(value, index)) for index in range(len(value))]
    with contextlib.suppress(ConfigError):
        return convert(value)
    return value


def _found(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except RecursionError:
        raise
    except Exception as error:
        raise ConfigError(f"what {key!r} refers to is not there: {error}") from error


def _is_reference(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.startswith("env://")


def unresolved(value: Any) -> Iterator[str]:
    """The `env://` references that are left in *value*, all the way down."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from unresolved(inner)
    elif _is_reference(value):
        yield value


def _from_environment(reference: str) -> str:
    # What stands behind is taken as it is: the default of a URL has & and + of its own.
    name, found, default = reference.removeprefix("env://").partition("?default=")
    value = os.environ.get(name, default if found else None)
    if value is None:
        raise ConfigError(f"the environment variable {name} is not set and {reference!r} has no ?default=")
    return value


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A hint to append to a message; empty where nothing is close.

    >>> did_you_mean("stroe", ["store", "level"])
    ", did you mean 'store'?"
    """
    import difflib  # here and not above: most configurations have no mistake

    close = difflib.get_close_matches(str(name), [*map(str, known)], n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def import_object(dotted: str) -> Any:
    """The object that `package.module.name` or `package.module:name` names.

    Raises:
        ConfigError: If there is no such module or name, or importing it fails.
    """
    module_name, separator, path = dotted.partition(":")
    if not separator:
        module_name, _, path = dotted.rpartition(".")
    if not module_name or not path:
        raise ConfigError(f"cannot import {dotted!r}: expected package.module.name")
    try:
        found: Any = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise ConfigError(f"cannot import {dotted!r}: {type(error).__name__}: {error}") from error
    return found


def is_installed(package: str) -> bool:
    """Whether *package* can be imported, without importing it."""
    import importlib.util  # here: the capture path asks only for stores that need it

    return importlib.util.find_spec(package) is not None


def as_callable(value: object) -> Callable[..., Any]:
    """*value* itself if it can be called, or what the dotted path names."""
    found: Any = import_object(value) if isinstance(value, str) else value
    if not callable(found):
        raise ConfigError(f"{value!r} is not a function")
    return found  # type: ignore[no-any-return]


def as_seconds(value: object) -> float:
    """A duration: a number of seconds, or text such as `500ms`, `30s`, `5m`, `24h`, `7d`.

    >>> as_seconds("24h")
    86400.0
    """
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
    if isinstance(value, str):
        number = value.strip().rstrip("smhdw")
        unit = units.get(value.strip()[len(number) :], None if number != value.strip() else 1.0)
    else:
        number, unit = str(value), None if isinstance(value, bool) else 1.0
    try:
        seconds = float(number) * (unit or float("nan"))
    except ValueError:
        seconds = float("nan")
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"expected a duration such as 30, '30s' or '24h', got {value!r}")
    return seconds


def as_bytes(value: object) -> int:
    """A size: a number of bytes, or text such as `512K`, `256M`, `1.5G`; units are powers of 1024.

    >>> as_bytes("256M"), as_bytes("1 GiB"), as_bytes(512)
    (268435456, 1073741824, 512)
    """
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        raise ConfigError(f"expected a size such as 64M, 1G or a number of bytes, got {value!r}")
    size = float(found[1]) * 1024 ** " KMGT".index((found[2] or " ").upper())
    if size >= _MOST_BYTES:
        raise ConfigError(f"expected a size below 8388608T, got {value!r}")
    return int(size)


def as_text(value: object) -> str:
    """*value*, which must be text."""
    if not isinstance(value, str):
        raise ConfigError(f"expected text, got {value!r}")
    return value


def as_dotted(value: object) -> str:
    """The dotted name of a package or module."""
    if not isinstance(value, str) or not all(part.isidentifier() for part in value.split(".")):
        raise ConfigError(f"expected the name of a package, such as acme or acme.shop, got {value!r}")
    return value


def _whole(value: object) -> object:
    """*value*, or the whole number that it is the text of: the environment holds nothing but text."""
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value


def as_level(value: object) -> int:
    """A level by name or number, as `logging` has them."""
    import logging  # here and not above: `run` reads a YAML and logs nothing

    value, known = _whole(value), logging.getLevelNamesMapping()
    if isinstance(value, str) and value.upper() in known:
        return known[value.upper()]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ConfigError(f"unknown level {value!r}{did_you_mean(str(value).upper(), known)}")


def as_count(value: object) -> int:
    """A number of things, from 0 to 1000."""
    number = _whole(value)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 1000:
        raise ConfigError(f"expected a whole number from 0 to 1000, got {value!r}")
    return number


def as_number(value: object) -> int:
    """A whole number above 0."""
    number = _whole(value)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ConfigError(f"expected a whole number above 0, got {value!r}")
    return number


def as_share(value: object) -> float:
    """A share, from 0 to 1."""
    share = float("nan")
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            share = float(value)
    if not 0 <= share <= 1:
        raise ConfigError(f"expected a share from 0 to 1, got {value!r}")
    return share


def as_bool(value: object) -> bool:
    """*value*, which must be true or false (from the environment also as text)."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ConfigError(f"expected true or false, got {value!r}")
    return value


def as_list(value: object) -> list[Any]:
    """*value*, which must be a list; one text counts as a list of one."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list | tuple):
        raise ConfigError(f"expected a list, got {value!r}")
    return list(value)


def as_texts(value: object) -> tuple[str, ...]:
    """Several texts; one counts as a list of one."""
    return tuple(as_text(text) for text in as_list(value))


def as_argv(value: object) -> tuple[str, ...]:
    """A command as a list of its words; no shell ever reads it."""
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise ConfigError(f"expected a list of words such as [ollama, serve], got {value!r}")
    return tuple(value)


def as_mapping(value: object) -> dict[str, Any]:
    """*value*, which must be a mapping with text keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"expected a mapping, got {value!r}")
    return value
