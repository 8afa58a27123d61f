from __future__ import annotations

import asyncio
import copy
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from logging.handlers import SocketHandler
from typing import Any, ClassVar, Self

import pytest

from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ExceptionDetail
from llama_logging.handlers import RecoveryHandler, RegistryHandler
from llama_logging.recovery.engine import THREADS, WAITING, Engine
from llama_logging.recovery.outcome import Outcome, outcome
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.strategies.advice import Advice
from llama_logging.recovery.strategies.fallback import FallbackText, FallbackValue
from llama_logging.recovery.strategies.fallback_model import FallbackModel
from llama_logging.recovery.strategy import Call, Deadline, Remedy, Strategy, StrategyTable
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import make_context


@dataclass(frozen=True)
class Act(Strategy):
    """A strategy that does what a test wants."""

    name: ClassVar[str] = "act"
    action: Callable[[ErrorContext, Deadline], Remedy]
    scope: str = ""
    intent: str = "act"

    @classmethod
    def configure(cls, options: Options) -> Self:
        raise NotImplementedError

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        return self.action(context, deadline)


class Restart(Act):
    name: ClassVar[str] = "restart"
    destructive: ClassVar[bool] = True


RECOVERED = Remedy(OutcomeStatus.RECOVERED, "value", "healed")
FAILED = Remedy(OutcomeStatus.FAILED, detail="no luck")


def failing(**extra: Any) -> ErrorContext:
    return make_context(
        exceptions=(ExceptionDetail(type="E", module="app", message="m", bases=("app.E", "ValueError", "Exception")),),
        additional_context=extra,
    )


def engine(*strategies: Strategy, audit: Any = lambda attempt: None, **changes: Any) -> Engine:
    values = {"name": "rule", "match": bool, "ladder": tuple(Step(strategy) for strategy in strategies), **changes}
    return Engine([Rule(**values)], audit=audit, table=StrategyTable())


def noting(notes: list[str], remedy: Remedy, note: str = "ran") -> Callable[[ErrorContext, Deadline], Remedy]:
    """An action that leaves a note and gives *remedy*."""

    def action(context: ErrorContext, deadline: Deadline) -> Remedy:
        notes.append(note)
        return remedy

    return action


def doing(remedy: Remedy) -> Act:
    return Act(lambda context, deadline: remedy)


def test_the_first_strategy_that_helps_ends_it() -> None:
    tried: list[str] = []

    strategies = [
        Act(noting(tried, remedy, name)) for name, remedy in zip("abc", (FAILED, RECOVERED, RECOVERED), strict=True)
    ]
    result = engine(*strategies).dispatch(failing())
    assert result.wait(10)
    assert (result.status, result.value, tried) == (OutcomeStatus.RECOVERED, "value", ["a", "b"])
    assert [attempt.status for attempt in result.attempts] == [OutcomeStatus.FAILED, OutcomeStatus.RECOVERED]


def test_a_fallback_is_a_value_and_not_worth_another_try() -> None:
    result = engine(doing(FAILED), doing(Remedy(OutcomeStatus.FALLBACK, "instead"))).dispatch(failing())
    assert result.wait(10) is False
    assert (result.status, result.value) == (OutcomeStatus.FALLBACK, "instead")


def test_when_nothing_helps_it_says_why() -> None:
    def explode(context: ErrorContext, deadline: Deadline) -> Remedy:
        raise SystemExit("boom")

    result = engine(doing(FAILED), Act(explode)).dispatch(failing())
    assert result.wait(10) is False
    assert result.status is OutcomeStatus.FAILED
    assert result.detail == "act: no luck; act: SystemExit: boom"


def test_the_call_returns_at_once_and_the_outcome_comes_later() -> None:
    gate = threading.Event()
    caller = threading.get_ident()
    threads: list[int] = []

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        threads.append(threading.get_ident())
        gate.wait(10)
        return RECOVERED

    result = engine(Act(wait)).dispatch(failing())
    assert result.status is OutcomeStatus.PENDING
    assert not result
    assert result.wait(0.01) is False
    gate.set()
    assert result.wait(10)
    assert threads != [caller]


