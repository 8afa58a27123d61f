"""Whether it helps to act on predictions: how often the error came all the same, against where nothing was done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llama_logging.prediction.intervals import difference
from llama_logging.prediction.ledger import Action, Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What came of acting on the predictions of a group at one horizon.

    Attributes:
        acted, control: How many predictions were acted on and held back, by chance.
        acted_followed, control_followed: After how many of these the error came.
        difference: Of the two shares; below 0 where acting helps. None while one of them is of nothing.
        low, high: Its 95 % interval.
    """

    group: str
    horizon: float
    acted: int
    acted_followed: int
    control: int
    control_followed: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def effects(arms: Iterable[Arm]) -> list[Effect]:
    """Compare what was acted on with what was held back."""
    found: dict[tuple[str, float], dict[Action, Arm]] = {}
    for arm in arms:
        if arm.action in (Action.ACTED, Action.CONTROL):
            found.setdefault((arm.group, arm.horizon), {})[arm.action] = arm
    return [_effect(*key, treated.get(Action.ACTED), treated.get(Action.CONTROL)) for key, treated in found.items()]


def _effect(group: str, horizon: float, acted: Arm | None, control: Arm | None) -> Effect:
    tries, hits = (acted.announced, acted.followed) if acted else (0, 0)
    others, other_hits = (control.announced, control.followed) if control else (0, 0)
    gap, low, high = difference(hits, tries, other_hits, others) if tries and others else (None, None, None)
    return Effect(
        group=group,
        horizon=horizon,
        acted=tries,
        acted_followed=hits,
        control=others,
        control_followed=other_hits,
        difference=gap,
        low=low,
        high=high,
    )
