"""What most strategies end with."""

from __future__ import annotations

from llama_logging.recovery.strategy import Remedy
from llama_logging.tried import OutcomeStatus


def verdict(problem: str, well: str) -> Remedy:
    """Recovered, saying *well*, if no *problem* is left; else failed.

    >>> verdict("refused", "it answers").status, verdict("", "it answers").detail
    (<OutcomeStatus.FAILED: 'failed'>, 'it answers')
    """
    if problem:
        return Remedy(OutcomeStatus.FAILED, detail=problem)
    return Remedy(OutcomeStatus.RECOVERED, detail=well)
