"""How much of the errors' details is kept."""

from __future__ import annotations

from llama_logging.config.options import Options
from llama_logging.config.values import as_bytes, as_mapping, as_number, as_seconds
from llama_logging.exceptions import ConfigError
from llama_logging.frozen import Frozen


class Retention(Frozen):
    """How much of the errors' details is kept; counts are kept for ever.

    Attributes:
        period: Seconds after which details go; None for never.
        errors: At most so many errors' details.
        size_bytes: At most so large a registry.
    """

    period: float | None = None
    errors: int | None = None
    size_bytes: int | None = None


AT_ONCE = 500
"""Errors whose details go in one transaction: nobody who writes waits long."""
USUAL = Retention(size_bytes=2 * 2**30)


def parse_retention(options: Options, given: object) -> Retention:
    """How much of the errors' details is kept: `{age: 90d, errors: 1000000, size: 2G}`, or some of it."""
    if not given:
        raise ConfigError("expected at least one of age, errors and size")
    reader = options.nested("retention", as_mapping(given), ("age", "errors", "size"))
    retention = Retention(
        period=reader.read("age", as_seconds, None),
        errors=reader.read("errors", as_number, None),
        size_bytes=reader.read("size", as_bytes, None),
    )
    return USUAL if retention == Retention() else retention
