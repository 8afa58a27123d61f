from __future__ import annotations

import json
import logging
import sys
import weakref
from typing import Any

import pytest

from llama_logging.capture import variables
from llama_logging.capture.frames import MAX_FRAMES
from llama_logging.context import ErrorContext
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry


class Foreign:
    """Nothing of it may be run."""

    def __repr__(self) -> str:
        raise SystemExit

    __str__ = __repr__

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit


class ForeignDict(dict[str, Any]):
    def items(self) -> Any:
        raise SystemExit


def charge(amount: int, card: dict[str, Any]) -> None:
    password = "tr0ub4dor"
    client, note, total = Foreign(), f"sent to mail://user:{password}@host", amount + 1
    mapping = ForeignDict(a=1)
    raise ValueError(f"no {total} {client is None} {len(note)} {len(mapping)}")


def recurse(depth: int) -> None:
    if depth:
        recurse(depth - 1)
    raise ValueError("bottom")


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> RegistryHandler:
    monkeypatch.setattr(variables, "BUDGET", 60.0)  # however busy the machine is
    made = RegistryHandler(locals=2)
    logging.getLogger("app").addHandler(made)
    return made


def log(action: Any, *args: Any) -> None:
    try:
        action(*args)
    except Exception:
        logging.getLogger("app").exception("failed")


def errors(handler: RegistryHandler) -> list[ErrorContext]:
    opened = open_registry(handler.pipeline.url)
    found = opened.errors(limit=100)
    opened.close()
    return found


def test_locals_are_those_of_the_traceback_that_is_given(handler: RegistryHandler) -> None:
    with pytest.raises(ValueError, match="bottom") as caught:
        recurse(2)
    logging.getLogger("app").error("failed", exc_info=(ValueError, caught.value, caught.tb.tb_next))
    (found,) = errors(handler)
    assert [found.frames[call.frame].function for call in found.locals] == ["recurse"] * 3
    assert [call.values["depth"] for call in found.locals] == [0, 1, 2]


def test_locals_are_those_of_the_applications_calls_without_secrets(handler: RegistryHandler) -> None:
    log(charge, 41, {"number": "4111 1111 1111 1111", "cvc-token": "123", "lines": [[[["deep"]]]]})
    (error,) = errors(handler)
    inner, outer = error.locals
    assert inner.exception == 0
    assert error.frames[inner.frame].function == "charge"
    assert error.frames[outer.frame].function == "log"
    assert inner.values["amount"] == 41
    assert inner.values["total"] == 42
    assert inner.values["client"].endswith("Foreign>")
    assert inner.values["mapping"] == {"a": 1}
    assert inner.values["card"] == {"number": "[redacted]", "cvc-token": "[redacted]", "lines": [["<list>"]]}
    assert inner.values["password"] == "[redacted]"
    assert "tr0ub4dor" not in json.dumps([dict(found.values) for found in error.locals])


def test_only_the_first_of_each_group_carry_them(handler: RegistryHandler) -> None:
    for number in range(4):
        log(charge, number, {})
        log(recurse, 1)
    carried = [(error.source_function, bool(error.locals)) for error in errors(handler)]
    assert sorted(carried) == sorted([("charge", True), ("charge", False), ("recurse", True), ("recurse", False)] * 2)


def test_by_default_none_are_kept() -> None:
    handler = RegistryHandler()
    logging.getLogger("app").addHandler(handler)
    log(charge, 1, {})
    assert [error.locals for error in errors(handler)] == [()]


def test_of_a_deep_recursion_the_innermost_calls_are_told(handler: RegistryHandler) -> None:
    log(recurse, 300)
    (error,) = errors(handler)
    assert len(error.frames) == MAX_FRAMES
    assert [(found.frame, found.values["depth"]) for found in error.locals] == [
        (MAX_FRAMES - 1 - depth, depth) for depth in range(variables.MAX_CALLS)
    ]


def test_a_cause_has_its_own(handler: RegistryHandler) -> None:
    def outer() -> None:
        reason = "from outside"
        try:
            recurse(0)
        except ValueError as error:
            raise KeyError(reason) from error

    log(outer)
    (error,) = errors(handler)
    told = [(found.exception, error.exceptions[found.exception].frames[found.frame].function) for found in error.locals]
    assert [(number, name.rpartition(".")[2]) for number, name in told] == [
        (0, "outer"),
        (0, "log"),
        (1, "recurse"),
        (1, "outer"),
    ]


def test_whatever_a_program_keeps_is_bounded(handler: RegistryHandler) -> None:
    def hoard() -> None:
        texts = ["x" * 10_000_000] * 3
        tree: list[Any] = []
        for _ in range(1_000):
            tree = [tree] * 20
        numbers = dict.fromkeys(range(100_000), "y" * 1000)
        wide = [[["z" * 300] * 10] * 10] * 10
        raise ValueError(len(texts) + len(tree) + len(numbers) + len(wide))

    def many() -> None:
        names: dict[str, Any] = {}
        exec("def f():\n" + "".join(f"    v{n} = {n}\n" for n in range(500)) + "    raise ValueError\n", names)
        names["f"]()

    log(hoard)
    log(many)
    newest, oldest = errors(handler)
    assert len(newest.locals[0].values) == variables.MAX_VARIABLES + 1
    hoarded = oldest.locals[0].values
    assert "wide" in hoarded
    assert str(hoarded["wide"]).startswith("<list, ")
    assert len(json.dumps(dict(hoarded))) < 2 * variables.MAX_CHARACTERS


def test_what_a_call_deletes_afterwards_is_freed(handler: RegistryHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "gettrace", lambda: None)  # as without one who measures coverage

    def call() -> tuple[bool, int, list[int]]:
        kept, counted = Foreign(), 1
        dead = weakref.ref(kept)
        try:
            raise ValueError(len(cells))
        except ValueError:
            logging.getLogger("app").exception("failed")
        del kept
        counted += 1
        return dead() is None, counted, cells

    cells = [1]
    assert call() == (True, 2, [1])
    (error,) = errors(handler)
    assert error.locals[0].values["counted"] == 1


def test_a_snapshot_that_the_application_has_stays_its_own(handler: RegistryHandler) -> None:
    def call() -> dict[str, Any]:
        number = 1
        mine = locals()
        try:
            raise ValueError(number)
        except ValueError:
            logging.getLogger("app").exception("failed")
        return mine

    assert call()["number"] == 1


def test_the_namespace_of_a_class_body_stays_whole(handler: RegistryHandler) -> None:
    class Body:
        first = 1
        try:
            raise ValueError
        except ValueError:
            logging.getLogger("app").exception("failed")
        second = first + 1

    assert (Body.first, Body.second) == (1, 2)
    (error,) = errors(handler)
    assert error.locals[0].values["first"] == 1


def test_the_time_is_bounded(handler: RegistryHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "BUDGET", -1.0)
    log(charge, 1, {})
    assert [error.locals for error in errors(handler)] == [()]
