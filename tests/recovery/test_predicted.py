"""Recovery ahead of an error: rules that say `when: predicted`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llama_logging.config.options import Options
from llama_logging.context import PREDICTED, ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.predicting.acting import Acting, Decision
from llama_logging.prediction.forecast import ANY
from llama_logging.prediction.ledger import Action
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.outcome import Outcome
from llama_logging.recovery.rules import Rule, Step, parse_rules
from llama_logging.recovery.strategy import Remedy, StrategyTable
from llama_logging.recovery.switch import VARIABLE, Switch
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.recovery.test_engine import RECOVERED, Act, Restart, failing
from tests.stores.test_ledger import make_prediction

MATCH = {"class": "Exception"}


def parsed(rule: dict[str, Any], mode: str | None = None) -> list[Rule]:
    given = [{"match": MATCH, "ladder": ["tests.recovery.test_predicted.helped"], **rule}]
    return list(parse_rules(Options("RecoveryHandler", {}, (), strict=True), given, mode))


def helped(context: ErrorContext) -> str:
    return "helped"


class World:
    """An engine with one rule, the latest error of every group, and what was done."""

    def __init__(self, strategy: type[Act] = Act, *, chance: float = 0.5, **rule: Any) -> None:
        self.contexts: list[ErrorContext] = []
        self.attempts: list[RecoveryAttempt] = []
        values = {"name": "rule", "match": bool, "ladder": (Step(strategy(self._recover)),), "ahead": True, **rule}
        self.engine = Engine([Rule(**values)], audit=self.attempts.append, table=StrategyTable())
        self.latest: Callable[[str], ErrorContext | None] = lambda group: failing()
        self.acting = Acting(
            lambda: self.engine, lambda group: self.latest(group), trust=0.5, control=0.2, chance=lambda: chance
        )

    def _recover(self, context: ErrorContext, deadline: object) -> Remedy:
        self.contexts.append(context)
        return RECOVERED

    def decide(self, **prediction: Any) -> Decision:
        decision = self.acting.decide(make_prediction(**prediction))
        if decision.outcome is not None:
            decision.outcome.wait(10)
        return decision


def test_a_rule_is_for_errors_that_happened_unless_it_says_otherwise() -> None:
    (usual,) = parsed({})
    (ahead,) = parsed({"when": "predicted"})
    assert usual.applies(failing())
    assert not ahead.applies(failing())
    assert [rule.ahead for rule in parsed({"when": ["error", "predicted"]})] == [False, True]


@pytest.mark.parametrize(("when", "told"), [("predictd", "did you mean 'predicted'?"), ([], "expected error")])
def test_other_words_are_told(when: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("?", r"\?")):
        parsed({"when": when})


@pytest.mark.parametrize(
    ("own", "of_all", "mode"),
    [
        (None, None, None),
        ("act", None, "act"),
        (None, "act", None),
        ("act", "observe", "act"),
        (None, "observe", "observe"),
        (None, "off", "off"),
    ],
)
def test_to_act_ahead_must_be_said_by_the_rule_itself(own: str | None, of_all: str | None, mode: str | None) -> None:
    """What still works is not restarted because all rules may act on what does not."""
    (rule,) = parsed({"when": "predicted", **({"mode": own} if own else {})}, of_all)
    assert rule.mode == mode
    assert parsed({}, "act")[0].mode == "act"


def test_the_ladder_gets_the_latest_error_of_the_group_marked_as_predicted() -> None:
    world = World()
    decision = world.decide(probability=0.75, horizon=60.0, usual=0.05)
    (context,) = world.contexts
    assert decision.action is Action.ACTED
    assert context.predicted
    assert context.error_type == failing().error_type
    told = context.additional_context[PREDICTED]
    assert (told["probability"], told["horizon"], told["prediction_id"]) == (0.75, 60.0, context.error_id)
    assert {attempt.error_id for attempt in world.attempts} == {context.error_id}
    assert not failing().predicted


def test_nothing_is_done_about_errors_without_a_group_or_a_rule_or_that_were_never_seen() -> None:
    world = World()
    assert world.decide(group=ANY).action is Action.NONE
    assert World(ahead=False).decide().action is Action.NONE
    assert World(mode="off").decide().action is Action.NONE
    world.latest = lambda group: None
    assert world.decide().action is Action.NONE
    assert world.contexts == []


@pytest.mark.parametrize(("hits", "announced", "acts"), [(0, 0, False), (3, 3, False), (14, 20, False), (16, 20, True)])
def test_to_act_needs_more_trust_than_to_announce(hits: int, announced: int, acts: bool) -> None:
    """The lower end of the interval counts: three of three are not enough."""
    decision = World().decide(hits=hits, announced=announced)
    assert (decision.action is Action.ACTED) is acts


def test_a_share_is_held_back_to_compare_with() -> None:
    held = World(chance=0.1)
    assert held.decide().action is Action.CONTROL
    assert held.contexts == []
    assert World(chance=0.2).decide().action is Action.ACTED


def test_a_group_is_decided_on_once_until_the_time_of_its_prediction_is_over() -> None:
    """Whatever another horizon predicts meanwhile: neither is a control treated, nor the same thing done twice."""
    world = World(chance=0.1)
    first = make_prediction(horizon=300.0)
    assert world.acting.decide(first).action is Action.CONTROL
    world.acting._chance = lambda: 0.9
    assert world.acting.decide(make_prediction(group=first.group)).action is Action.CONTROL
    assert world.decide(group="v1:other").action is Action.ACTED
    assert len(world.contexts) == 1
    assert world.decide(group="v1:other").action is Action.ACTED
    assert len(world.contexts) == 1


def test_what_destroys_observes_unless_the_rule_says_act() -> None:
    observing, acting = World(Restart), World(Restart, mode="act")
    assert observing.decide().action is Action.OBSERVED
    assert observing.contexts == []
    assert [attempt.status for attempt in observing.attempts] == [OutcomeStatus.PENDING, OutcomeStatus.OBSERVED]
    assert acting.decide().action is Action.ACTED
    assert len(acting.contexts) == 1


def test_the_kill_switch_holds_ahead_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World()
    world.engine._switch = Switch([str(tmp_path)], lambda name: "by somebody")
    decision = world.decide()
    assert decision.undone
    assert world.decide().action is Action.NONE
    assert world.contexts == []


@pytest.mark.parametrize("chance", [0.1, 0.5])
def test_where_the_environment_switches_it_off_nothing_is_held_back_either(
    monkeypatch: pytest.MonkeyPatch, chance: float
) -> None:
    """A process that never acts has nothing to compare with."""
    monkeypatch.setenv(VARIABLE, "off")
    world = World(chance=chance)
    assert world.decide().action is Action.NONE
    assert world.contexts == []


def test_what_code_has_registered_is_for_errors_that_happened() -> None:
    table = StrategyTable()
    table.register("E", helped)
    world = World()
    world.engine = Engine([], table=table)
    assert world.decide().action is Action.NONE
    assert isinstance(world.engine.dispatch(failing()), Outcome)
