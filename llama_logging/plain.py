"""Any value as bounded, JSON-able data, without running foreign code.

Built-in types, what is derived from them, as what it is there, and a few others are looked into; of
everything else the type is named. No `__repr__`, `__str__`, property or iterator of the application is called: they
may block, load from a database, log, or raise.
"""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import WrapperDescriptorType
from typing import Any

from llama_logging.frozen import Frozen
from llama_logging.runtime.slots import arguments_of

MAX_TEXT = 8_192
"""Characters of one text that are kept; the middle is cut."""
_MAX_BYTES = 840
"""Characters of bytes as they are written."""
_READ_BYTES = 16_000
"""Of each end of bytes: more than is kept, and both no more than is looked into as a whole (see `redaction.clean`)."""


class Limits(Frozen):
    """How deep is looked into a value, at how many items of a container, and how many characters of a text are kept."""

    depth: int = 5
    items: int = 50
    text: int = MAX_TEXT


LIMITS = Limits()
FLAT = Limits(depth=0)
"""Containers are named, not looked into."""

# Their str() is the standard library's own C or Python code, short, and free of side effects. By their
# modules: where a module was not imported there are no values of its classes, and nor do we import it.
_SPEAKING = {
    "datetime": ("datetime", "date", "time", "timedelta"),
    "decimal": ("Decimal",),
    "uuid": ("UUID",),
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "ipaddress": ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"),
    "numpy": ("bool_", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "float32", "float16"),
}
# By identity: `in` on the classes themselves would run a metaclass's __eq__ or __hash__.
_QUIET = {id(cls) for cls in (str, int, float, bool, bytes, type(None))}
# A subclass of one is read as that: `dict.items` and not `value.items`, which may compute, load or raise.
_CONTAINERS = (dict, list, set, frozenset)
_SEQUENCES = (list, tuple, set, frozenset)


def text(value: str, limit: int = MAX_TEXT) -> str:
    r"""*value* as well-formed, bounded text.

    Lone surrogates and NUL become visible escapes: SQLite and PostgreSQL refuse or cut them. What
    needs no change is given back as it is, the same object.

    >>> text("a\udcff\0")
    'a\\udcff\\x00'
    >>> len(text("x" * 10_000_000))
    8192
    """
    if type(value) is not str:
        value = str.__str__(value)  # a subclass may override slicing and the rest
    if len(value) > limit:
        half = limit // 2 - 20
        value = f"{value[:half]}... {len(value) - 2 * half} characters cut ...".ljust(limit - half) + value[-half:]
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value.replace("\0", "\\x00") if "\0" in value else value


def plain(value: Any, limits: Limits = LIMITS, bounded: Callable[[str, int], str] = text) -> Any:
    """*value* as None, bool, int, float, str, list or dict, all bounded; texts by *bounded*.

    >>> plain({"model": "llama3", "tries": (1, 2), "client": object()})
    {'model': 'llama3', 'tries': [1, 2], 'client': '<object>'}
    """
    # issubclass(type(x)) and not isinstance(x): the latter asks x.__class__, which may be a property.
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return bounded(value, limits.text)
    if issubclass(kind, enum.Enum):
        return text(f"{_qualname(kind)}.{object.__getattribute__(value, '_name_')}")
    if issubclass(kind, int):
        value = int.__int__(value)
        return value if -(2**63) <= value < 2**63 else text(f"{value:#x}", 80)
    if issubclass(kind, float):
        value = float.__float__(value)
        return value if math.isfinite(value) else str(value)
    if kind is bytes or kind is bytearray:
        return _bytes(value, limits, bounded)
    if kind is tuple or issubclass(kind, _CONTAINERS):
        return _container(value, limits, bounded)
    if issubclass(kind, tuple) and _is_named(kind, value):
        return _container(dict(zip(_of_class(kind, "_fields"), tuple.__iter__(value), strict=True)), limits, bounded)
    if _is_speaking(kind):
        return text(str(value))
    if issubclass(kind, BaseException) and are_quiet(arguments_of(value)) and _prints_its_arguments(kind):
        told = [repr(plain(argument, limits, bounded)) for argument in arguments_of(value)[: limits.items]]
        return bounded(f"{type_name(kind)}({', '.join(told)})", limits.text)
    return f"<{type_name(kind)}>"


def _is_named(cls: type, value: tuple[Any, ...]) -> bool:
    """Whether *value* is a named tuple: only its names tell which of it is a secret."""
    fields = _of_class(cls, "_fields")
    return type(fields) is tuple and len(fields) == tuple.__len__(value) and all(type(name) is str for name in fields)


