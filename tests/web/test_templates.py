"""What templates name is there, also on ways that no test goes: it is looked up in the types of what they show."""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the dashboard's packages are not installed")

from jinja2 import nodes
from starlette.testclient import TestClient

from llama_logging.context import Sighting
from llama_logging.recovery.rules import Rule
from llama_logging.registry.groups import ErrorGroup
from llama_logging.registry.outbox import ChannelState, Outbox
from llama_logging.stores import open_store, urls
from llama_logging.tried import RecoveryAttempt
from llama_logging.web import answering, charts, dashboard, rendering
from llama_logging.web.pages.health import Waiting
from tests.web.story import TRACE, tell

TEMPLATES = ("group", "groups", "health", "overview", "predictions", "problem", "recovery", "trace")
LOADED = ("base.html", "macros.html")
BESIDES = {
    "attempts": list[RecoveryAttempt],
    "channels": list[ChannelState],
    "journals": list[Waiting],
    "rules": tuple[Rule, ...],
    "sightings": list[Sighting],
}
"""What templates get that is empty in the registry of the test."""
PASSED_ON = ("sort", "list", "reverse")
"""Filters that give what they get."""


@dataclass(frozen=True)
class Kind:
    """A type that a value may have.

    Attributes:
        parts: Of a tuple each member, of a mapping keys and values, of what else can be gone through its members.
        gives: Of a method.
    """

    cls: type
    parts: tuple[Kinds, ...] = ()
    gives: Kinds = ()


Kinds = tuple[Kind, ...]
"""All that it may be; empty where that is not known."""


def of_value(value: object) -> Kinds:
    if isinstance(value, Mapping):
        return (Kind(dict, (_all(value), _all(value.values()))),)
    if type(value) is tuple:
        return (Kind(tuple, tuple(of_value(part) for part in value)),)
    if isinstance(value, list):
        return (Kind(list, (_all(value),)),)
    return () if value is None else (Kind(type(value)),)


def of_hint(hint: Any) -> Kinds:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return tuple(kind for argument in arguments for kind in of_hint(argument))
    if origin is tuple and Ellipsis not in arguments:
        return (Kind(tuple, tuple(of_hint(argument) for argument in arguments)),)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return (Kind(dict, (of_hint(arguments[0]), of_hint(arguments[1]))),)
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return (Kind(list, (of_hint(arguments[0]),)),)
    return (Kind(hint),) if isinstance(hint, type) and hint is not type(None) else ()


def _all(values: Iterable[object]) -> Kinds:
    return tuple(dict.fromkeys(kind for value in values for kind in of_value(value)))


def member(cls: type, name: str) -> Kinds | None:
    """What *name* of a *cls* may be; None if it has no such."""
    if issubclass(cls, Enum) and name == "name":
        return (Kind(str),)
    for base in cls.__mro__:
        if name in (hints := inspect.get_annotations(base)):
            return of_hint(_evaluated(hints[name], base.__module__))
    found = inspect.getattr_static(cls, name, None)
    if found is None:
        return None
    function: Any = getattr(found, "fget", None) or getattr(found, "func", None) or found
    if not inspect.isfunction(function):
        return ()
    method = of_function(function)
    return (method,) if function is found else method.gives


def of_function(function: Any) -> Kind:
    gives = _evaluated(function.__annotations__.get("return"), function.__module__)
    return Kind(types.MethodType, gives=of_hint(gives))


def _evaluated(hint: Any, module: str) -> Any:
    """What stands there as text; None where that is for type checkers alone."""
    with contextlib.suppress(NameError):
        return eval(hint, vars(sys.modules[module])) if isinstance(hint, str) else hint
    return None


