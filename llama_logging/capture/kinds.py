"""What is to be known of a class of exceptions, found out once.

Read past what the class may pretend: from the namespaces along its MRO, not by attribute access.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType
from typing import Any

from llama_logging import plain
from llama_logging.frozen import Frozen
from llama_logging.redaction import clean
from llama_logging.redaction.own import on_more

CARRIERS = ("response", "headers", "orig")
"""What may carry a code in an exception's place."""
CODED = frozenset(("errno", "status_code", "status", "code", "sqlstate", "pgcode", *CARRIERS))
"""Where an exception may carry a code."""

_PRETENCES = frozenset(
    ("__cause__", "__context__", "__suppress_context__", "__traceback__", "__getattribute__", "__class__")
)
_SURPRISES = _PRETENCES | {"__notes__", "__getattr__"}
_MOST_BASES = 20
_KNOWN_KINDS = 2_048
_known: dict[int, Kind] = {}

_names = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__


class Kind(Frozen):
    """A class of exceptions.

    Attributes:
        cls: Held, so that no other can get its id.
        name: Its dotted name as it was then; a class may get another.
        type, module, bases: See ExceptionDetail.
        names: Which of CODED it has.
        fingerprint: Its `__fingerprint__`; None if it has none.
        says_no_more: Whether the standard library writes `Type: message`: no hints, no source, no notes.
        pretends: Whether what it is chained to may be another thing than its slots say.
        speaks: Whether it has code of its own that would run when it is asked for its text and codes.
    """

    cls: type[BaseException]
    name: str
    type: str
    module: str
    bases: tuple[str, ...]
    names: tuple[str, ...]
    fingerprint: object
    says_no_more: bool
    pretends: bool
    speaks: bool


def kind_of(cls: type[BaseException]) -> Kind:
    """What is known of *cls*, under the name that it has now."""
    kinds = _known
    known = kinds.get(id(cls))
    if known is None or known.name != plain.type_name(cls):
        if len(kinds) >= _KNOWN_KINDS:
            kinds.clear()
        known = kinds[id(cls)] = _look_into(cls)
    return known


@on_more
def _forget() -> None:
    global _known
    _known = {}


def _look_into(cls: type[BaseException]) -> Kind:
    spaces = [_names(base) for base in _mro(cls)]
    found: dict[str, Any] = {}
    for names in reversed(spaces):
        found.update(names)
    module = plain.module_name(cls)
    names = tuple(sorted(name for name in CODED if found.get(name) is not None))
    codes = all(type(found[name]) in (MemberDescriptorType, GetSetDescriptorType, int, str) for name in names)
    return Kind(
        cls=cls,
        name=plain.type_name(cls),
        type=clean(plain.type_name(cls).removeprefix(f"{module}.")),
        module=clean(module),
        bases=tuple(clean(plain.type_name(base)) for base in _mro(cls)[:-2])[:_MOST_BASES],
        names=names,
        fingerprint=found.get("__fingerprint__"),
        says_no_more=_says_no_more(cls),
        pretends=not all(map(_PRETENCES.isdisjoint, _own(cls))),
        speaks=type(found["__str__"]) is not WrapperDescriptorType or not codes,
    )


def _says_no_more(cls: type[BaseException]) -> bool:
    if type(cls) is not type or issubclass(cls, SyntaxError | NameError | AttributeError | ImportError):
        return False
    if type(cls.__module__) is not str:
        return False
    return all(map(_SURPRISES.isdisjoint, _own(cls)))


def _own(cls: type[BaseException]) -> list[Mapping[str, object]]:
    """The namespaces of *cls* and its bases but for those that all exceptions have."""
    return [_names(base) for base in _mro(cls) if base is not BaseException and base is not object]
