"""Where errors come from: a registry may be that of many services, in several environments."""

from __future__ import annotations

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


EVERYWHERE = Origin()


class Origins(Protocol):
    """Part of `registry.Store`."""

    origin: Origin
    """What the questions that count or list something are about, until another is set: `counts`, `errors`,
    `errors_after`, `groups`, `group`, and of Figures `timeline`, `activity`, `states` and `changed`. EVERYWHERE
    at first. Groups are then as they are there, but for what people decided about them."""

    def origins(self) -> list[Origin]:
        """Those that errors came from, by their names."""
        ...
