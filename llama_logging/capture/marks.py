"""What an exception carries of ours, for whoever logs it later or asks how its recovery goes.

Among its attributes, and so along with it to other processes: there must be no need of this package. A class
that looks at its attributes as a whole would print ours, compare them, or hand them to its constructor: what is
known of its exceptions lies apart. Not where they are only the state of a copy, as of anthropic's exceptions.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from llama_logging.runtime.slots import attributes_of

_names = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__

OUTCOME = "__llama_outcome__"
"""How its recovery goes, for code that does not import this package."""

_WHOLE = frozenset(("__dict__", "vars", "asdict", "__getstate__"))
"""How code asks for all attributes of an object."""
_HARMLESS = frozenset(("__init__", "__new__", "__getattr__", "__getstate__"))
"""What runs while there is nothing of ours yet, is asked for one attribute, or by others of the class alone."""
_REDUCING = frozenset(("__reduce__", "__reduce_ex__"))
_HANDING = frozenset(("LOAD_FAST", "LOAD_FAST_BORROW", "PUSH_NULL", "PRECALL", "CALL", "BUILD_TUPLE", "RETURN_VALUE"))
"""Between `self.__dict__`, `dict(self.__dict__)` or the like and the end, where it is the last that is returned."""
_KNOWN_CLASSES = 2_048
_known: dict[int, tuple[type, bool]] = {}
"""By id, with the class itself, so that no other can get it: whether it looks at its attributes."""


class _Apart(weakref.ref[BaseException]):
    """What is known of an exception that carries nothing itself; goes with it."""

    __slots__ = ("id", "marks")

    def __init__(self, error: BaseException, forget: object) -> None:
        super().__init__(error, forget)  # type: ignore[call-arg]
        self.id, self.marks = id(error), dict[str, Any]()


_apart: dict[int, _Apart] = {}


def put(error: BaseException, name: str, value: object) -> None:
    """Have *error* carry *value*: data of built-in types, or what pickles as such."""
    if not lie_apart(type(error)):
        attributes_of(error)[name] = value
        return
    apart = _apart.get(id(error))
    if apart is None or apart() is not error:
        try:
            apart = _apart[id(error)] = _Apart(error, _forget)
        except TypeError:  # its class has `__slots__` and no room in them for this: it goes without
            return
    apart.marks[name] = value


def get(error: BaseException, name: str) -> Any:
    """What *error* carries by that name; None if nothing."""
    value = attributes_of(error).get(name)
    if value is None and _apart:
        apart = _apart.get(id(error))
        return apart.marks.get(name) if apart is not None and apart() is error else None
    return value


def lie_apart(cls: type[BaseException]) -> bool:
    """Whether exceptions of *cls* carry nothing of ours among their attributes."""
    known = _known.get(id(cls))
    if known is None:
        if len(_known) >= _KNOWN_CLASSES:
            _known.clear()
        looks = any(_looks(name, value) for base in _mro(cls) for name, value in _names(base).items())
        known = _known[id(cls)] = (cls, looks)
    return known[1]


def _forget(apart: Any) -> None:
    place = apart.id
    if _apart.get(place) is apart:  # another one may have its id by now
        del _apart[place]


def _looks(name: str, value: object) -> bool:
    """Whether an attribute of a class by that *name* is code that asks for all attributes, or decides on one."""
    function = value.fget if type(value) is property else value
    if type(function) is not FunctionType or name in _HARMLESS:
        return False
    codes = [code for code in _codes(function.__code__) if not _WHOLE.isdisjoint(code.co_names)]
    if name in _REDUCING:
        return not all(map(_hands_on, codes))
    return bool(codes) or name == "__setattr__" or (name == "__setstate__" and "__init__" in function.__code__.co_names)


def _hands_on(code: CodeType) -> bool:
    """Whether all attributes are the state of a copy: the last that is returned, as they are."""
    import dis  # here and not above: few classes need it

    told = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "NOP", "EXTENDED_ARG")]
    first = next((at for at, each in enumerate(told) if each.argval in _WHOLE), len(told))
    rest = [each for each in told[first + 1 :] if each.argval != "copy"]
    return [each.opname for each in rest].count("BUILD_TUPLE") == 1 and all(each.opname in _HANDING for each in rest)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """*code*, and that of what is written within: until 3.12 a comprehension is a function."""
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _codes(constant)
