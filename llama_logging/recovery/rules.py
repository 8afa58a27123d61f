"""Which strategies are tried for which error: the rules of the YAML."""

from __future__ import annotations

import errno
import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llama_logging.config import (
    Options,
    as_callable,
    as_list,
    as_mapping,
    as_seconds,
    as_text,
    did_you_mean,
)
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.strategies import SHIPPED
from llama_logging.recovery.strategy import Call, Strategy

DEADLINE = 30.0
"""Seconds a whole ladder may take."""
COOLDOWN = 30.0
"""Seconds in which a destructive strategy that has failed is not tried again."""
MODES = ("act", "observe", "off")
RULE_OPTIONS = ("name", "match", "ladder", "mode", "scope", "deadline", "cooldown")
MATCH_OPTIONS = ("class", "chain", "message", "status", "errno", "logger", "level")
STEP_OPTIONS = ("timeout",)

_SEARCHED = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an error must be like; everything that is given must hold.

    Attributes:
        classes: Names, with or without module, of the class of the exception or one of its bases.
        chain: Globs of the same for any exception of the chain, hidden contexts too.
        message: Searched in the first 2,000 characters of every message of the chain.
        status: HTTP statuses, where an exception of the chain carries one.
        errno: Numbers of OSErrors of the chain.
        loggers: Globs of the logger's name.
        level: The least severity.
    """

    classes: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    message: re.Pattern[str] | None = None
    status: frozenset[int] = frozenset()
    errno: frozenset[int] = frozenset()
    loggers: tuple[str, ...] = ()
    level: ErrorSeverity = ErrorSeverity.DEBUG

    def __call__(self, context: ErrorContext) -> bool:
        """Whether *context* is such an error. Text alone never is: there must be an exception."""
        errors = context.exceptions
        return (
            bool(errors)
            and context.mechanism != "text"
            and context.severity >= self.level
            and _any_name(errors[:1], self.classes, lambda name, given: name == given)
            and _any_name(errors, self.chain, fnmatch.fnmatchcase)
            and (not self.loggers or any(fnmatch.fnmatchcase(context.logger_name, glob) for glob in self.loggers))
            and _any_number(errors, self.status, ("status_code", "status", "code"))
            and _any_number(errors, self.errno, ("errno",))
            and (self.message is None or any(self.message.search(e.message[:_SEARCHED]) for e in errors))
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of a ladder, and how many seconds it may take (None: as long as the ladder)."""

    strategy: Strategy
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """For errors that match: the ladder, tried from the first step on until one helps.

    Attributes:
        mode: `act`, `observe` or `off`; None: destructive strategies observe, the others act.
        scope: Name of the thing acted on; errors of one scope share one recovery. Empty for none.
        deadline: Seconds for the whole ladder.
        cooldown: Seconds in which a destructive strategy that has failed is not tried again.
    """

    name: str
    match: Callable[[ErrorContext], bool]
    ladder: tuple[Step, ...]
    mode: str | None = None
    scope: str = ""
    deadline: float = DEADLINE
    cooldown: float = COOLDOWN

    def observes(self, strategy: Strategy) -> bool:
        """Whether *strategy* must only say what it would do."""
        return self.mode == "observe" or (self.mode is None and strategy.destructive)


def parse_rules(options: Options, given: object, mode: str | None) -> tuple[Rule, ...]:
    """Read `rules:`; a rule with a mistake is told of and left out, the others count.

    Args:
        mode: For rules that name none.
    """
    rules = []
    for index, entry in enumerate(given if isinstance(given, list | tuple) else []):
        place = f"rules[{index}]"
        try:
            rules.append(_rule(options, place, as_mapping(entry), mode))
        except ConfigError as error:
            options.complain(place, str(error))
    if not isinstance(given, list | tuple):
        options.complain("rules", f"expected a list of rules, got {given!r}")
    return tuple(rules)


def parse_matches(options: Options, name: str, given: object) -> tuple[Match, ...]:
    """Read a list of `match:` mappings; one with a mistake is told of and left out."""
    matches = []
    for index, entry in enumerate(as_list(given)):
        place = f"{name}[{index}]"
        try:
            matches.append(as_match(options, place, as_mapping(entry)))
        except ConfigError as error:
            options.complain(place, str(error))
    return tuple(matches)


