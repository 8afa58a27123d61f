"""What a configuration file may say: loading, references to the environment, and mistakes.

A mistake in an option never stops the application at its start: it is told in one line on standard
error and the default is used. `strict: true` raises instead, and `llama-logging check` collects.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Self, TypeGuard, TypeVar

from llama_logging.exceptions import ConfigError, MissingExtraError
from llama_logging.frozen import Frozen
from llama_logging.patterns import regex
from llama_logging.state import is_planted

_SIZE = regex(r"\s*(\d+(?:\.\d+)?)\s*([KMGTkmgt]?)(?:i?[Bb])?\s*")

_WHOLE = regex(r"\s*[+-]?[0-9]{1,18}\s*")
_MOST_BYTES = 2**63
"""SQLite and PostgreSQL have no larger numbers."""
_MOST_VALUES = 100_000
"""Of a configuration; nine aliases of nine each, nine deep, would be a billion."""

T = TypeVar("T")
D = TypeVar("D")


class Problem(Frozen, kw_only=False):
    """One mistake: where in the file it stands (`handlers.registry.store`) and what is wrong.

    Attributes:
        fatal: Whether dictConfig refuses the file for it.
        warning: Whether it is no mistake, and perhaps not what was meant.
    """

    path: str
    message: str
    fatal: bool = False
    warning: bool = False

    def __str__(self) -> str:
        return f"{'warning: ' if self.warning else ''}{self.path}: {self.message}"


def load(path: str) -> dict[str, Any]:
    """Read a YAML file of plain data.

    Raises:
        ConfigError: If it cannot be read, anybody may have put it there, it is not YAML, asks for Python objects,
            or is not a mapping; the message names file, line and column.
    """
    if is_planted(path):
        raise ConfigError(
            f"{path}: it belongs to another user, in a folder that all may write to: "
            "who has put it there could have anything executed"
        )
    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read(), path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {_reason(error)}") from error


def parse(text: str, path: str) -> dict[str, Any]:
    """What is in the YAML *text*; *path* is for messages.

    Raises:
        ConfigError: As `load`.
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


def _values(data: Any, known: dict[int, float]) -> float:
    """How many values *data* has, what an alias stands for each time again; without end where one holds itself."""
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in known:
        known[id(data)] = math.inf
        parts = [*data, *data.values()] if isinstance(data, dict) else data
        known[id(data)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(data)]


def convert(value: Any) -> Any:
    """*value* with plain dicts and lists all the way down, its `env://` references resolved.

    dictConfig hands nested options over as ConvertingDict and ConvertingList, whose `ext://` and
    `cfg://` references are resolved by `[]` alone.

    Raises:
        ConfigError: If *value* is an `env://NAME` without `?default=` of an unset variable, or an `ext://` or
            `cfg://` in it leads nowhere. Such an `env://` in it stays as it is: who reads that option tells
            of it, and the others count.
    """
    if isinstance(value, dict | list | tuple):
        return _converted(value)
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
    except Exception as error:
        raise ConfigError(f"what {key!r} refers to is not there: {error}") from error