def _prints_its_arguments(cls: type) -> bool:
    """Whether no `__str__` of its own says what the arguments are, or keeps one back."""
    return type(_of_class(cls, "__str__")) is WrapperDescriptorType


def _of_class(cls: type, name: str) -> Any:
    """What *cls* has under *name*, past what its metaclass pretends."""
    spaces = (type.__dict__["__dict__"].__get__(base) for base in type.__dict__["__mro__"].__get__(cls))
    return next((names[name] for names in spaces if name in names), None)


def are_quiet(values: Iterable[object]) -> bool:
    """Whether `str` and `repr` of all *values* run no code but the interpreter's.

    >>> are_quiet(["text", 1, None]), are_quiet([object()])
    (True, False)
    """
    # Each error passes here; all() of a generator takes twice as long.
    for value in values:  # noqa: SIM110
        if id(type(value)) not in _QUIET:
            return False
    return True


def last_line(error_type: str, message: str) -> str:
    """An error as a traceback's last line names it: without words, by its type alone.

    >>> last_line("KeyError", "'a'"), last_line("ReadTimeout", "")
    ("KeyError: 'a'", 'ReadTimeout')
    """
    return f"{error_type}: {message}" if message else error_type


def type_name(cls: type) -> str:
    """Dotted name of *cls*, whatever its metaclass pretends; built-ins by their bare name."""
    name = _qualname(cls)
    module = module_name(cls)
    return name if module == "builtins" else f"{module}.{name}"


def module_name(cls: type) -> str:
    """Module of *cls*; `?` where it is not text."""
    module = type.__dict__["__dict__"].__get__(cls).get("__module__")
    if module is None:
        # Of a class that was written in C it stands in its name: lxml's.
        with suppress(AttributeError):
            module = type.__dict__["__module__"].__get__(cls)
    if type(module) is str:
        return of_main(text(module, 200))
    return "builtins" if module is None or not isinstance(module, str) else "?"


def of_main(name: str) -> str:
    """The dotted *name*, that of the main module also where multiprocessing's spawn has run it under another.

    >>> of_main("__mp_main__.OrderError"), of_main("shop.OrderError")
    ('__main__.OrderError', 'shop.OrderError')
    """
    return name.replace("__mp_main__", "__main__", 1) if name.startswith("__mp_main__") else name


def _is_speaking(cls: type) -> bool:
    return any(
        getattr(sys.modules.get(module), name, None) is cls for module, names in _SPEAKING.items() for name in names
    )


def _qualname(cls: type) -> str:
    return text(type.__dict__["__qualname__"].__get__(cls), 200)


def _bytes(value: bytes | bytearray, limits: Limits, bounded: Callable[[str, int], str]) -> str:
    """Cut as text is, and not before: where a secret was cut, nothing tells that its half is one."""
    limit = min(limits.text, _MAX_BYTES)
    if len(value) <= 2 * _READ_BYTES:
        return bounded(repr(bytes(value)), limit)
    return f"{bounded(repr(bytes(value[:_READ_BYTES] + value[-_READ_BYTES:])), limit)}, of {len(value)} bytes"


def _container(value: Any, limits: Limits, bounded: Callable[[str, int], str]) -> Any:
    if limits.depth <= 0:
        return f"<{_qualname(type(value))}>"
    inner = Limits(depth=limits.depth - 1, items=limits.items, text=limits.text)
    try:
        return (_mapping if issubclass(type(value), dict) else _sequence)(value, inner, bounded)
    except RuntimeError:
        # Another thread changed it while we looked.
        return f"<{_qualname(type(value))}, changing>"


def _mapping(value: dict[Any, Any], limits: Limits, bounded: Callable[[str, int], str]) -> Any:
    result: dict[str, Any] = {}
    for count, (key, item) in enumerate(dict.items(value)):
        if count == limits.items:
            result["..."] = f"{dict.__len__(value) - limits.items} more"
            break
        result[text(key if issubclass(type(key), str) else str(plain(key, FLAT)), 200)] = plain(item, limits, bounded)
    return result


def _sequence(value: Any, limits: Limits, bounded: Callable[[str, int], str]) -> Any:
    own = next(cls for cls in _SEQUENCES if issubclass(type(value), cls))
    result: list[Any] = []
    for count, item in enumerate(own.__iter__(value)):
        if count == limits.items:
            result.append(f"... {own.__len__(value) - limits.items} more")
            break
        result.append(plain(item, limits, bounded))
    return result
