"""A function of the application mends it, a probe verifies it: database pools, processes, configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.context import ErrorContext
from llama_logging.matching import sqlstate
from llama_logging.recovery.hooks import Hook, as_named, problem_of
from llama_logging.recovery.naming import within_process
from llama_logging.recovery.probes import Probe, as_probe, look
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

OF_CONNECTIONS = ("08", "57P", "53300", "25006")
"""SQLSTATEs that another connection may cure: lost, server going down, too many of them, a primary no more."""


@dataclass(frozen=True)
class Hooked(Strategy):
    """Calls a function, unless the probe says that all is well already, and waits until it says so.

    The two options of a subclass are the function and the probe, in this order.
    """

    destructive: ClassVar[bool] = True
    path: str
    mend: Hook
    probe: Probe

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: a function and a probe, both needed: what is not verified has not worked."""
        mend, probe = cls.option_names
        return cls(*options.required(mend, as_named), options.required(probe, as_probe))

    @property
    def scope(self) -> str:
        """What the function mends, in this process."""
        return within_process(self.path)

    @property
    def intent(self) -> str:
        """Names the function."""
        return f"call {self.path}"

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Probe."""
        return None if look(self.probe, deadline) else verdict("", "it works already")

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Call; probe until the deadline."""
        problem = problem_of(self.mend, deadline) or deadline.wait_for(self.probe, delay=0.2, longest=5.0)
        return verdict(problem and f"{self.intent}: {problem}", f"{self.intent}: it works again")


@dataclass(frozen=True)
class DbReconnect(Hooked):
    """Has a pool throw its connections away, and waits until the database answers on new ones."""

    name: ClassVar[str] = "db.reconnect"
    option_names: ClassVar[tuple[str, ...]] = ("dispose", "check")
    destructive: ClassVar[bool] = False

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """As Hooked; but an SQLSTATE that no other connection would cure is left alone."""
        states = [state for error in context.exceptions if (state := sqlstate(error))]
        if states and not any(state.startswith(OF_CONNECTIONS) for state in states):
            return verdict(f"SQLSTATE {states[0]} does not come from the connection", "")
        return super().look(context, deadline)


@dataclass(frozen=True)
class ProcessRestart(Hooked):
    """Has the application make a process or a pool of processes anew."""

    name: ClassVar[str] = "process.restart"
    option_names: ClassVar[tuple[str, ...]] = ("factory", "health")


@dataclass(frozen=True)
class ReloadConfig(Hooked):
    """Has the application read its configuration again."""

    name: ClassVar[str] = "reload_config"
    option_names: ClassVar[tuple[str, ...]] = ("reload", "check")
