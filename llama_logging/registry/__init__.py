"""What the registry holds, and the port through which it is reached.

intake    how frames come in
errors    questions about errors
groups    groups of them
origins   where they come from
triage    what people decide about groups
attempts  what recovery may act on, and what it has tried
upkeep    how the registry itself is

What was predicted is in `prediction.ledger`.
"""

from __future__ import annotations

from typing import Protocol

from llama_logging.prediction.ledger import Ledger
from llama_logging.registry.attempts import Attempts
from llama_logging.registry.errors import Errors
from llama_logging.registry.groups import Groups
from llama_logging.registry.intake import Intake
from llama_logging.registry.origins import Origins
from llama_logging.registry.triage import Triage
from llama_logging.registry.upkeep import Upkeep


class Store(Intake, Errors, Groups, Origins, Triage, Attempts, Upkeep, Ledger, Protocol):
    """Where the registry is kept.

    Every method may be called from any thread. Adding the same error_id twice changes nothing, so a
    journal may be ingested again after a crash. Moments given are aware.

    Raises:
        StoreError: From any method, if the store could not be read or written.
    """

    url: str
    """As it may be shown."""

    @property
    def exists(self) -> bool:
        """Whether there is a registry; one that never was is empty, and asking does not make it."""
        ...

    @property
    def behind(self) -> int:
        """By how many steps an earlier version made it, which its first use takes; 0 if there is no registry."""
        ...

    @property
    def may_write(self) -> bool:
        """Whether this process may; who may only read is answered all the same."""
        ...

    def close(self) -> None:
        """Let go of the connection; a later call opens it again."""
        ...
