"""Handlers made from a logging.yaml that hang in no tree: the application cannot close, remove or silence them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llama_logging import tap
from llama_logging.attachment.later import LateFilter, LateSink
from llama_logging.attachment.run import FOLDER_VARIABLE
from llama_logging.config.files import entries_of
from llama_logging.config.values import convert, import_object
from llama_logging.exceptions import ConfigError
from llama_logging.handlers import RegistryHandler
from llama_logging.handling import ContextHandler
from llama_logging.stores import urls

OURS = "llama_logging."
_NOT_OPTIONS = ("class", "()", ".", "formatter", "filters", "sticky")
_REFERENCES = ("ext://", "cfg://")


def sinks_of(data: Mapping[str, Any]) -> list[tap.Sink]:
    """Sinks for the handlers of this package that *data* attaches to a logger; those that keep errors first.

    What keeps errors is made now. What reacts to them is made when the first comes, and off the
    application's thread: it may name functions of the application, which cannot be imported before that has begun.
    Nor can its filters, which are made with the first record.

    Raises:
        ConfigError: If a handler that is made now cannot be.
    """
    found: list[tuple[bool, tap.Sink]] = []
    used = _loggers_of(data)
    for name, entry in (data.get("handlers") or {}).items():
        factory = entry.get("()") or entry.get("class")
        if isinstance(factory, str) and factory.startswith(OURS) and name in used:
            cls = import_object(factory)
            options = _pinned(cls, _resolved(data, "handlers", name))
            notes = bool(options.get("breadcrumbs")) or getattr(cls, "sees_all", False)
            keeps = isinstance(cls, type) and issubclass(cls, RegistryHandler)
            make = _maker(data, cls, options)
            sink: tap.Sink
            if keeps:
                sink = tap.Sink(make, below=used[name], notes=notes)
            else:
                answers = getattr(cls, "answers", False)
                sink = LateSink(make, below=used[name], notes=notes, answers=answers)
            found.append((not keeps, sink))
            if keeps and isinstance(sink.handler, RegistryHandler):
                sink.handler.reach_libraries()
    return [sink for _, sink in sorted(found, key=lambda pair: pair[0])]


def _loggers_of(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """For each handler the loggers it is attached to; also through another handler, such as a MemoryHandler."""
    used: dict[str, tuple[str, ...]] = {}
    loggers = {"": data.get("root") or {}, **(data.get("loggers") or {})}
    for logger, entry in loggers.items():
        for name in entry.get("handlers") or ():
            used[name] = (*used.get(name, ()), logger)
    for entry in (data.get("handlers") or {}).values():
        for name in (*(entry.get("handlers") or ()), str(entry.get("target", "")).removeprefix("cfg://handlers.")):
            used.setdefault(name, ("",))
    return used


def _maker(data: Mapping[str, Any], cls: Callable[..., Any], options: dict[str, Any]) -> Callable[[], ContextHandler]:
    def make() -> ContextHandler:
        filters = [_filter(data, name) for name in options.get("filters") or ()]
        handler: ContextHandler = cls(**{key: value for key, value in options.items() if key not in _NOT_OPTIONS})
        for one in filters:
            handler.addFilter(one)
        for name, value in (options.get(".") or {}).items():
            setattr(handler, name, value)
        return handler

    return make


def is_later(data: Mapping[str, Any], name: str) -> bool:
    """Whether the filter *name* is the application's own."""
    entry = entries_of(data, "filters").get(name)
    factory = entry.get("()") if isinstance(entry, dict) else None
    return isinstance(factory, str) and not factory.startswith((OURS, "logging."))


def _filter(data: Mapping[str, Any], name: Any) -> Any:
    if not isinstance(name, str):
        return name
    return LateFilter(lambda: _filter_now(data, name)) if is_later(data, name) else _filter_now(data, name)


def _filter_now(data: Mapping[str, Any], name: str) -> Any:
    options = _resolved(data, "filters", name)
    if "()" in options:
        factory = options.pop("()")
        return (import_object(factory) if isinstance(factory, str) else factory)(**options)
    import logging

    return logging.Filter(options.get("name", ""))


def _resolved(data: Mapping[str, Any], section: str, name: str) -> dict[str, Any]:
    entry = (data.get(section) or {}).get(name)
    if not isinstance(entry, dict):
        raise ConfigError(f"{section}.{name}: expected a mapping, got {entry!r}")
    if any(prefix in text for text in texts(entry) for prefix in _REFERENCES):
        from logging.config import DictConfigurator  # here and not above: it costs a third of the start

        entry = DictConfigurator(dict(data)).config[section][name]
    return {key: entry[key] for key in entry}


def texts(value: Any) -> Iterator[str]:
    """The texts in *value*, all the way down."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def _pinned(cls: Any, options: dict[str, Any]) -> dict[str, Any]:
    """*options* with the place of the store made absolute: the process may change its folder, or be begun elsewhere."""
    if "store" in getattr(cls, "option_names", ()):
        folder = os.environ.get(FOLDER_VARIABLE, "")
        try:
            given = convert(options.get("store"))
            options["store"] = (urls.default(folder) if given is None else urls.parse(given, folder)).url
        except ConfigError:
            pass  # the handler itself tells of it
    return options
