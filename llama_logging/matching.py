"""Which errors are meant: what stands under `match:` and `ignore:` in the YAML."""

from __future__ import annotations

import errno
import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any

from llama_logging.config.options import Options
from llama_logging.config.values import as_list, as_mapping, as_text, as_texts
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail, Stack
from llama_logging.exceptions import ConfigError
from llama_logging.frozen import Frozen
from llama_logging.patterns import regex
from llama_logging.redaction.own import tried_pattern

STATUSES = ("status_code", "status", "code")
"""Where an exception carries the status of an answer."""
MATCH_OPTIONS = ("class", "chain", "message", "status", "errno", "sqlstate", "logger", "level", "not")

_SEARCHED = 2_000
_SLOW, _TRIED = 0.1, 1_000
"""Seconds that a pattern may take on so many hostile characters: it is asked within the logging call. Of more of them
`.*` twice would be too slow, which is what people write."""
_KNOWN_STACKS = 1_000
_SQLSTATE = regex(r"[0-9A-Z]{1,5}")


class Match(Frozen):
    """What an error must be like; everything that is given must hold.

    Attributes:
        classes: Names, with or without module, of the class of the exception or one of its bases.
        chain: Globs of the same for any exception of the chain, hidden contexts too.
        message: Searched in the first 2,000 characters of every message of the chain, and of what a
            server answered; of a record without exception in what was logged.
        status: HTTP statuses, where an exception of the chain carries one.
        errno: Numbers of OSErrors of the chain.
        sqlstate: SQLSTATEs, or what they begin with, of database errors of the chain.
        loggers: Globs of the logger's name.
        level: The least severity.
        unless: What it must not be like.
    """

    classes: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    message: re.Pattern[str] | None = None
    status: frozenset[int] = frozenset()
    errno: frozenset[int] = frozenset()
    sqlstate: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ()
    level: ErrorSeverity = ErrorSeverity.DEBUG
    unless: Match | None = None

    def __call__(self, context: ErrorContext) -> bool:
        """Whether *context* is such an error."""
        return (
            self.fits(context.stack)
            and context.severity >= self.level
            and (not self.loggers or any(fnmatch.fnmatchcase(context.logger_name, glob) for glob in self.loggers))
            and self._says(context)
            and not (self.unless is not None and self.unless(context))
        )

    @cached_property
    def _kinds(self) -> dict[int, tuple[Stack, bool]]:
        return {}

    def fits(self, stack: Stack) -> bool:
        """Whether an error of *stack* may be one, by the classes alone, which all of them share: looked at once."""
        known = self._kinds.get(id(stack))
        if known is None:
            if len(self._kinds) >= _KNOWN_STACKS:
                self._kinds.clear()
            errors = stack.exceptions
            # A group of exceptions that are all alike goes by their name.
            named = [error for error in errors if "".join(error.bases[:1]).rpartition(".")[2] == stack.error_type][:1]
            fits = _any_name([*errors[:1], *named], self.classes, lambda name, given: name == given)
            known = self._kinds[id(stack)] = stack, fits and _any_name(errors, self.chain, fnmatch.fnmatchcase)
        return known[1]

    def _says(self, context: ErrorContext) -> bool:
        if not (self.status or self.errno or self.sqlstate or self.message):
            return True
        errors = context.exceptions
        messages = [text for error in errors for text in error.texts] or [context.log_message]
        return (
            _any_number(errors, self.status, STATUSES)
            and _any_number(errors, self.errno, ("errno",))
            and (not self.sqlstate or any(sqlstate(error).startswith(self.sqlstate) for error in errors))
            and (self.message is None or any(self.message.search(message[:_SEARCHED]) for message in messages))
        )


def sqlstate(error: ExceptionDetail) -> str:
    """The SQLSTATE that *error* carries; empty if none."""
    return str(error.attributes.get("sqlstate", ""))


def parse_matches(options: Options, name: str, given: object) -> tuple[Match, ...]:
    """Read a list of `match:` mappings; one with a mistake is told of and left out."""
    return tuple(options.each(name, given, partial(as_match, options)))


def as_match(options: Options, place: str, given: object) -> Match:
    """Read what an error must be like.

    Raises:
        ConfigError: If nothing is asked for, or anything of it is wrong: without that it would match what it is to
            leave alone.
    """
    given = as_mapping(given)
    if not given:
        raise ConfigError("needs at least one of " + ", ".join(MATCH_OPTIONS))
    reader = options.nested(place, given, MATCH_OPTIONS, all_known=True)
    match = Match(
        classes=reader.condition("class", as_texts, ()),
        chain=reader.condition("chain", as_texts, ()),
        message=reader.condition("message", _as_pattern, None),
        status=reader.condition("status", _as_statuses, frozenset()),
        errno=reader.condition("errno", _as_errnos, frozenset()),
        sqlstate=reader.condition("sqlstate", _as_sqlstates, ()),
        loggers=reader.condition("logger", as_texts, ()),
        level=reader.condition("level", ErrorSeverity.parse, ErrorSeverity.DEBUG),
        unless=reader.condition("not", partial(as_match, options, f"{place}.not"), None),
    )
    if match == Match():
        raise ConfigError("it would match every error")
    return match


def _any_name(errors: Sequence[ExceptionDetail], wanted: Iterable[str], same: Callable[[str, str], bool]) -> bool:
    if not wanted:
        return True
    names = {form for error in errors for base in error.bases for form in (base, base.rpartition(".")[2])}
    return any(same(name, given) for given in wanted for name in names)


def _any_number(errors: Sequence[ExceptionDetail], wanted: frozenset[int], attributes: Sequence[str]) -> bool:
    return not wanted or any(error.attributes.get(name) in wanted for error in errors for name in attributes)


def _as_pattern(value: object) -> re.Pattern[str]:
    return tried_pattern(as_text(value), _SLOW, _TRIED)


def _as_statuses(value: object) -> frozenset[int]:
    return _numbers(_listed(value), "HTTP statuses such as 503")


def _as_errnos(value: object) -> frozenset[int]:
    return _numbers([getattr(errno, str(item), item) for item in _listed(value)], "errnos such as 111 or ECONNREFUSED")


def _numbers(given: list[Any], wanted: str) -> frozenset[int]:
    try:
        return frozenset(map(int, given))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"expected {wanted}, got {given!r}") from error


def _as_sqlstates(value: object) -> tuple[str, ...]:
    codes = tuple(as_list(value) if isinstance(value, str | list) else [value])
    for code in codes:
        # YAML reads a bare 40001 as a number, and 01000 as another one.
        if not isinstance(code, str) or not _SQLSTATE.fullmatch(code):
            raise ConfigError(f"expected SQLSTATEs or what they begin with, in quotes, such as '08', got {code!r}")
    return codes


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]