@dataclass
class Reading:
    """Goes through a template, on all of its ways.

    Attributes:
        wrong: What is named and is not there.
        sure: How many names were looked up in a type.
        unsure: Those of which it is not known what they are looked up in.
    """

    macros: dict[str, nodes.Macro]
    wrong: list[str] = field(default_factory=list)
    sure: int = 0
    unsure: list[str] = field(default_factory=list)
    _depth: int = 0

    def go(self, body: Sequence[nodes.Node], scope: dict[str, Kinds]) -> None:
        for node in body:
            if isinstance(node, nodes.For):
                inner = dict(scope)
                self._bind(node.target, _members(self.kinds(node.iter, scope)), inner)
                self.go([*node.body, *node.else_], inner)
            elif isinstance(node, nodes.Assign):
                self._bind(node.target, self.kinds(node.node, scope), scope)
            elif isinstance(node, nodes.If):
                self.kinds(node.test, scope)
                self.go([*node.body, *node.elif_, *node.else_], scope)
            elif isinstance(node, nodes.Block):
                self.go(node.body, dict(scope))
            elif isinstance(node, nodes.Expr):
                self.kinds(node, scope)
            elif not isinstance(node, nodes.Macro):
                self.go(list(node.iter_child_nodes()), scope)

    def kinds(self, node: nodes.Node, scope: dict[str, Kinds]) -> Kinds:
        """What the expression *node* may be."""
        if isinstance(node, nodes.Name):
            return scope.get(node.name, ())
        if isinstance(node, nodes.Getattr):
            return self._member(node, scope)
        if isinstance(node, nodes.Call):
            return self._call(node, scope)
        parts = [self.kinds(part, scope) for part in node.iter_child_nodes()]
        if isinstance(node, nodes.Const):
            return of_value(node.value)
        if isinstance(node, nodes.Tuple):
            return (Kind(tuple, tuple(parts)),)
        if isinstance(node, nodes.Dict):
            return (Kind(dict, ((Kind(str),), tuple(kind for part in parts for kind in part))),)
        if isinstance(node, nodes.Pair):
            return parts[1]
        if isinstance(node, nodes.CondExpr | nodes.Or | nodes.And):
            return tuple(kind for part in parts for kind in part)
        if isinstance(node, nodes.Filter) and node.name in PASSED_ON:
            return parts[0]
        if isinstance(node, nodes.Getitem):
            number = getattr(node.arg, "value", None)
            if isinstance(node.arg, nodes.Slice):
                return parts[0]
            return _members(tuple(_part(kind, number) for kind in parts[0]))
        return ()

    def _member(self, node: nodes.Getattr, scope: dict[str, Kinds]) -> Kinds:
        found: list[Kind] = []
        base = self.kinds(node.node, scope)
        if not base and getattr(node.node, "name", "") != "loop":
            self.unsure.append(f"{node.lineno}: {node.attr}")
        for kind in base:
            if kind.cls is dict:
                values = kind.parts[1]
                gives = {"items": (Kind(list, ((Kind(tuple, kind.parts),),)),), "get": values}
                # Of a mapping, jinja finds what stands under a name as it does an attribute.
                found += [Kind(types.MethodType, gives=gives[node.attr])] if node.attr in gives else values
                continue
            kinds = member(kind.cls, node.attr)
            self.sure += 1
            if kinds is None:
                self.wrong.append(f"{node.lineno}: {kind.cls.__name__} has no {node.attr}")
            found += kinds or ()
        return tuple(found)

    def _call(self, node: nodes.Call, scope: dict[str, Kinds]) -> Kinds:
        given = [self.kinds(argument, scope) for argument in node.args]
        for keyword in node.kwargs:
            self.kinds(keyword.value, scope)
        called = node.node
        if isinstance(called, nodes.Getattr) and getattr(called.node, "name", "") == "m":
            macro = self.macros[called.attr]
            inner = {argument.name: kinds for argument, kinds in zip(macro.args, given, strict=False)}
            if self._depth < 5:
                self._depth += 1
                self.go(macro.body, inner)
                self._depth -= 1
            return ()
        return tuple(kind for method in self.kinds(called, scope) for kind in method.gives)

    def _bind(self, target: nodes.Node, kinds: Kinds, scope: dict[str, Kinds]) -> None:
        if isinstance(target, nodes.Name):
            scope[target.name] = kinds
        elif isinstance(target, nodes.Tuple):
            for number, item in enumerate(target.items):
                self._bind(item, _members(tuple(_part(kind, number) for kind in kinds)), scope)


