"""What stands in a document from elsewhere, of the type that it must have.

Each raises TypeError or ValueError where it is of another, or out of bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]

_MOST = 2**31 - 1
_END = datetime(9999, 1, 1, tzinfo=UTC)
"""A later moment has no local time everywhere."""


def string_of(value: Any) -> str:
    """*value*, which must be a text."""
    if type(value) is not str:
        raise TypeError(f"expected a text, got {value!r:.100}")
    return value


def count_of(value: Any) -> int:
    """*value*, which must be a number that a registry takes."""
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f"expected a number from 0 to {_MOST}, got {value!r:.100}")
    return value


def seconds_of(value: Any) -> float:
    """*value*, which must be seconds since the epoch."""
    if type(value) not in (int, float) or not 0 <= value < _END.timestamp():
        raise ValueError(f"expected seconds since the epoch, got {value!r:.100}")
    return float(value)


def list_of(value: Any) -> list[Any]:
    """*value*, which must be a list."""
    if type(value) not in (list, tuple):  # the latter of `as_document`, before it was text
        raise TypeError(f"expected a list, got {value!r:.100}")
    return list(value)


def mapping_of(value: Any) -> Json:
    """*value*, which must be a mapping."""
    if type(value) is not dict:
        raise TypeError(f"expected a mapping, got {value!r:.100}")
    return value


def moment_of(value: Any) -> datetime:
    """The aware UTC moment that *value* tells, in ISO form or as seconds since the epoch; now for None."""
    if value is None:
        return datetime.now(UTC)
    if not isinstance(value, str):
        return datetime.fromtimestamp(seconds_of(value), UTC)
    moment = datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    seconds_of(moment.timestamp())
    return moment.astimezone(UTC)
