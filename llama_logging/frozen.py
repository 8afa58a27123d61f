"""Frozen data whose classes cost nothing to make: `dataclass` writes and compiles code for each.

With the import of `dataclasses` itself that was a third of a start under `run`. To everybody else it is
a dataclass: `dataclasses.fields`, `asdict` and `replace` take it, type checkers know its fields.
"""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Never, TypeVar, dataclass_transform

    T = TypeVar("T", bound="Frozen")
else:

    def dataclass_transform(**_):
        """That of `typing`, which is not imported for it."""
        return lambda cls: cls


class _Twin:
    """What `dataclasses` looks for, from a dataclass of the same fields that is made when it is asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, cls: type[Frozen]) -> Any:
        from dataclasses import field, make_dataclass

        defaults = {
            name: field(default_factory=value.copy) if type(value) is dict else field(default=value)
            for name, value in cls._field_defaults.items()
        }
        fields = [(name, cls._field_types[name], defaults.get(name, field())) for name in cls._fields]
        twin = make_dataclass(cls.__name__, fields, frozen=True, kw_only=True)
        found = getattr(twin, self._name)
        setattr(cls, self._name, found)
        return found


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Frozen:
    """Frozen data: the fields of a class are its annotations, but those of ClassVars, and those of its bases.

    A default that is a dict is shared, and not to be changed. Fields are given by name; to a class that is
    made with `kw_only=False`, type checkers allow it by place.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _field_types: ClassVar[dict[str, str]] = {}
    _field_defaults: ClassVar[dict[str, Any]] = {}
    _values: ClassVar[attrgetter[Any]]
    __dataclass_fields__: ClassVar[Any] = _Twin()
    __dataclass_params__: ClassVar[Any] = _Twin()

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        own = {name: kind for name, kind in cls.__annotations__.items() if not kind.startswith("ClassVar")}
        cls._field_types = {**cls._field_types, **own}
        cls._fields = tuple(cls._field_types)
        cls._field_defaults = {**cls._field_defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}
        cls._values = attrgetter(*cls._fields)

    def __init__(self, *values: Any, **given: Any) -> None:
        if values:
            given.update(zip(self._fields[: len(values)], values, strict=True))
        expected = self._field_types.keys()
        if given.keys() != expected:
            given = {**self._field_defaults, **given}
            if given.keys() != expected:
                wrong = ", ".join(sorted(given.keys() ^ expected))
                raise TypeError(f"{type(self).__name__}: missing or unexpected: {wrong}")
        _set(self, "__dict__", given)

    def __setattr__(self, name: str, value: object) -> Never:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot change {name!r}")

    def __delattr__(self, name: str) -> Never:
        self.__setattr__(name, None)

    def __replace__(self: T, /, **changes: Any) -> T:
        return replace(self, **changes)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        values = self._values
        same: bool = values(self) == values(other)
        return same

    def __hash__(self) -> int:
        return hash(self._values(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields_of(self).items())})"


def fields_of(data: Frozen) -> dict[str, Any]:
    """The fields of *data*; what is in them as it is.

    >>> class Point(Frozen):
    ...     x: int
    ...     y: int = 0
    >>> fields_of(Point(x=1)), Point(x=1) == Point(x=1, y=0)
    ({'x': 1, 'y': 0}, True)
    """
    return {name: getattr(data, name) for name in data._fields}


def replace(data: T, **changes: Any) -> T:
    """A copy of *data* with other values in some fields."""
    return type(data)(**{**fields_of(data), **changes})


_set = object.__setattr__
