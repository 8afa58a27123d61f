"""Patience: much heals alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config import Options, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.probes import Probe, as_probe
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.registry import OutcomeStatus


@dataclass(frozen=True)
class WaitAndProbe:
    """Waits until a probe answers.

    Resets, restarts by somebody else and overload pass within seconds; a restart of ours would only
    prolong them.
    """

    name: ClassVar[str] = "wait_and_probe"
    option_names: ClassVar[tuple[str, ...]] = ("probe", "delay")
    destructive: ClassVar[bool] = False
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
        if problem:
            return Remedy(OutcomeStatus.FAILED, detail=problem)
        return Remedy(OutcomeStatus.RECOVERED, detail=f"{self.address} answers")
