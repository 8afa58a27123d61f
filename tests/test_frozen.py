"""Frozen data is a dataclass to everybody but the one who waits for a start."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from llama_logging.frozen import Frozen, fields_of, replace


class Point(Frozen, kw_only=False):
    x: int
    y: int = 0
    marks: Mapping[str, int] = {}
    shown: ClassVar[bool] = True


class Named(Point):
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Twin:
    x: int
    y: int = 0
    marks: Mapping[str, int] = dataclasses.field(default_factory=dict)


def test_it_is_a_dataclass_to_those_who_ask() -> None:
    point, twin = Point(1, y=2, marks={"a": 1}), Twin(1, y=2, marks={"a": 1})
    assert repr(point) == repr(twin).replace("Twin", "Point")
    assert dataclasses.is_dataclass(point)
    assert [(f.name, f.type) for f in dataclasses.fields(Point)] == [(f.name, f.type) for f in dataclasses.fields(Twin)]
    assert dataclasses.asdict(point) == dataclasses.asdict(twin) == fields_of(point)
    assert dataclasses.asdict(point)["marks"] is not point.marks
    assert dataclasses.replace(point, y=3) == replace(point, y=3) == Point(1, 3, {"a": 1})


def test_it_is_equal_by_class_and_fields() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert Named(x=1, name="a") == Named(1, name="a")
    assert fields_of(Named(1)) == {"x": 1, "y": 0, "marks": {}, "name": ""}


def test_what_has_hashable_fields_has_a_hash() -> None:
    point: Any = Point(1, marks=())  # type: ignore[arg-type]
    assert hash(point) == hash(replace(point))
    with pytest.raises(TypeError):
        hash(Point(1))


def test_nothing_of_it_can_be_changed() -> None:
    point: Any = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert point.x == 1


@pytest.mark.parametrize(
    ("values", "given", "wrong"),
    [((), {}, "x"), ((1,), {"z": 1}, "z"), ((), {"y": 1, "z": 1}, "x, z"), ((), {"shown": False}, "shown, x")],
)
def test_a_field_that_is_missing_or_unknown_is_refused(values: Any, given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(TypeError, match=f"^Point: missing or unexpected: {wrong}$"):
        Point(*values, **given)


def test_more_values_than_fields_are_refused() -> None:
    surplus: Any = (1, 2, {}, 4)
    with pytest.raises(ValueError, match="argument 2"):
        Point(*surplus)


def test_it_can_be_copied_and_sent() -> None:
    point = Named(1, name="a")
    if sys.version_info >= (3, 13):
        assert copy.replace(point, name="b") == Named(1, name="b")
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