def as_mode(value: object) -> str:
    """`act`, `observe` or `off`; YAML reads a bare `off` as false."""
    if value is False:
        return "off"
    if value not in MODES:
        raise ConfigError(f"unknown mode {value!r}; expected act, observe or off{did_you_mean(value, MODES)}")
    return str(value)


def as_match(options: Options, place: str, given: dict[str, Any]) -> Match:
    """Read what an error must be like.

    Raises:
        ConfigError: If nothing is asked for: such a rule would match every error.
    """
    if not given:
        raise ConfigError("match: needs at least one of " + ", ".join(MATCH_OPTIONS))
    reader = options.nested(place, given, MATCH_OPTIONS)
    match = Match(
        classes=tuple(reader.read("class", as_list, [])),
        chain=tuple(reader.read("chain", as_list, [])),
        message=reader.read("message", _as_pattern, None),
        status=reader.read("status", _as_statuses, frozenset()),
        errno=reader.read("errno", _as_errnos, frozenset()),
        loggers=tuple(reader.read("logger", as_list, [])),
        level=reader.read("level", ErrorSeverity.parse, ErrorSeverity.DEBUG),
    )
    if match == Match():
        raise ConfigError("match: nothing valid is left of it, and without it the rule would match every error")
    return match


def _rule(options: Options, place: str, given: dict[str, Any], mode: str | None) -> Rule:
    reader = options.nested(place, given, RULE_OPTIONS)
    match = as_match(options, f"{place}.match", reader.required("match", as_mapping))
    ladder = tuple(
        _step(options, f"{place}.ladder[{index}]", entry)
        for index, entry in enumerate(reader.required("ladder", as_list))
    )
    if not ladder:
        raise ConfigError("ladder: needs at least one strategy")
    return Rule(
        name=reader.read("name", as_text, place),
        match=match,
        ladder=ladder,
        mode=reader.read("mode", as_mode, mode),
        scope=reader.read("scope", as_text, next((s.strategy.scope for s in ladder if s.strategy.scope), "")),
        deadline=reader.read("deadline", as_seconds, DEADLINE),
        cooldown=reader.read("cooldown", as_seconds, COOLDOWN),
    )


def _step(options: Options, place: str, entry: object) -> Step:
    """A strategy by its name, `{name: {options}}`, or the dotted path of a function."""
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ConfigError(f"{place}: expected a strategy's name or {{name: {{options}}}}, got {entry!r}")
    [(name, given)] = entry.items()
    given = as_mapping(given or {})
    cls = SHIPPED.get(name)
    if cls is None and "." in name:
        try:
            return Step(Call(as_callable(name)))
        except ConfigError as error:
            raise ConfigError(f"{place}: unknown strategy{did_you_mean(name, SHIPPED)}; {error}") from error
    if cls is None:
        raise ConfigError(f"{place}: unknown strategy {name!r}{did_you_mean(name, SHIPPED)}")
    reader = options.nested(f"{place}.{name}", given, cls.option_names + STEP_OPTIONS)
    try:
        return Step(cls.configure(reader), reader.read("timeout", as_seconds, None))
    except ConfigError as error:
        raise ConfigError(f"{place}.{name}: {error}") from error


def _any_name(errors: Sequence[ExceptionDetail], wanted: Iterable[str], same: Callable[[str, str], bool]) -> bool:
    if not wanted:
        return True
    names = {form for error in errors for base in error.bases for form in (base, base.rpartition(".")[2])}
    return any(same(name, given) for given in wanted for name in names)


def _any_number(errors: Sequence[ExceptionDetail], wanted: frozenset[int], attributes: Sequence[str]) -> bool:
    return not wanted or any(error.attributes.get(name) in wanted for error in errors for name in attributes)


def _as_pattern(value: object) -> re.Pattern[str]:
    try:
        return re.compile(as_text(value))
    except re.error as error:
        raise ConfigError(f"not a regular expression: {error}") from error


def _as_statuses(value: object) -> frozenset[int]:
    return frozenset(int(item) for item in _listed(value))


def _as_errnos(value: object) -> frozenset[int]:
    return frozenset(int(getattr(errno, str(item), item)) for item in _listed(value))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]
