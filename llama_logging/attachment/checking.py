"""What is wrong with a logging configuration: every mistake, with its place in the file."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import logging.config
import logging.handlers
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from llama_logging.attachment.detached import texts
from llama_logging.config.files import entries_of, names_in, users_of
from llama_logging.config.mistakes import Problem, collecting
from llama_logging.config.options import UNKNOWN, Options
from llama_logging.config.values import convert, did_you_mean, import_object
from llama_logging.exceptions import ConfigError
from llama_logging.filters import CaptureFilter
from llama_logging.formatters import ConsoleFormatter, JsonFormatter
from llama_logging.handlers import PredictionHandler, RecoveryHandler, RegistryHandler, ReportHandler
from llama_logging.handling import ContextHandler
from llama_logging.patterns import regex
from llama_logging.recovery.rules import Rule, as_mode, parse_rules

OURS = (
    RegistryHandler,
    RecoveryHandler,
    ReportHandler,
    PredictionHandler,
    CaptureFilter,
    JsonFormatter,
    ConsoleFormatter,
)
_FORMATTERS = (logging.Formatter, JsonFormatter, ConsoleFormatter)  # making one opens nothing

_REGISTRY, _PREDICTION = (f"{cls.__module__}.{cls.__name__}" for cls in (RegistryHandler, PredictionHandler))

_SECTIONS = ("formatters", "filters", "handlers", "loggers")
_TOP = ("version", "disable_existing_loggers", "incremental", "root", *_SECTIONS)
_LOGGER_KEYS = ("level", "handlers", "filters", "propagate")
_TAKEN_BY_DICTCONFIG = {
    "handlers": ("class", "()", ".", "level", "formatter", "filters"),
    "filters": ("class", "()", "."),
    "formatters": ("class", "()", ".", "format", "datefmt", "style", "validate", "defaults"),
}
_REFERENCE = regex(r"cfg://\s*(\w+)")
_KNOWN_CLASSES = (
    *(f"{cls.__module__}.{cls.__name__}" for cls in OURS),
    *(f"logging.{name}" for name in ("StreamHandler", "FileHandler", "NullHandler", "Formatter", "Filter")),
    *(f"logging.handlers.{name}" for name in dir(logging.handlers) if name.endswith("Handler")),
)


def check(data: Mapping[str, Any]) -> list[Problem]:
    """The mistakes in *data*, what a logging.yaml holds. No file is opened, no handler attached."""
    problems: list[Problem] = []
    referred = {found[1] for text in texts(dict(data)) if (found := _REFERENCE.match(text))}
    resolved = _resolved(logging.config.BaseConfigurator(dict(data)).config, "", 2, problems)
    for key in [key for key, value in resolved.items() if value is UNKNOWN or (key in referred and key not in _TOP)]:
        del resolved[key]
    return list(dict.fromkeys((*problems, *_problems(resolved))))


def rules_of(data: Mapping[str, Any]) -> list[Rule]:
    """The recovery rules in *data*.

    Raises:
        ConfigError: At the first mistake in them.
    """
    rules: list[Rule] = []
    for name, entry in (data.get("handlers") or {}).items():
        if isinstance(entry, dict) and entry.get("rules") is not None and entry.get("channels") is None:
            options = Options(str(name), entry, entry, strict=True)
            rules += parse_rules(options, convert(entry["rules"]), options.read("mode", as_mode, None))
    return rules


def _resolved(given: dict[str, Any], place: str, depth: int, problems: list[Problem]) -> dict[str, Any]:
    """*given* with those `ext://` and `cfg://` followed, *depth* levels down, that dictConfig follows by itself.

    UNKNOWN stands for what one of them does not lead to, which is put among the *problems*.
    """
    made: dict[str, Any] = {}
    for key, raw in list(dict.items(given)):
        value = raw
        if place or key in _TOP:  # all else is read by what refers to it
            try:
                value = given[key]
            except Exception as error:
                problems.append(Problem(f"{place}{key}", f"{raw!r} refers to nothing: {error}", fatal=True))
                value = UNKNOWN
        opened = depth and isinstance(value, dict)
        made[key] = _resolved(value, f"{place}{key}.", depth - 1, problems) if opened else value
    return made


def _problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data.get("version") != 1:
        yield Problem("version", f"must be 1, got {data.get('version')!r}", fatal=True)
    if "disable_existing_loggers" not in data and not data.get("incremental"):
        message = "is not given and defaults to true: existing loggers will be silenced; you probably want false"
        yield Problem("disable_existing_loggers", message, warning=True)
    for key in data:
        if key not in _TOP and not str(key).startswith("x-"):
            yield Problem(str(key), f"unknown key{did_you_mean(key, _TOP)}")
    for section in _SECTIONS:
        if not isinstance(data.get(section, {}), dict) and data[section] != []:  # of which nothing is asked
            yield Problem(section, f"expected a mapping of names, got {data[section]!r}", fatal=True)
        for name, entry in entries_of(data, section).items():
            place = f"{section}.{name}"
            if not isinstance(entry, dict):
                yield Problem(place, f"expected a mapping, got {entry!r}", fatal=True)
            elif section == "loggers" and not isinstance(name, str):
                yield Problem(place, f"expected text as the name of a logger, got {name!r}", fatal=True)
            else:
                yield from _logger(data, place, entry) if section == "loggers" else _part(data, section, place, entry)
    if isinstance(data.get("root"), dict):
        yield from _logger(data, "root", data["root"])
    elif data.get("root") is not None:
        yield Problem("root", f"expected a mapping, got {data['root']!r}", fatal=True)
    yield from _unused(data)


def _part(data: Mapping[str, Any], section: str, place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _references(data, place, entry, ("filters",) if section == "handlers" else ())
    formatter = entry.get("formatter")
    if section == "handlers" and formatter not in (None, UNKNOWN, *entries_of(data, "formatters")):
        hint = did_you_mean(formatter, entries_of(data, "formatters"))
        yield Problem(f"{place}.formatter", f"there is no formatter {formatter!r}{hint}", fatal=True)
    key = "()" if "()" in entry else "class"
    factory = entry.get(key, logging.Formatter if section == "formatters" else None)
    if factory is None:
        if section == "handlers":
            yield Problem(place, "needs a `class`", fatal=True)
        return
    if factory is UNKNOWN:
        return
    if not isinstance(factory, str) and not callable(factory):
        yield Problem(f"{place}.{key}", f"expected the dotted path of a class, got {factory!r}", fatal=True)
        return
    unnamed = [name for name in entry if not isinstance(name, str)]
    if unnamed:
        yield Problem(place, f"expected text as the name of an option, got {unnamed[0]!r}", fatal=True)
        return
    try:
        found = import_object(factory) if isinstance(factory, str) else factory
    except ConfigError as error:
        yield Problem(f"{place}.{key}", f"{error}{did_you_mean(factory, _KNOWN_CLASSES)}", fatal=True)
        return
    taken = _TAKEN_BY_DICTCONFIG[section] if key == "class" else (key, ".")
    options = {name: value for name, value in entry.items() if name not in taken}
    if section == "formatters" and key == "class":
        for name in options:
            hint = did_you_mean(name, _TAKEN_BY_DICTCONFIG[section]) or "; it does under '()'"
            yield Problem(f"{place}.{name}", f"dictConfig does not pass it to a formatter given by `class`{hint}")
    if section == "formatters" and found in _FORMATTERS:
        yield from _formatter(place, entry)
    else:
        yield from _ours(place, found, options) if found in OURS else _foreign(place, found, options)


def _formatter(place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        known = {name: value for name, value in entry.items() if value is not UNKNOWN}
        logging.config.DictConfigurator({"version": 1}).configure_formatter(known)
    except Exception as error:
        yield Problem(place, str(error), fatal=True)


def _ours(place: str, factory: Any, options: dict[str, Any]) -> Iterator[Problem]:
    if not (inspect.isclass(factory) and issubclass(factory, ContextHandler)):
        yield from _foreign(place, factory, options)
        return
    with collecting() as problems:
        # Not strict: then only the first mistake would be told.
        strict = options.pop("strict", None)
        if strict not in (None, True, False):
            problems.append(Problem("strict", f"expected true or false, got {strict!r}"))
        factory(**{name: value for name, value in options.items() if value is not UNKNOWN})
    for problem in problems:
        fatal = strict is True and not problem.warning
        yield dataclasses.replace(problem, path=f"{place}.{problem.path}", fatal=fatal)


def _foreign(place: str, factory: Any, options: dict[str, Any]) -> Iterator[Problem]:
    """Only the names of the options: making one might open a file or a socket."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        return
    for name in options:
        if name not in signature.parameters:
            hint = did_you_mean(name, signature.parameters)
            yield Problem(f"{place}.{name}", f"unknown option{hint}", fatal=True)
    for name, parameter in signature.parameters.items():
        if (
            parameter.default is parameter.empty
            and parameter.kind is not parameter.VAR_POSITIONAL
            and name not in options
        ):
            yield Problem(place, f"the option {name!r} is needed", fatal=True)