def test_a_strategy_that_blocks_is_left_behind_at_its_deadline() -> None:
    gate = threading.Event()

    def block(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(30)
        return RECOVERED

    result = engine(Act(block), doing(Remedy(OutcomeStatus.FALLBACK, "instead")), deadline=30.0)
    rule = result._rules[0]
    stuck = Engine([Rule(name="r", match=rule.match, ladder=(Step(Act(block), 0.1), rule.ladder[1]))])
    outcome = stuck.dispatch(failing())
    assert outcome.wait(10) is False
    assert outcome.value == "instead"
    assert "left behind" in outcome.attempts[0].detail
    gate.set()


def test_errors_of_one_scope_share_one_recovery() -> None:
    gate = threading.Event()
    runs: list[str] = []

    def restart(context: ErrorContext, deadline: Deadline) -> Remedy:
        runs.append(context.error_id)
        gate.wait(10)
        return RECOVERED

    shared = engine(Act(restart, scope="server"), scope="server")
    outcomes = []
    callers = [threading.Thread(target=lambda: outcomes.append(shared.dispatch(failing()))) for _ in range(32)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    gate.set()
    assert all(outcome.wait(10) for outcome in outcomes)
    assert len(outcomes) == len({outcome.error_id for outcome in outcomes}) == 32
    assert len(runs) == 1


def vain(gate: threading.Event) -> Act:
    """Acts on the server, until *gate* is open, and to no avail."""

    def act(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return FAILED

    return Act(act, scope="server")


def in_turn(shared: Engine, gate: threading.Event) -> tuple[Outcome, Outcome]:
    """The outcomes of an error and of one that happens while the first is being recovered from."""
    outcomes = shared.dispatch(failing(caller="Ada")), shared.dispatch(failing(caller="Bob"))
    gate.set()
    for each in outcomes:
        each.wait(10)
    return outcomes


def test_what_is_handed_over_is_each_ones_own() -> None:
    """Who shares a recovery in vain gets the text that is filled from its own error, and not another user's."""
    gate, tried = threading.Event(), list[str]()

    def restart(context: ErrorContext, deadline: Deadline) -> Remedy:
        tried.append("restarted")
        gate.wait(10)
        return FAILED

    told = list[RecoveryAttempt]()
    ladder = Act(restart, scope="server"), FallbackText("for {caller}")
    first, second = in_turn(engine(*ladder, scope="server", audit=told.append), gate)
    assert (first.value, second.value, tried) == ("for Ada", "for Bob", ["restarted"])
    assert [attempt.error_id for attempt in second.attempts] == [first.error_id, second.error_id]
    mine = [(each.status.value, each.strategy) for each in told if each.error_id == second.error_id]
    text = "llm.fallback_text"
    assert mine == [("shared", "act"), ("pending", text), ("fallback", text)]


def test_who_shares_a_recovery_has_on_record_whose_and_how_it_went() -> None:
    gate, told = threading.Event(), list[RecoveryAttempt]()

    def restart(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return RECOVERED

    first, second = in_turn(engine(Act(restart, scope="server"), scope="server", audit=told.append), gate)
    (made,) = [each for each in told if each.status is OutcomeStatus.RECOVERED]
    (shared,) = [each for each in told if each.error_id == second.error_id]
    assert (shared.status, shared.detail) == (OutcomeStatus.SHARED, f"recovered for error {first.error_id}: healed")
    assert (shared.strategy, shared.scope, shared.duration) == (made.strategy, made.scope, made.duration)
    assert shared.attempt_id != made.attempt_id


def test_of_several_tries_who_shares_them_has_the_one_that_ended_it_on_record() -> None:
    gate, told = threading.Event(), list[RecoveryAttempt]()

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return FAILED

    ladder = Act(wait, scope="server"), Act(lambda context, deadline: RECOVERED, scope="server")
    _, second = in_turn(engine(*ladder, scope="server", audit=told.append), gate)
    (shared,) = [each for each in told if each.error_id == second.error_id]
    assert shared.detail.startswith("recovered for error ")


def test_a_result_of_a_call_is_each_ones_own_unless_the_rule_says_that_it_is_of_one_thing() -> None:
    def results(scope: str) -> list[object]:
        gate = threading.Event()
        call = Call(lambda context: context.additional_context["caller"])
        return [each.value for each in in_turn(engine(vain(gate), call, scope=scope), gate)]

    assert results("server") == ["Ada", "Bob"]
    assert results("cache") == ["Ada", "Ada"]


def test_another_model_is_looked_for_once() -> None:
    """Not once for each of hundreds of callers: it is the same for all, and would be asked for a token each time."""
    gate, asked = threading.Event(), list[str]()

    class Another(Act):
        name: ClassVar[str] = "another"
        for_all: ClassVar[bool] = FallbackModel.for_all

    another = Another(noting(asked, Remedy(OutcomeStatus.FALLBACK, {"model": "llama3.2"})))
    first, second = in_turn(engine(vain(gate), another, scope="server"), gate)
    assert (first.value, second.value, asked) == ({"model": "llama3.2"}, {"model": "llama3.2"}, ["ran"])


def test_who_has_joined_one_that_was_helped_otherwise_has_the_thing_recovered() -> None:
    """The first may be tried again as it is; the second is not idempotent, and needs the server."""
    gate, restarted = threading.Event(), list[str]()

    def retry(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return RECOVERED if context.additional_context == {"caller": "Ada"} else FAILED

    server = Act(noting(restarted, Remedy(OutcomeStatus.RECOVERED, detail="restarted")), scope="server")
    first, second = in_turn(engine(Act(retry), server, scope="server"), gate)
    assert (first.detail, second.detail, restarted) == ("healed", "restarted", ["ran"])


def test_two_rules_about_one_thing_have_two_recoveries() -> None:
    """One that waits for a queue to empty holds up none that restarts what has died, and each hands over its own."""
    gate = threading.Event()
    rules = [
        Rule(
            name=caller, match=lambda context, caller=caller: context.additional_context == {"caller": caller},  # type: ignore[misc]
            scope="server", ladder=(Step(vain(gate)), Step(doing(end))),
        )
        for caller, end in (("Ada", Remedy(OutcomeStatus.ADVICE)), ("Bob", Remedy(OutcomeStatus.FALLBACK, "instead")))
    ]  # fmt: skip
    first, second = in_turn(Engine(rules, table=StrategyTable()), gate)
    assert (first.status, second.value) == (OutcomeStatus.ADVICE, "instead")


@pytest.mark.parametrize("hands_over", [FallbackValue("instead"), Advice("instead")])
def test_what_takes_no_time_is_handed_over_when_there_is_none_left(hands_over: Strategy) -> None:
    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        time.sleep(deadline.remaining())
        return FAILED

    notes = list[str]()
    result = engine(Act(wait), Act(noting(notes, RECOVERED)), hands_over, deadline=0.1).dispatch(failing())
    result.wait(10)
    assert (result.value or result.advice, notes) == ("instead", [])


def test_of_what_has_waited_too_long_nothing_is_tried() -> None:
    """Its caller has long given up; those that came later have not."""
    gate, notes = threading.Event(), list[str]()

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        notes.append("ran")
        gate.wait(10)
        return RECOVERED

    crowded = engine(Act(wait), deadline=0.3)
    outcomes = [crowded.dispatch(failing()) for _ in range(THREADS + 1)]
    assert outcomes[-1].wait(10) is False
    gate.set()
    assert outcomes[-1].detail == "there was no time left"
    assert notes == ["ran"] * THREADS


def test_without_a_scope_each_error_gets_its_own_result() -> None:
    own = engine(Act(lambda context, deadline: Remedy(OutcomeStatus.RECOVERED, context.error_id)))
    for result in [own.dispatch(failing()) for _ in range(10)]:
        assert result.wait(10)
        assert result.value == result.error_id


def test_the_same_error_is_not_recovered_from_twice() -> None:
    runs: list[str] = []
    once = engine(Act(noting(runs, RECOVERED)))
    context = failing()
    assert once.dispatch(context) is once.dispatch(context)
    assert once.dispatch(context).wait(10)
    assert runs == ["ran"]


def test_an_error_inside_a_strategy_is_recorded_and_starts_no_recovery() -> None:
    registry, seen = RegistryHandler(), []
    log = logging.getLogger("app")
    log.addHandler(registry)

    def stumble(context: ErrorContext, deadline: Deadline) -> Remedy:
        try:
            raise KeyError("inside")
        except KeyError:
            log.exception("the strategy stumbled")
        seen.append(outcome())
        return RECOVERED

    handler = RecoveryHandler()
    handler.engine = engine(Act(stumble))
    log.addHandler(handler)
    try:
        raise ValueError("outside")
    except ValueError:
        log.exception("x")
    assert outcome().wait(10)
    assert seen[0].status is OutcomeStatus.REFUSED
    assert "logged by a recovery strategy" in seen[0].detail
    from llama_logging.opening import open_registry

    opened = open_registry(registry.pipeline.url)
    assert {group.error_type for group in opened.groups()} == {"ValueError", "KeyError"}
    opened.close()


def test_destructive_strategies_only_say_what_they_would_do() -> None:
    runs: list[str] = []
    watched = engine(Restart(noting(runs, RECOVERED), intent="run systemctl"))
    result = watched.dispatch(failing())
    assert result.wait(10) is False
    assert result.status is OutcomeStatus.OBSERVED
    assert "would run systemctl" in result.detail
    assert runs == []


def test_a_destructive_strategy_that_failed_rests_while_harmless_ones_go_on() -> None:
    runs: list[str] = []
    restart = Restart(noting(runs, FAILED))
    tired = engine(restart, doing(Remedy(OutcomeStatus.FALLBACK, "instead")), mode="act", scope="s")
    for _ in range(3):
        result = tired.dispatch(failing())
        result.wait(10)
        assert result.value == "instead"
    assert runs == ["ran"]
    assert result.attempts[0].status is OutcomeStatus.REFUSED
    assert "cooldown" in result.attempts[0].detail


def test_every_attempt_is_told_before_and_after() -> None:
    told: list[RecoveryAttempt] = []
    engine(doing(RECOVERED), audit=told.append).dispatch(failing()).wait(10)
    assert [attempt.status for attempt in told] == [OutcomeStatus.PENDING, OutcomeStatus.RECOVERED]
    assert told[0].attempt_id == told[1].attempt_id
    assert (told[0].detail, told[1].detail) == ("act", "healed")


def test_too_many_at_once_are_refused_and_nobody_waits() -> None:
    gate = threading.Event()

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return RECOVERED

    flooded = engine(Act(wait))
    outcomes = [flooded.dispatch(failing()) for _ in range(WAITING * 2)]
    refused = [outcome for outcome in outcomes if outcome.status is OutcomeStatus.REFUSED]
    gate.set()
    assert refused
    assert all("waiting already" in outcome.detail for outcome in refused)
    assert all(outcome.wait(20) for outcome in outcomes if outcome not in refused)


@pytest.mark.parametrize(
    ("mode", "environment", "told"),
    [
        ("off", "", "off"),
        (None, "off", "switched off by LLAMA_LOGGING_RECOVERY"),
        (None, " No ", "switched off by LLAMA_LOGGING_RECOVERY"),
        (None, "of", "switched off by LLAMA_LOGGING_RECOVERY, which is 'of': neither on nor off"),
    ],
)
def test_recovery_can_be_switched_off(
    mode: str | None, environment: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_LOGGING_RECOVERY", environment)
    result = engine(doing(RECOVERED), mode=mode).dispatch(failing())
    assert result.status is OutcomeStatus.REFUSED
    assert told in result.detail


@pytest.mark.parametrize("environment", ["", "on", "1", "True"])
def test_recovery_is_on_where_that_is_said(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_LOGGING_RECOVERY", environment)
    assert engine(doing(RECOVERED)).dispatch(failing()).wait(10)


def test_registered_functions_come_after_the_rules() -> None:
    table = StrategyTable()
    table.register("ValueError", lambda context: "for the base")
    ruled = Engine([Rule(name="r", match=lambda context: False, ladder=())], table=table)
    result = ruled.dispatch(failing())
    assert result.wait(10)
    assert result.value == "for the base"
    table.register("app.E", lambda context: "for the class itself")
    nearest = ruled.dispatch(failing())
    assert nearest.wait(10)
    assert nearest.value == "for the class itself"


def test_the_records_name_the_function_that_was_called() -> None:
    tried: list[RecoveryAttempt] = []
    rule = Rule(name="r", match=bool, ladder=(Step(doing(FAILED)), Step(Call(str))))
    Engine([rule], audit=tried.append).dispatch(failing()).wait(10)
    assert {attempt.strategy for attempt in tried} == {"act", "builtins.str"}


def test_a_function_may_be_a_coroutine_or_say_more() -> None:
    async def answer(context: ErrorContext) -> str:
        await asyncio.sleep(0)
        return "from a coroutine"

    assert engine(Call(answer)).dispatch(failing()).wait(10)
    result = engine(Call(lambda context: Remedy(OutcomeStatus.FALLBACK, "more"))).dispatch(failing())
    assert not result.wait(10)
    assert result.status is OutcomeStatus.FALLBACK


@pytest.mark.parametrize("wrong", [(7, print), ("E", "not a function"), (int, print)])
def test_what_cannot_be_registered_is_refused(wrong: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="expected"):
        StrategyTable().register(*wrong)


def test_an_outcome_can_be_awaited_and_never_stops_the_loop() -> None:
    def slow(context: ErrorContext, deadline: Deadline) -> Remedy:
        time.sleep(0.1)
        return RECOVERED

    async def main() -> tuple[bool, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        healed = await engine(Act(slow)).dispatch(failing())
        ticking.cancel()
        return healed, ticks

    healed, ticks = asyncio.run(main())
    assert healed
    assert ticks > 3


def test_each_task_and_thread_has_its_own_outcome() -> None:
    handler = RecoveryHandler()
    handler.engine = engine(Act(lambda context, deadline: Remedy(OutcomeStatus.RECOVERED, context.error_message)))
    log = logging.getLogger("app")
    log.addHandler(handler)

    def fail(name: str) -> None:
        try:
            raise ValueError(name)
        except ValueError:
            log.exception("x")

    async def task(name: str) -> object:
        fail(name)
        await asyncio.sleep(0.01)
        result = outcome()
        assert await result
        return result.value

    async def main() -> list[object]:
        return await asyncio.gather(*(task(name) for name in "abc"))

    assert asyncio.run(main()) == ["a", "b", "c"]
    assert outcome().status is OutcomeStatus.NONE


@pytest.mark.timeout(30)
def test_a_recovery_ends_whatever_becomes_of_what_is_logged_of_it() -> None:
    """Of a filter or handler that raises, nothing but the record is lost."""
    asked: list[logging.LogRecord] = []

    def careless(record: logging.LogRecord) -> bool:
        asked.append(record)
        raise AttributeError("record.request_id")

    told = logging.getLogger("llama_logging.recovery")
    told.setLevel(logging.INFO)
    told.addFilter(careless)
    try:
        acting = engine(doing(RECOVERED))
        assert acting.dispatch(failing()).wait(10)
        assert acting.finish(10)
    finally:
        told.removeFilter(careless)
        told.setLevel(logging.NOTSET)
    assert len(asked) == 1


def test_what_carries_an_outcome_goes_to_other_processes() -> None:
    """Pools send the exception back, a SocketHandler the record; a recovery elsewhere is none of their business."""
    gate = threading.Event()

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return Remedy(OutcomeStatus.RECOVERED, gate, "healed")

    handler = RecoveryHandler()
    handler.engine = engine(Act(wait))
    log = logging.getLogger("app")
    log.addHandler(handler)
    sent: list[bytes] = []
    socket = SocketHandler("localhost", 9)
    socket.send = sent.append  # type: ignore[method-assign,assignment]
    log.addHandler(socket)
    try:
        raise ValueError("m")
    except ValueError as error:
        log.exception("x")
        copied, there = copy.deepcopy(error), pickle.dumps(error)
        gate.set()
    assert vars(copied)["__llama_outcome__"].wait(10), "in this process it goes on"
    came = pickle.loads(there)
    assert (came.args, came.__llama_outcome__) == (("m",), None)
    assert b"llama_logging." not in there, "a receiver may not have this package"
    assert len(sent) == 1


def test_a_forked_child_waits_for_nothing_its_parent_does() -> None:
    gate = threading.Event()

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(10)
        return RECOVERED

    forked = engine(Act(wait, scope="s"), scope="s")
    forked.dispatch(failing())
    child = os.fork()
    if not child:
        gate.set()
        os._exit(0 if forked.dispatch(failing()).wait(10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.set()


@pytest.mark.timeout(30)
def test_a_forked_child_asks_for_no_outcome_of_its_parents() -> None:
    gate = threading.Event()

    def wait(context: ErrorContext, deadline: Deadline) -> Remedy:
        gate.wait(20)
        return RECOVERED

    handler = RecoveryHandler()
    handler.engine = engine(Act(wait))
    log = logging.getLogger("app")
    log.addHandler(handler)
    try:
        raise ValueError("m")
    except ValueError:
        log.exception("x")
    child = os.fork()
    if not child:
        os._exit(int(outcome().wait(25) or outcome().status is not OutcomeStatus.NONE))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.set()
    assert outcome().wait(10)


def test_a_rule_that_observes_and_one_that_acts_on_the_same_thing_do_not_stand_for_each_other() -> None:
    """One that is to act would wait for another that only watches, and nothing be done."""
    begun, go_on = threading.Event(), threading.Event()

    def act(context: ErrorContext, deadline: Deadline) -> Remedy:
        begun.set()
        go_on.wait(10)
        return RECOVERED

    ladder = (Step(Restart(act)),)
    engine = Engine(
        [
            Rule(name="acts", match=lambda c: c.logger_name == "a", ladder=ladder, scope="x", mode="act"),
            Rule(name="watches", match=lambda c: c.logger_name == "b", ladder=ladder, scope="x", mode="observe"),
        ]
    )
    first, again = (engine.dispatch(replace(failing(), logger_name="a")) for _ in range(2))
    assert begun.wait(10)
    watching = engine.dispatch(replace(failing(), logger_name="b"))
    go_on.set()
    for one in (first, again, watching):
        one.wait(10)
    assert first.attempts == again.attempts
    assert (first.value, watching.value) == ("value", None)
