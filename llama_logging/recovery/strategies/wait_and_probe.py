"""Patience: much heals alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_list, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.probes import Probe, as_probe
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

PORTS = {
    "postgresql": 5432, "postgres": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "rediss": 6379,
    "amqp": 5672, "amqps": 5671, "mongodb": 27017, "nats": 4222, "kafka": 9092,
}  # fmt: skip
"""Where a URL that names no port is served."""


@dataclass(frozen=True)
class WaitAndProbe(Strategy):
    """Waits until a probe answers.

    Resets, restarts by somebody else and overload pass within seconds; a restart of ours would only
    prolong them.
    """

    name: ClassVar[str] = "wait_and_probe"
    option_names: ClassVar[tuple[str, ...]] = ("probe", "delay")
    address: str
    probe: Probe
    delay: float = 0.2

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `probe`, see `probes.as_probe`; `delay`, seconds before the second look, then doubled."""
        return cls(
            options.required("probe", as_text),
            options.required("probe", as_probe),
            options.read("delay", as_seconds, 0.2),
        )

    @property
    def scope(self) -> str:
        """What is waited for."""
        return self.address

    @property
    def intent(self) -> str:
        """Names the probe."""
        return f"wait until {self.address} answers"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Probe at once, then with growing pauses until the deadline."""
        problem = deadline.wait_for(self.probe, delay=self.delay, longest=5.0)
        return verdict(problem, f"{self.address} answers")


@dataclass(frozen=True)
class WaitForDependency(WaitAndProbe):
    """Waits until what the application depends on can be reached."""

    name: ClassVar[str] = "wait_for_dependency"
    option_names: ClassVar[tuple[str, ...]] = ("address", "delay")

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `address`, HOST:PORT, a URL, or several of them; `delay`, seconds before the second look."""
        addresses = options.required("address", _as_addresses)
        probes = [as_probe(address) for address in addresses]
        return cls(
            " and ".join(address.removeprefix("tcp://") for address in addresses),
            lambda deadline: next((problem for probe in probes if (problem := probe(deadline))), ""),
            options.read("delay", as_seconds, 0.2),
        )


def _as_addresses(value: object) -> tuple[str, ...]:
    addresses = tuple(_as_address(as_text(text)) for text in as_list(value))
    if not addresses:
        raise ConfigError("expected HOST:PORT or a URL")
    return addresses


def _as_address(text: str) -> str:
    """As a probe knows it. Of a database's URL no more than host and port: it may hold a password.

    >>> _as_address("db:5432"), _as_address("postgresql+psycopg://app:secret@db/shop")
    ('tcp://db:5432', 'tcp://db:5432')
    """
    parts = urlsplit(text if "://" in text else f"tcp://{text}")
    if parts.scheme in ("http", "https"):
        return text
    port = parts.port or PORTS.get(parts.scheme.partition("+")[0])
    if not parts.hostname or not port:
        raise ConfigError(f"expected HOST:PORT or a URL with a port, got {text!r}")
    return f"tcp://[{parts.hostname}]:{port}" if ":" in parts.hostname else f"tcp://{parts.hostname}:{port}"