def _logger(data: Mapping[str, Any], place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    for key in entry:
        if key not in _LOGGER_KEYS:
            yield Problem(f"{place}.{key}", f"unknown key{did_you_mean(key, _LOGGER_KEYS)}")
    yield from _references(data, place, entry, ("handlers", "filters"))
    yield from _order(data, place, entry)


def _order(data: Mapping[str, Any], place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    """What predicts asks what an error was captured as: it must come behind what captures."""
    names, handlers = names_in(entry, "handlers"), entries_of(data, "handlers")
    classes = [_class(handlers[name]) if isinstance(handlers.get(name), dict) else "" for name in names]
    if _PREDICTION in classes and _REGISTRY in classes[classes.index(_PREDICTION) :]:
        early, late = names[classes.index(_PREDICTION)], names[classes.index(_REGISTRY)]
        yield Problem(f"{place}.handlers", f"{early} must come after {late}, or else it cannot tell errors apart")


def _class(entry: Mapping[str, Any]) -> str:
    return str(entry.get("()") or entry.get("class"))


def _references(
    data: Mapping[str, Any], place: str, entry: Mapping[str, Any], sections: tuple[str, ...]
) -> Iterator[Problem]:
    if sections and entry.get("level") not in (None, UNKNOWN):
        yield from _level(f"{place}.level", entry["level"])
    for section in sections:
        names = entry.get(section) or []
        if names is not UNKNOWN and not isinstance(names, list):
            yield Problem(f"{place}.{section}", f"expected a list of names, got {names!r}", fatal=True)
            continue
        for name in names if names is not UNKNOWN else ():
            known = entries_of(data, section)
            if name is not UNKNOWN and (not isinstance(name, Hashable) or name not in known):
                hint = did_you_mean(name, known)
                yield Problem(f"{place}.{section}", f"there is no {section[:-1]} {name!r}{hint}", fatal=True)


def _level(place: str, level: object) -> Iterator[Problem]:
    """It is set by dictConfig, which knows no `env://`, no small letters and no number in quotes."""
    known = logging.getLevelNamesMapping()
    if isinstance(level, str) and level.startswith("env://"):
        yield Problem(place, f"dictConfig does not resolve env:// references, as in {level!r}", fatal=True)
    elif level not in known if isinstance(level, str) else not isinstance(level, int) or isinstance(level, bool):
        hint = did_you_mean(str(level).upper(), known)
        yield Problem(place, f"unknown level {level!r}{hint}", fatal=True)


def _unused(data: Mapping[str, Any]) -> Iterator[Problem]:
    used = {name for user in users_of(data) for name in names_in(user, "handlers")}
    for name in entries_of(data, "handlers"):
        if name not in used:
            yield Problem(f"handlers.{name}", "is attached to no logger: list it under `root.handlers`")
