"""The defaults that the documentation tells are those of the code."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import yaml

from llama_logging.config.options import UNKNOWN, Options
from llama_logging.handlers import PredictionHandler, RecoveryHandler, RegistryHandler
from llama_logging.predicting.settings import Settings, read_settings
from llama_logging.recovery.rules import Rule, parse_rules
from llama_logging.recovery.strategies import SHIPPED, load
from llama_logging.reporters.configuration import SHIPPED as REPORTERS
from tests.test_docs import DOCS, section, table

T = TypeVar("T")
D = TypeVar("D")
IN_BRACKETS = r"`(\w+)`[^`;(]*\(`?(\d[\w.]*|true|false|starttls|ollama\.\w+)\b"


class Asked(Options):
    """Keeps what is asked for: the parser and default of each option that may be absent, the names of the others."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__("it", {}, known)
        self.defaults: dict[str, tuple[Callable[[Any], Any], object]] = {}
        self.compulsory = set[str]()

    def read(self, name: str, parse: Callable[[Any], T], default: D, instead: str = "") -> T | D:
        self.defaults[name] = (parse, default)
        return default

    def required(self, name: str, parse: Callable[[Any], T]) -> T:
        self.compulsory.add(name)
        return UNKNOWN  # type: ignore[no-any-return]

    def refuse(self, name: str, message: str) -> Any:
        return UNKNOWN


def told(cls: type, head: str = "option | meaning | default") -> dict[str, Any]:
    """The defaults in the table of a handler that YAML can read, and no words."""
    defaults = {}
    for name, (meaning, default) in table(section(cls.__name__), head).items():
        if default == "as shown":
            default = re.findall("`{.*}`", meaning)[0]
        found = re.fullmatch(r"`([^`]+)`|(\[.*\]|[\d.]+|\d+/\d+m|ERROR|given|error|false)", default)
        if found:
            defaults[name] = yaml.safe_load(found[1] or found[2])
    return defaults


def test_a_predictor_is_by_default_what_its_table_says() -> None:
    given = told(PredictionHandler)
    assert {"horizons", "target_precision", "min_precision", "shadow", "control", "groups", "limits"} <= set(given)
    assert read_settings(Options("it", given, PredictionHandler.option_names, strict=True)) == Settings()


def test_a_rule_is_by_default_what_its_table_says() -> None:
    given = told(RecoveryHandler, "of a rule | meaning | default")
    assert set(given) == {"when", "deadline", "budget", "cooldown", "settle", "order"}
    assert plain(given) == plain({})


def plain(given: dict[str, Any]) -> Rule:
    """A rule with these options, without what is never equal."""
    rule = {"match": {"class": "KeyError"}, "ladder": [{"advice": {"text": "wait"}}], **given}
    (made,) = parse_rules(Options("it", {}, (), strict=True), [rule], None)
    return replace(made, match=bool, fits=bool, ladder=())


def test_a_registry_is_by_default_what_its_table_says() -> None:
    given = told(RegistryHandler)
    assert {"durability", "quota", "retention", "breadcrumbs", "locals", "tracing", "level", "sticky"} <= set(given)
    usual, said = RegistryHandler(store="sqlite:///usual.db"), RegistryHandler(store="sqlite:///said.db", **given)
    assert [of(usual) for of in KEPT] == [of(said) for of in KEPT]


KEPT: tuple[Callable[[RegistryHandler], object], ...] = (
    lambda handler: handler.level,
    lambda handler: handler.pipeline.sync_from,
    lambda handler: handler.pipeline.journal.quota,
    lambda handler: handler.pipeline.retention,
    lambda handler: handler._note,
    lambda handler: handler._tracing,
    lambda handler: handler._sticky,
)


def reporter(name: str) -> Any:
    """The class that has this name in a YAML."""
    module, _, cls = REPORTERS[name].partition(".")
    return getattr(importlib.import_module(f"llama_logging.reporters.{module}"), cls)


def test_needed_options_are_bold_and_defaults_in_brackets_are_those_of_the_code() -> None:
    """Of strategies and reporters, such as **`probe`** and `delay`: seconds before the second look (0.2)."""
    compared = 0
    for page, name, cls in [
        *(("strategies.md", name, load(name)) for name in SHIPPED),
        *(("reports.md", name, reporter(name)) for name in REPORTERS),
    ]:
        asked = Asked(cls.option_names)
        with contextlib.suppress(Exception):  # of UNKNOWN there is not always one to be made
            cls.configure(asked)
        row = next(line for line in DOCS[page].splitlines() if line.startswith(f"| `{name}` |"))
        assert set(re.findall(r"\*\*`(\w+)`\*\*", row)) == asked.compulsory, name
        for option, default in re.findall(IN_BRACKETS, row.rpartition(" | ")[2]):
            if option in asked.defaults:
                parse, value = asked.defaults[option]
                assert parse(yaml.safe_load(default)) == value, f"{name}.{option}"
                compared += 1
    assert compared >= 20
