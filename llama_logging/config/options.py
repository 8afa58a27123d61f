"""Options of a handler, a rule or a strategy: read one by one, their mistakes told.

A mistake in an option never stops the application at its start: it is told in one line on standard
error and the default is used. `strict: true` raises instead, and `llama-logging check` collects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from llama_logging.config.mistakes import Problem, collected, is_collecting, warn
from llama_logging.config.values import as_list, convert, did_you_mean, unresolved
from llama_logging.exceptions import ConfigError, MissingExtraError

T = TypeVar("T")
D = TypeVar("D")


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


class _Reading:
    """How far all of them have come that read options one below the other.

    Attributes:
        parsed: How many values were parsed.
        refused: How many mistakes leave no use for the part that is under way.
    """

    def __init__(self) -> None:
        self.parsed = self.refused = 0


class Options:
    """Reads the options of one part, and tells of each mistake once.

    A part that has no use without what is wrong in it is left out. At its first mistake that is clear;
    while mistakes are collected, the rest of it is read on with UNKNOWN, and left out then.

    Args:
        owner: What the options belong to, as the message should name it.
        given: The options as they came.
        known: The names that exist.
        strict: Raise at the first mistake.
        all_known: Whether there is no use for the whole with a name that does not exist.
        above: Whose options these stand among, for nested ones.
        path: Where they stand below the owner.

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
        all_known: bool = False,
        above: Options | None = None,
        path: str = "",
    ) -> None:
        self._owner, self._strict, self._path = owner, strict, path
        self._given = dict(given)
        self._reading: _Reading = _Reading() if above is None else above._reading
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
        before = self._reading.refused
        try:
            made = make()
            if self._reading.refused == before:
                return made
        except Exception as error:
            if self._reading.refused > before:  # that was told of; what else goes wrong comes of it
                if self._strict and not is_collecting():
                    raise
            elif isinstance(error, MissingExtraError | ValueError | TypeError | ArithmeticError):
                self.complain(name, str(error), instead)
            else:
                raise
        self._reading.refused = before
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
        path = f"{self._path}{name}."
        return Options(self._owner, given, known, strict=self._strict, all_known=all_known, above=self, path=path)

    def _entry(self, parse: Callable[[str, Any], T], place: str, entry: object) -> Callable[[], T]:
        return lambda: self._parsed(partial(parse, place), entry)

    def _parsed(self, parse: Callable[[Any], T], value: object) -> T:
        """What *parse* makes of *value* with its references resolved."""
        self._reading.parsed += 1
        before = self._reading.parsed
        made = parse(given := convert(value))
        if self._reading.parsed == before:  # else each option within tells of its own
            for reference in unresolved(given):
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
        return collected(Problem(self._place(name), message, warning=True))

    def _give_up(self, name: str) -> Any:
        self._reading.refused += 1
        if is_collecting():
            return UNKNOWN
        raise ConfigError(f"{self._owner}: {self._path}{name} has a mistake")

    def complain(self, name: str, message: str, instead: str = "") -> None:
        """Tell of a mistake in the option *name*, in the way that was asked for, and of what holds *instead*."""
        from llama_logging.redaction.keys import is_secret  # here and not above: `run` itself has no use for it

        if is_secret(name.rpartition(".")[2]):
            message = message.partition(", got ")[0]
        problem = Problem(self._place(name), message)
        if collected(problem):
            return
        if self._strict:
            self._reading.refused += 1
            raise ConfigError(f"{self._owner}: {problem}")
        warn(f"{self._owner}: {problem}{f'; until then {instead}' if instead else ''}")

    def _place(self, name: str) -> str:
        return f"{self._path}{name}".rstrip(".")


def _placed(name: str, entries: object) -> list[tuple[str, Any]]:
    if isinstance(entries, str):
        return [(name, entries)]
    return [(f"{name}[{index}]", entry) for index, entry in enumerate(as_list(entries))]
