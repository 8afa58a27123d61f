from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from llama_logging.prediction.effect import effects
from llama_logging.prediction.forecast import Fate, Skill
from llama_logging.prediction.ledger import Action, Arm
from llama_logging.stores import open_store, urls
from tests.conftest import Run, make_context
from tests.stores.test_ledger import GROUP, ending, make_announcement, make_quality
from tests.stores.test_store import add

SKILLS = tuple(
    Skill(name=name, average_precision=ap, log_loss=loss, calibration_error=0.02)
    for name, ap, loss in (("predictor", 0.709, 0.171), ("base", 0.301, 0.3), ("persistence", 0.603, 0.19))
)


def test_before_anything_was_predicted_it_says_so(cli: Run) -> None:
    done = cli("predict", "status")
    assert (done.code, done.out) == (
        0,
        "no predictions yet: a PredictionHandler learns first, see docs/prediction.md\n",
    )


def filled() -> None:
    store = open_store(urls.default())
    now = datetime.now(UTC)
    add(store, make_context(timestamp=now - timedelta(hours=1)))
    store.rate_predictions("shop-0", now, [make_quality(group=GROUP, skills=SKILLS)])
    store.rate_predictions("shop-0", now, [make_quality(trusted=False, why="too few errors: 12 of 30", announced=0)])
    old = now - timedelta(hours=2)
    held, acted = make_announcement(old, Action.CONTROL), make_announcement(old, Action.ACTED)
    store.predicted([held, replace(acted, fate=Fate.CENSORED)])
    store.resolve_predictions([ending(held, Fate.HIT, 12.0)])
    store.predicted([make_announcement(now - timedelta(seconds=5))])
    store.close()


def test_every_quality_stands_beside_what_is_simple(cli: Run) -> None:
    filled()
    out = cli("predict", "status").out
    for part in (
        "any error, within 60 s",
        "not announced: too few errors: 12 of 30; 100 decisions, an error followed 10 of them",
        "6 of 8 onsets foreseen; no early warnings yet",
        "ValueError in shop.cart.add, within 60 s",
        "predictor    0.709              0.171     0.020",
        "persistence  0.603              0.190     0.020",
        "7 of 9 early warnings came true (95 % interval 40 to 90 %), 2.0 false alarms an active day, 12 s ahead",
    ):
        assert part in out
    assert "accura" not in out.lower()


def test_who_was_not_heard_of_for_a_week_is_shown_when_asked_for(cli: Run) -> None:
    store = open_store(urls.default())
    store.rate_predictions("gone-0", datetime.now(UTC) - timedelta(days=8), [make_quality(skills=SKILLS)])
    store.close()
    assert "gone-0" not in cli("predict", "status").out
    assert "gone-0" in cli("predict", "status", "--since", "30d").out


def test_predictions_are_told_with_what_became_of_them(cli: Run) -> None:
    filled()
    out = cli("predict", "status").out
    rows = [line.split() for line in out.splitlines() if " app: pool" in line]
    assert [(row[2], row[-6]) for row in rows] == [("pending", "none"), ("censored", "acted"), ("hit", "control")]
    assert "the error came after 0 of 1 that were acted on, and after 1 of 1 that were held back to compare" in out


def test_the_same_as_json(cli: Run) -> None:
    filled()
    told = json.loads(cli("predict", "status", "--json", "--limit", "1").out)
    assert [rating["quality"]["trusted"] for rating in told["quality"]] == [False, True]
    assert [announcement["fate"] for announcement in told["predictions"]] == ["pending"]
    (effect,) = told["effects"]
    assert (effect["acted"], effect["control"], effect["control_followed"], effect["difference"]) == (1, 1, 1, -1.0)


def arm(action: Action, announced: int, followed: int, horizon: float = 60.0) -> Arm:
    return Arm(group=GROUP, horizon=horizon, action=action, announced=announced, followed=followed)


def test_what_was_acted_on_is_compared_with_what_was_held_back_and_nothing_else() -> None:
    found = effects([arm(Action.NONE, 50, 50), arm(Action.ACTED, 80, 8), arm(Action.CONTROL, 20, 15)])
    (effect,) = found
    low, middle, high = effect.low or 0.0, effect.difference or 0.0, effect.high or 0.0
    assert middle == pytest.approx(0.1 - 0.75)
    assert -0.85 < low < middle < high < -0.4


def test_without_a_control_nothing_is_claimed() -> None:
    (effect,) = effects([arm(Action.ACTED, 80, 0)])
    assert (effect.difference, effect.control) == (None, 0)
