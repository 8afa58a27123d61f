from __future__ import annotations

import collections
import datetime
import decimal
import enum
import ipaddress
import itertools
import json
import pathlib
import uuid
from typing import Any

import pytest

from llama_logging.plain import LIMITS, MAX_TEXT, plain, text, type_name


class Trap:
    """Everything one may do to an object raises, and is counted."""

    touched = 0

    def __getattribute__(self, name: str) -> Any:
        Trap.touched += 1
        raise RuntimeError(name)

    def __repr__(self) -> str:
        Trap.touched += 1
        raise RuntimeError

    __str__ = __iter__ = __len__ = __bool__ = __hash__ = __repr__  # type: ignore[assignment]


class Meta(type):
    def __eq__(cls, other: object) -> bool:
        raise RuntimeError

    def __hash__(cls) -> int:
        raise RuntimeError

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Strange(metaclass=Meta):
    pass


class Colour(enum.Enum):
    RED = 1


class Loss(float):
    """As numpy's float64 is one, with code of its own all over."""

    __float__ = __str__ = __repr__ = Trap.__repr__  # type: ignore[assignment]


class Count(int):
    __int__ = __index__ = __str__ = __repr__ = Trap.__repr__  # type: ignore[assignment]


class Rows(list[int]):
    __iter__ = __len__ = Trap.__repr__  # type: ignore[assignment]


class Refused(Exception):
    __repr__ = Trap.__repr__
    args = property(Trap.__repr__)


class Withheld(Exception):
    def __str__(self) -> str:
        return "refused"


class Pair(tuple[int, ...]):
    pass


Login = collections.namedtuple("Login", "user password")


def test_foreign_objects_are_named_and_never_touched() -> None:
    trap = Trap.__new__(Trap)
    Trap.touched = 0
    assert plain({"a": trap, "b": [trap]}) == {"a": "<tests.test_plain.Trap>", "b": ["<tests.test_plain.Trap>"]}
    assert Trap.touched == 0


def test_what_is_derived_from_a_builtin_is_read_as_that() -> None:
    """Past all that it overrides; of an exception its arguments, if no code of the application's is in them."""
    Trap.touched = 0
    assert plain([Loss(0.5), Count(7), Rows([1, 2]), Refused("no", 7)]) == [
        0.5,
        7,
        [1, 2],
        f"{__name__}.Refused('no', 7)",
    ]
    assert plain(Refused(Trap.__new__(Trap))) == f"<{__name__}.Refused>"
    assert plain([Withheld("horse"), Pair((1, 2))]) == [f"<{__name__}.Withheld>", f"<{__name__}.Pair>"]
    assert plain(Login("bob", "horse")) == {"user": "bob", "password": "horse"}
    assert len(plain(ValueError("x" * 10_000_000))) == MAX_TEXT
    assert Trap.touched == 0


def test_a_class_that_was_written_in_c_is_named_with_its_module() -> None:
    """As lxml's exceptions are, which have it in their name alone."""
    assert [type_name(cls) for cls in (itertools.count, int)] == ["itertools.count", "int"]


def test_a_class_whose_metaclass_lies_is_named() -> None:
    assert plain(object.__new__(Strange)) == "<tests.test_plain.Strange>"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (b"ab\xff", "b'ab\\xff'"),
        (Colour.RED, "Colour.RED"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (pathlib.PurePosixPath("/a"), "/a"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (collections.OrderedDict(a=1), {"a": 1}),
        (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
        ({1: 2, None: 3}, {"1": 2, "None": 3}),
        ((1, (2,)), [1, [2]]),
        (2**80, "0x100000000000000000000"),
    ],
)
def test_builtin_values_stay_what_they_are(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_cycles_depth_and_breadth_end() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"deeper": deep}
    assert len(json.dumps(plain(cycle))) < 100
    assert len(json.dumps(plain(deep))) < 200
    assert plain(list(range(1000)))[-1] == f"... {1000 - LIMITS.items} more"
    assert plain(dict.fromkeys(range(1000)))["..."] == f"{1000 - LIMITS.items} more"


def test_long_text_keeps_both_ends() -> None:
    cut = text("a" * 1000 + "x" * 10_000_000 + "z" * 1000)
    assert len(cut) == MAX_TEXT
    assert cut.startswith("aaa")
    assert cut.endswith("zzz")
    assert "characters cut" in cut


def test_text_is_always_encodable() -> None:
    """Databases refuse lone surrogates, and end a text at NUL."""
    assert text("ok \udcff \0 é").encode("utf-8") == "ok \\udcff \\x00 é".encode()


def test_a_str_subclass_cannot_interfere() -> None:
    class Loud(str):
        def __getitem__(self, key: Any) -> Any:
            raise RuntimeError

        def __len__(self) -> int:
            raise RuntimeError

    assert plain(Loud("quiet")) == "quiet"
    assert type(plain(Loud("quiet"))) is str
