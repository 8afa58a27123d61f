"""Where errors come from: a registry may be that of many services, in several environments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from llama_logging.context import Process


@dataclass(frozen=True, slots=True)
class Origin:
    """A service and an environment, by their OpenTelemetry names `service.name` and `deployment.environment.name`.

    None stands for any; empty is that of processes that name none.
    """

    service: str | None = None
    environment: str | None = None

    def includes(self, process: Process | None) -> bool:
        """Whether *process* is of it.

        >>> Origin(service="shop").includes(None), Origin().includes(None)
        (False, True)
        """
        service, environment = (process.service, process.environment) if process is not None else ("", "")
        return self.service in (None, service) and self.environment in (None, environment)

    def __str__(self) -> str:
        """To stand behind what came from there; empty for everywhere.

        >>> str(Origin("shop", "live")), str(Origin(environment="")), str(Origin())
        (' from shop in live', ' from (none named)', '')
        """
        names = [name or "(none named)" for name in (self.service, self.environment) if name is not None]
        return f" from {' in '.join(names)}" if names else ""


EVERYWHERE = Origin()


class Origins(Protocol):
    """Part of `registry.Store`."""

    origin: Origin
    """What the questions that count or list something are about, until another is set: `counts`, `errors`,
    `errors_after`, `groups`, `group`, of Figures `timeline`, `activity`, `states`, `changed` and `recoveries`, and of
    Outbox `changes_between`, `frequent` and `healings`. EVERYWHERE at first. Groups are then as they are there, but
    for what people decided about them."""

    def origins(self) -> list[Origin]:
        """Those that errors came from, by their names."""
        ...


@contextlib.contextmanager
def about(store: Origins, origin: Origin) -> Iterator[None]:
    """Within the block *store* is asked about *origin*."""
    before, store.origin = store.origin, origin
    try:
        yield
    finally:
        store.origin = before
