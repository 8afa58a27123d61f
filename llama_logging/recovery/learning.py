"""Which remedy first: from what each has done for a group so far.

Thompson sampling (Thompson, Biometrika 25, 1933): the chance that a strategy helps is drawn from what is
known of it, a beta distribution over its recoveries and failures, so that one of which little is
known is tried now and then. Among strategies that are tried one after another until one helps, the
expected time is least in the order of chance over cost (Mitten, Operations Research 8, 1960, 'An
analytic solution to the least cost testing sequence problem').
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from llama_logging.recovery.rules import Step
from llama_logging.registry.attempts import Record

SECONDS = 2.0
"""What a try is taken to cost while nothing is known of it; counts as one try."""


def ordered(steps: Sequence[Step], records: Iterable[Record], draw: random.Random) -> list[Step]:
    """*steps* with the likeliest to help soon first; destructive ones never ahead of harmless ones.

    What acts on nothing stays where it is: to come back later, before anything is restarted; a fallback, at the end.
    """
    known = {record.strategy: record for record in records}

    def worth(step: Step) -> float:
        record = known.get(step.name, Record(strategy="", tried=0, recovered=0, seconds=0.0))
        chance = draw.betavariate(1 + record.recovered, 1 + record.tried - record.recovered)
        return chance / ((SECONDS + record.seconds * record.tried) / (1 + record.tried))

    acting = [step for step in steps if step.strategy.scope]
    worths = {id(step): worth(step) for step in acting}
    best = iter(sorted(acting, key=lambda step: (step.strategy.destructive, -worths[id(step)])))
    return [next(best) if step.strategy.scope else step for step in steps]