def _is_reference(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.startswith("env://")


def _references(value: Any) -> Iterator[str]:
    """The `env://` references that are left in *value*, all the way down."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references(inner)
    elif _is_reference(value):
        yield value


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A hint to append to a message; empty where nothing is close.

    >>> did_you_mean("stroe", ["store", "level"])
    ", did you mean 'store'?"
    """
    import difflib  # here and not above: most configurations have no mistake

    close = difflib.get_close_matches(str(name), list(known), n=1)
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


class _Unknown:
    """Stands for a wrong value where only mistakes are looked for, so that those behind it are found too."""

    def __getattr__(self, name: str) -> Self:
        return self

    def __call__(self, *args: object, **options: object) -> Self:
        return self

    def __iter__(self) -> Iterator[Self]:
        return iter(())

    def __getitem__(self, key: object) -> Self:
        return self


UNKNOWN: Any = _Unknown()


class Options:
    """Reads the options of one part, and tells of each mistake once.

    A part that has no use without what is wrong in it is left out. At its first mistake that is clear;
    while mistakes are collected, the rest of it is read on with UNKNOWN, and left out then.

    Args:
        owner: What the options belong to, as the message should name it.
        given: The options as they came.
        known: The names that exist.
        strict: Raise at the first mistake.
        path: Where the options stand below the owner, for nested ones.
        refused: What of the part under way there is no use with, for nested ones.
        read: What was read of the part under way, for nested ones.
        all_known: Whether there is no use for the whole with a name that does not exist.

    Raises:
        ConfigError: If there is such a name, which was told of.
    """

    def __init__(
        self,
        owner: str,
        given: Mapping[str, object],
        known: Iterable[str],
        *,
        strict: bool = False,
        path: str = "",
        refused: list[str] | None = None,
        read: list[object] | None = None,
        all_known: bool = False,
    ) -> None:
        self._owner, self._strict, self._path = owner, strict, path
        self._given = dict(given)
        self._refused = [] if refused is None else refused
        self._read = [] if read is None else read
        known = list(known)
        for name in self._given:
            if name not in known:
                tell = self.refuse if all_known else self.complain
                tell(name, f"unknown option{did_you_mean(name, known)}")

    def read(self, name: str, parse: Callable[[Any], T], default: D, instead: str = "") -> T | D:
        """The option *name*, parsed; *default* if it is absent, None, or wrong, and *instead* says what that means."""
        value = self._given.get(name)
        return default if value is None else self.part(name, lambda: self._parsed(parse, value), default, instead)

    def required(self, name: str, parse: Callable[[Any], T]) -> T:
        """The option *name*, parsed.

        Raises:
            ConfigError: If it is absent or wrong, which was told of.
        """
        value = self._given.get(name)
        if value is None:
            return self.refuse("", f"the option {name!r} is needed")  # type: ignore[no-any-return]
        return self.needed(name, lambda: self._parsed(parse, value))

    def condition(self, name: str, parse: Callable[[Any], T], default: D) -> T | D:
        """The option *name*, parsed; *default* if it is absent or None: what holds for more without it.

        Raises:
            ConfigError: If it is wrong, which was told of.
        """
        return default if self._given.get(name) is None else self.required(name, parse)

    def part(self, name: str, make: Callable[[], T], default: D, instead: str = "") -> T | D:
        """What *make* makes of all that stands below *name*; *default* if that has no use for a mistake."""
        before = len(self._refused)
        try:
            made = make()
            if len(self._refused) == before:
                return made
        except Exception as error:
            if len(self._refused) > before:  # that was told of; what else goes wrong comes of it
                if self._strict and not is_collecting():
                    raise
            elif isinstance(error, MissingExtraError | ValueError | TypeError | ArithmeticError):
                self.complain(name, str(error), instead)
            else:
                raise
        del self._refused[before:]
        return default

    def needed(self, name: str, make: Callable[[], T]) -> T:
        """The same, where there is no use for the whole without it.

        Raises:
            ConfigError: If it has a mistake, which was told of.
        """
        made = self.part(name, make, UNKNOWN)
        return self._give_up(name) if made is UNKNOWN else made

    def each(self, name: str, entries: object, parse: Callable[[str, Any], T]) -> list[T]:
        """What *parse* makes of the place and the value of each entry; one with a mistake is left out."""
        made = [self.part(place, self._entry(parse, place, entry), None) for place, entry in _placed(name, entries)]
        return [one for one in made if one is not None]

    def every(self, name: str, entries: object, parse: Callable[[str, Any], T]) -> list[T]:
        """The same, where all are needed.

        Raises:
            ConfigError: If one has a mistake, which was told of.
        """
        return [self.needed(place, self._entry(parse, place, entry)) for place, entry in _placed(name, entries)]

    def nested(
        self, name: str, given: Mapping[str, object], known: Iterable[str], *, all_known: bool = False
    ) -> Options:
        """The same reader for the options below *name*."""
        return Options(
            self._owner,
            given,
            known,
            strict=self._strict,
            path=f"{self._path}{name}.",
            refused=self._refused,
            read=self._read,
            all_known=all_known,
        )

    def _entry(self, parse: Callable[[str, Any], T], place: str, entry: object) -> Callable[[], T]:
        return lambda: self._parsed(partial(parse, place), entry)

    def _parsed(self, parse: Callable[[Any], T], value: object) -> T:
        """What *parse* makes of *value* with its references resolved."""
        self._read.append(parse)
        before = len(self._read)
        made = parse(given := convert(value))
        if len(self._read) == before:  # else each option within tells of its own
            for reference in _references(given):
                convert(reference)
        return made

    def refuse(self, name: str, message: str) -> Any:
        """Tell of a mistake in the option *name* without which there is no use for the whole.

        Raises:
            ConfigError: Unless mistakes are collected; then UNKNOWN stands for the value.
        """
        self.complain(name, message)
        return self._give_up(name)

    def advise(self, name: str, message: str) -> bool:
        """Say, where mistakes are collected, that the option *name* is perhaps not what was meant; whether they are."""
        problems = _collector.get()
        if problems is not None:
            problems.append(Problem(f"{self._path}{name}".rstrip("."), message, warning=True))
        return problems is not None

    def _give_up(self, name: str) -> Any:
        self._refused.append(name)
        if is_collecting():
            return UNKNOWN
        raise ConfigError(f"{self._owner}: {self._path}{name} has a mistake")

    def complain(self, name: str, message: str, instead: str = "") -> None:
        """Tell of a mistake in the option *name*, in the way that was asked for, and of what holds *instead*."""
        from llama_logging.redaction.keys import is_secret  # here and not above: `run` itself has no use for it

        if is_secret(name.rpartition(".")[2]):
            message = message.partition(", got ")[0]
        problem = Problem(f"{self._path}{name}".rstrip("."), message)
        problems = _collector.get()
        if problems is not None:
            problems.append(problem)
        elif self._strict:
            self._refused.append(name)
            raise ConfigError(f"{self._owner}: {problem}")
        else:
            until_then = f"; until then {instead}" if instead else ""
            warn(f"{self._owner}: {problem}{until_then}")


@contextlib.contextmanager
def collecting() -> Iterator[list[Problem]]:
    """Within this block mistakes are put on the list it gives, instead of being told."""
    problems: list[Problem] = []
    token = _collector.set(problems)
    try:
        yield problems
    finally:
        _collector.reset(token)


def is_collecting() -> bool:
    """Whether parts are made only to find the mistakes in their options."""
    return _collector.get() is not None


def warn(message: str) -> None:
    """One line on standard error, once for each message; never raises."""
    if message in _told:
        return
    if len(_told) >= _REMEMBERED:
        _told.clear()
    _told.add(message)
    with contextlib.suppress(Exception):
        from llama_logging.redaction import redact  # here and not above: `run` itself has no use for it

        print(f"llama_logging: {redact(message)}", file=sys.stderr, flush=True)


_collector: ContextVar[list[Problem] | None] = ContextVar("llama_logging_problems", default=None)
_told: set[str] = set()
_REMEMBERED = 1_000
"""Messages; one that tells of ever other things must not fill the memory."""


def _placed(name: str, entries: object) -> list[tuple[str, Any]]:
    if isinstance(entries, str):
        return [(name, entries)]
    return [(f"{name}[{index}]", entry) for index, entry in enumerate(as_list(entries))]


def _from_environment(reference: str) -> str:
    # What stands behind is taken as it is: the default of a URL has & and + of its own.
    name, found, default = reference.removeprefix("env://").partition("?default=")
    value = os.environ.get(name, default if found else None)
    if value is None:
        raise ConfigError(f"the environment variable {name} is not set and {reference!r} has no ?default=")
    return value


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""


def _reason(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    if problem and "could not determine a constructor" in problem:
        return f"{problem}; only plain data is allowed"
    return str(problem or error).replace("\n", " ")