def _members(kinds: Kinds) -> Kinds:
    """What one finds who goes through one of *kinds*."""
    return tuple(kind for each in kinds for part in each.parts[: 1 if each.cls is dict else None] for kind in part)


def _part(kind: Kind, number: object) -> Kind:
    """A tuple, of which one member is asked for, as one of that alone."""
    if kind.cls is tuple and type(number) is int and number < len(kind.parts):
        return Kind(tuple, (kind.parts[number],))
    return kind


def parsed(name: str) -> nodes.Template:
    environment = rendering._templates
    assert environment.loader is not None
    return environment.parse(environment.loader.get_source(environment, name)[0])


def reading() -> Reading:
    return Reading({macro.name: macro for macro in parsed("macros.html").find_all(nodes.Macro)})


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Kinds]]:
    """By template, what it was given: by the pages of a registry that holds some of everything."""
    given: dict[str, dict[str, Kinds]] = {}

    def rendered(template: str, **values: Any) -> str:
        kinds = given.setdefault(template, {})
        for name, value in values.items():
            kinds[name] = tuple(dict.fromkeys((*kinds.get(name, ()), *of_value(value))))
        return rendering.rendered(template, **values)

    store: Outbox = open_store(urls.parse(f"sqlite:///{tmp_path_factory.mktemp('shown')}/all.db"))
    newest = tell(store, datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "rendered", rendered)
        with TestClient(dashboard(store, token="a token of twenty-four"), base_url="http://127.0.0.1:8321") as client:
            client.get("/?token=a token of twenty-four")
            pages = ["/", "/overview?since=30d", "/recovery", "/predictions", f"/trace/{TRACE}", "/health", "/nowhere"]
            for page in [*pages, *(f"/e/{error.error_id}" for error in newest)]:
                client.get(page)
    store.close()
    return given


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_names_is_there(shown: dict[str, dict[str, Kinds]], name: str) -> None:
    found, more = reading(), {name: of_hint(hint) for name, hint in BESIDES.items()}
    for helper in (rendering.query, charts.bars, charts.stacked):
        more[helper.__name__] = (of_function(helper),)
    for template in (f"{name}.html", "base.html"):
        found.go(parsed(template).body, {**shown[f"{name}.html"], **more})
    assert (found.wrong, found.unsure) == ([], [])


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("{% if group.count %}{% else %}{{ group.typ }}{% endif %}", "ErrorGroup has no typ"),
        ("{% for group, count in top %}{{ group.fingerprint.name }}{{ group.name }}{% endfor %}", "str has no name"),
        ("{% for key, group in named.items() %}{{ m.title(group.state) }}{% endfor %}", "GroupState has no error_type"),
        ("{% set one = named.get(7) or group %}{{ one.state.valu|short }}", "GroupState has no valu"),
        ("{{ group.state.value if group.last_release_ else top[0][0].x }}", "ErrorGroup has no last_release_"),
        ("{{ nothing.there }}", ""),
    ],
)
def test_what_is_not_there_is_found(source: str, wrong: str) -> None:
    group = (Kind(ErrorGroup),)
    top = Kind(list, ((Kind(tuple, (group, ())),),))
    scope: dict[str, Kinds] = {"group": group, "named": (Kind(dict, ((), group)),), "top": (top,)}
    found = reading()
    found.go(rendering._templates.parse(source).body, scope)
    assert wrong in "".join(found.wrong[:1]) if wrong else found.unsure == ["1: there"]
