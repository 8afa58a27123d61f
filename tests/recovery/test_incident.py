"""Leases, verification, budgets, the switch, escalation: what makes it safe to let a rule act."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from llama_logging.context import ErrorContext
from llama_logging.exceptions import MissingExtraError, StoreError
from llama_logging.ids import new_id
from llama_logging.opening import open_registry
from llama_logging.pipeline import pipeline_for
from llama_logging.recovering import shared_engine
from llama_logging.recovery import apart, incident, learning
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.scopes import LONELY_REST, OwnScopes, SharedScopes
from llama_logging.recovery.strategies.fallback import FallbackValue
from llama_logging.recovery.strategies.flag_toggle import FlagToggle
from llama_logging.recovery.strategy import Call, Deadline, Remedy, StrategyTable
from llama_logging.recovery.switch import FILE, ROW, SILENT, Switch
from llama_logging.registry import Store
from llama_logging.registry.attempts import Denial, DenialReason, Lease, Policy, Record
from llama_logging.stores import open_store, urls
from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.tried import OutcomeStatus
from tests.recovery.test_engine import FAILED, RECOVERED, Act, Restart, engine, failing, noting


def outcome_of(acting: Engine) -> Any:
    result = acting.dispatch(failing())
    result.wait(20)
    return result


def test_a_success_that_does_not_last_is_none() -> None:
    """The probe must go on saying so for as long as it takes to settle."""
    answers = iter(["", "", "it is down again"])

    def probe(deadline: Deadline) -> str:
        return next(answers, "")

    restart = Restart(lambda context, deadline: RECOVERED, scope="s")
    result = outcome_of(engine(restart, mode="act", scope="s", verify=probe, settle=5.0))
    assert result.status is OutcomeStatus.FAILED
    assert "healed; but then: it is down again" in result.detail


def test_a_function_has_not_helped_either_until_the_probe_says_so() -> None:
    rebuild = Call(lambda context: "rebuilt")
    assert outcome_of(engine(rebuild, verify=lambda deadline: ""))
    result = outcome_of(engine(rebuild, verify=lambda deadline: "still empty"))
    assert (result.status, "rebuilt; but then: still empty" in result.detail) == (OutcomeStatus.FAILED, True)


def test_nothing_that_acts_has_helped_until_the_probe_says_so_but_another_way_needs_no_probe() -> None:
    """A strategy on nothing shared, too; not one after which the caller goes another way, as by a flag."""

    class Way(Act):
        name: ClassVar[str] = "way"
        verified: ClassVar[bool] = FlagToggle.verified

    down = {"verify": lambda deadline: "it is down"}
    assert outcome_of(engine(Act(lambda context, deadline: RECOVERED), **down)).status is OutcomeStatus.FAILED
    assert outcome_of(engine(Way(lambda context, deadline: RECOVERED), **down)).status is OutcomeStatus.RECOVERED


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda: None, "restart gave NoneType and not a Remedy"),
        (lambda: Remedy("healed"), "'healed' is not a valid OutcomeStatus"),  # type: ignore[arg-type]
        (lambda: Remedy(OutcomeStatus.ADVICE, retry_at=datetime(2026, 3, 1)), "retry_at needs a time zone"),
        (lambda: Remedy(OutcomeStatus.FAILED, detail=OSError("no shop")), "no shop"),  # type: ignore[arg-type]
    ],
)
def test_a_strategy_that_gives_nonsense_has_failed_and_the_ladder_goes_on(given: Any, told: str) -> None:
    nonsense = Restart(lambda context, deadline: given(), scope="s")
    result = outcome_of(engine(nonsense, FallbackValue("instead"), mode="act", scope="s"))
    assert result.value == "instead"
    assert told in result.attempts[0].detail


def test_what_cannot_say_what_it_would_do_leaves_no_lease_behind() -> None:
    scopes = OwnScopes()
    mute = Restart(lambda context, deadline: RECOVERED, scope="s", intent=None)  # type: ignore[arg-type]
    rule = Rule(name="r", match=bool, mode="act", scope="s", ladder=(Step(mute),))
    assert outcome_of(Engine([rule], table=StrategyTable(), scopes=scopes)).status is OutcomeStatus.FAILED
    assert isinstance(scopes.acquire("s", "another", 1.0, Policy()), Lease)


class Doctor(Restart):
    """Looks first, as what has a probe does."""

    name: ClassVar[str] = "doctor"
    seen: ClassVar[Remedy | None] = None

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        return self.seen


@pytest.mark.parametrize("seen", [Remedy(OutcomeStatus.RECOVERED, detail="it works already"), FAILED])
def test_what_needs_nothing_done_or_what_nothing_helps_is_no_incident(
    seen: Remedy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next that is in earnest would be refused, for a rest, an open breaker or a budget that is used up."""
    notes, scopes = list[str](), OwnScopes()
    rule = Rule(name="r", match=bool, mode="act", scope="s", ladder=(Step(Doctor(noting(notes, RECOVERED))),))
    acting = Engine([rule], table=StrategyTable(), scopes=scopes)
    monkeypatch.setattr(Doctor, "seen", seen)
    assert [outcome_of(acting).status for _ in range(5)] == [seen.status] * 5
    monkeypatch.setattr(Doctor, "seen", None)
    assert (outcome_of(acting).detail, notes) == ("healed", ["ran"])


@pytest.mark.parametrize(
    ("seen", "expected"),
    [(None, OutcomeStatus.REFUSED), (FAILED, OutcomeStatus.REFUSED), (RECOVERED, RECOVERED.status)],
)
def test_who_has_waited_looks_again_before_he_takes_a_refusal(
    seen: Remedy | None, expected: OutcomeStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that cannot reach the registry says to all but the first only that it was tried a while ago."""
    waiting = threading.Event()

    class Watched(OwnScopes):
        def acquire(self, scope: str, owner: str, seconds: float, policy: Policy) -> Lease | Denial:
            answer = super().acquire(scope, owner, seconds, policy)
            if isinstance(answer, Denial):
                waiting.set()
            return answer

    scopes = Watched()
    lease = scopes.acquire("s", "another", 60.0, Policy())
    assert isinstance(lease, Lease)
    rule = Rule(name="r", match=bool, mode="act", scope="s", ladder=(Step(Doctor(noting([], RECOVERED))),))
    under_way = Engine([rule], table=StrategyTable(), scopes=scopes).dispatch(failing_now())
    assert waiting.wait(20)
    monkeypatch.setattr(Doctor, "seen", seen)
    scopes.finish(lease, OutcomeStatus.FAILED, "in vain", Policy())
    under_way.wait(20)
    assert under_way.status is expected


def test_what_fails_again_after_a_recovery_has_not_recovered() -> None:
    """An error from before its end is over with it; one that came after is not, whatever was just recovered."""
    restart = Restart(lambda context, deadline: RECOVERED, scope="s")
    acting = engine(restart, FallbackValue("instead"), mode="act", scope="s")
    before = failing_now()
    assert outcome_of(acting)
    time.sleep(0.05)
    early = acting.dispatch(before)
    assert (early.wait(20), early.detail) == (True, "it was just recovered: healed")
    late = acting.dispatch(failing_now())
    assert (late.wait(20), late.value) == (False, "instead")
    assert late.attempts[0].status is OutcomeStatus.REFUSED
    assert "it has failed again: it was just recovered: healed; 30 s left" in late.attempts[0].detail
    assert late.retry_at is not None


def failing_now() -> ErrorContext:
    return replace(failing(), error_id=new_id(), timestamp=datetime.now(UTC))


def test_a_success_is_believed_once_it_has_settled() -> None:
    restart = Restart(lambda context, deadline: RECOVERED, scope="s")
    assert outcome_of(engine(restart, mode="act", scope="s", verify=lambda deadline: "", settle=0.6))


def test_nobody_else_acts_while_it_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much longer that takes than a lease lasts."""
    monkeypatch.setattr(incident, "LEASE", 0.3)
    scopes, notes = OwnScopes(), list[str]()
    engines = [
        Engine(
            [
                Rule(
                    name="r", match=bool, mode="act", scope="s", verify=lambda deadline: "", settle=1.5,
                    policy=Policy(cooldown=30), ladder=(Step(Restart(noting(notes, RECOVERED), scope="s")),),
                )
            ],
            table=StrategyTable(),
            scopes=scopes,
        )
        for _ in range(2)
    ]  # fmt: skip
    outcomes = [each.dispatch(failing()) for each in engines]
    assert all(each.wait(20) for each in outcomes)
    assert notes == ["ran"]


def test_a_probe_that_never_answers_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "GRACE", 0.1)
    gate = threading.Event()

    def probe(deadline: Deadline) -> str:
        gate.wait()
        return ""

    restart = Restart(lambda context, deadline: RECOVERED, scope="s")
    result = outcome_of(engine(restart, mode="act", scope="s", verify=probe, deadline=0.5))
    gate.set()
    assert (result.status, "it was left behind" in result.detail) == (OutcomeStatus.FAILED, True)


def test_what_never_comes_to_an_end_is_not_begun_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time one more thread would be left behind, until the application can start none itself."""
    monkeypatch.setattr(incident, "GRACE", 0.0)
    gate, begun = threading.Event(), list[str]()

    def hang(context: Any, deadline: Deadline) -> Remedy:
        begun.append("begun")
        gate.wait()
        return RECOVERED

    class Hang(Act):
        name: ClassVar[str] = "hang"

    hanging = engine(Hang(hang), FallbackValue("instead"), deadline=0.01)
    outcomes = list[Any]()
    while len(begun) < apart.MOST:  # some find no time left
        outcomes.append(outcome_of(hanging))
    outcomes += [outcome_of(hanging) for _ in range(3)]
    gate.set()
    assert len(begun) == apart.MOST
    assert "do not come to an end" in outcomes[-1].attempts[0].detail
    assert {outcome.value for outcome in outcomes} == {"instead"}


def test_what_comes_back_by_itself_while_a_rule_observes_is_told() -> None:
    restart = Restart(lambda context, deadline: RECOVERED, scope="s")
    answers = iter(["down", "down"])
    result = outcome_of(engine(restart, scope="s", verify=lambda deadline: next(answers, "")))
    assert result.status is OutcomeStatus.RECOVERED
    assert "would act" in result.detail
    assert "it came back by itself" in result.detail


def test_what_does_not_come_back_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "WATCH", 0.2)
    restart = Restart(lambda context, deadline: RECOVERED, scope="s")
    result = outcome_of(engine(restart, scope="s", verify=lambda deadline: "still down"))
    assert result.status is OutcomeStatus.OBSERVED
    assert "it did not come back by itself: still down" in result.detail


def test_one_lease_is_for_the_whole_ladder(own_place: Path) -> None:
    """Two rungs that act are one incident, under one token; a harmless one needs none."""
    store = open_store(urls.default())
    scopes = SharedScopes(lambda: open_store(urls.default()), str(own_place / "leases"))
    rule = Rule(
        name="r", match=bool, mode="act", scope="s",
        ladder=(
            Step(Act(lambda c, d: FAILED)), Step(Restart(lambda c, d: FAILED)), Step(Restart(lambda c, d: RECOVERED)),
        ),
    )  # fmt: skip
    result = outcome_of(Engine([rule], table=StrategyTable(), scopes=scopes))
    assert [attempt.token for attempt in result.attempts] == [0, 1, 1]
    (state,) = store.scopes()
    assert (state.status, len(state.incidents), state.owner) == (OutcomeStatus.RECOVERED, 1, "")
    store.close()


def test_others_are_told_what_was_done_about_the_thing_and_not_what_was_handed_over() -> None:
    ladder = (Step(Restart(lambda context, deadline: FAILED, scope="s")), Step(FallbackValue("Ada's own")))
    acting = Engine([Rule(name="r", match=bool, mode="act", scope="s", ladder=ladder)], table=StrategyTable())
    first, second = outcome_of(acting), outcome_of(acting)
    assert (first.value, second.value) == ("Ada's own", "Ada's own")
    assert "it failed a moment ago: no luck" in second.attempts[0].detail


def test_a_strategy_that_was_overtaken_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "LEASE", 0.3)
    scopes = OwnScopes()
    scopes.renew = lambda lease, seconds: False  # type: ignore[method-assign]

    def slow(context: Any, deadline: Deadline) -> Remedy:
        time.sleep(5)
        return RECOVERED

    rule = Rule(name="r", match=bool, ladder=(Step(Restart(slow, scope="s")),), mode="act", scope="s")
    result = outcome_of(Engine([rule], table=StrategyTable(), scopes=scopes))
    assert (result.status, "another has taken over" in result.detail) == (OutcomeStatus.FAILED, True)


def test_recovery_goes_on_where_the_store_lacks_its_package(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host then acts alone, as it does while the registry cannot be reached."""

    def missing(url: urls.StoreURL) -> Store:
        raise MissingExtraError("a PostgreSQL store needs psycopg")

    monkeypatch.setattr("llama_logging.recovering.open_store", missing)
    restart = Step(Restart(lambda context, deadline: RECOVERED, scope="s"))
    rule = Rule(name="r", match=bool, mode="act", scope="s", learned=True, ladder=(restart,))
    assert outcome_of(shared_engine([rule], pipeline_for(urls.default())))


def test_a_ladder_is_climbed_as_given_while_the_records_cannot_be_read() -> None:
    def records(fingerprint: str) -> list[Record]:
        raise StoreError("the registry cannot be reached")

    rule = Rule(name="r", match=bool, learned=True, ladder=(Step(Act(lambda context, deadline: RECOVERED)),))
    assert outcome_of(Engine([rule], table=StrategyTable(), records=records))


@pytest.mark.parametrize("lasts", [0.0, 1.5])
def test_who_was_overtaken_acts_no_more(monkeypatch: pytest.MonkeyPatch, lasts: float) -> None:
    """Whether that is noticed during a rung or before the next; what is harmless is still tried, nobody is told."""
    monkeypatch.setattr(incident, "LEASE", 0.3)
    scopes, notes = OwnScopes(), list[str]()

    def overtaken(context: Any, deadline: Deadline) -> Remedy:
        scopes.finish(Lease("s", 1), OutcomeStatus.FAILED, "gone", Policy(cooldown=0))
        assert isinstance(scopes.acquire("s", "another", 60, Policy(attempts=9)), Lease)
        time.sleep(lasts)
        return FAILED

    rule = Rule(
        name="r", match=bool, mode="act", scope="s", escalate=(Step(Act(noting(notes, RECOVERED, "told"))),),
        ladder=(
            Step(Restart(overtaken)), Step(Restart(noting(notes, RECOVERED, "acted"))),
            Step(Act(noting(notes, FAILED, "harmless"))),
        ),
    )  # fmt: skip
    result = outcome_of(Engine([rule], table=StrategyTable(), scopes=scopes))
    assert notes == ["harmless"]
    assert [attempt.status for attempt in result.attempts] == [
        OutcomeStatus.FAILED, OutcomeStatus.REFUSED, OutcomeStatus.FAILED,
    ]  # fmt: skip


def test_somebody_is_told_once_for_an_incident() -> None:
    told: list[str] = []
    escalate = (Step(Act(noting(told, RECOVERED, "told"))),)
    policy = Policy(attempts=2, period=600, cooldown=0, failures=9)
    acting = engine(Restart(lambda c, d: FAILED, scope="s"), mode="act", scope="s", escalate=escalate, policy=policy)
    for _ in range(5):
        outcome_of(acting)
    assert len(told) == 3  # two incidents, and once that there were too many


def test_nobody_is_told_of_what_was_healed() -> None:
    told: list[str] = []
    escalate = (Step(Act(noting(told, RECOVERED, "told"))),)
    outcome_of(engine(Restart(lambda c, d: RECOVERED, scope="s"), mode="act", scope="s", escalate=escalate))
    assert told == []


def test_the_switch_stops_at_the_next_rung(tmp_path: Path) -> None:
    """Thrown while a ladder is climbed: by a file, by the registry, by the environment."""
    runs: list[str] = []

    def throw(context: Any, deadline: Deadline) -> Remedy:
        (tmp_path / FILE).touch()
        return FAILED

    rule = Rule(name="r", match=bool, ladder=(Step(Act(throw)), Step(Act(noting(runs, RECOVERED)))))
    result = outcome_of(Engine([rule], table=StrategyTable(), switch=Switch([str(tmp_path)])))
    assert (result.status, runs) == (OutcomeStatus.REFUSED, [])
    assert f"by the file {tmp_path / FILE}" in result.detail


def test_the_switch_ends_the_wait_for_a_lease(tmp_path: Path) -> None:
    """It is not looked at only once another has finished."""
    scopes, runs = OwnScopes(), list[str]()

    def busy(scope: str, owner: str, seconds: float, policy: Policy) -> Denial:
        (tmp_path / FILE).touch()
        return Denial(DenialReason.BUSY, "another is at it", 60)

    scopes.acquire = busy  # type: ignore[method-assign]
    rule = Rule(
        name="r", match=bool, mode="act", scope="s", deadline=3600, ladder=(Step(Restart(noting(runs, RECOVERED))),)
    )
    acting = Engine([rule], table=StrategyTable(), scopes=scopes, switch=Switch([str(tmp_path)]))
    assert outcome_of(acting).status is OutcomeStatus.REFUSED
    assert runs == []


def test_the_switch_holds_up_to_the_moment_of_acting(tmp_path: Path) -> None:
    """Thrown while a rung is written down, it stops that, and nobody is told."""
    runs: list[str] = []
    acts, tells = Restart(noting(runs, RECOVERED, "acted")), Act(noting(runs, RECOVERED, "told"))
    rule = Rule(name="r", match=bool, mode="act", scope="s", ladder=(Step(acts),), escalate=(Step(tells),))
    acting = Engine(
        [rule], table=StrategyTable(), switch=Switch([str(tmp_path)]), audit=lambda attempt: (tmp_path / FILE).touch()
    )
    result = outcome_of(acting)
    assert (result.status, runs) == (OutcomeStatus.REFUSED, [])
    assert [attempt.status for attempt in result.attempts] == [OutcomeStatus.REFUSED, OutcomeStatus.REFUSED]


def test_the_switch_of_the_registry_is_for_all(own_place: Path) -> None:
    store = open_store(urls.default())
    store.remember(ROW, "by ada")
    assert Switch([], store.recall).off() == "recovery is switched off: by ada"
    store.remember(ROW, "")
    assert Switch([], store.recall).off() == ""
    store.close()


def test_a_registry_that_cannot_be_asked_is_left_alone_for_a_while_and_what_it_said_last_holds() -> None:
    now, asked, reachable = [0.0], list[str](), [True]

    def recall(name: str) -> str:
        asked.append(name)
        if not reachable[0]:
            raise StoreError("the registry cannot be reached")
        return "by ada"

    switch = Switch([], recall, lambda: now[0])
    told = switch.off()
    reachable[0] = False
    assert [switch.off() for _ in range(3)] == [told] * 3
    assert len(asked) == 2
    now[0] += SILENT
    assert (switch.off(), len(asked)) == (told, 3)


def unreachable(own_place: Path) -> SharedScopes:
    (own_place / "file").write_text("")
    url = urls.parse(f"sqlite:///{own_place}/file/errors.db")
    return SharedScopes(lambda: SQLiteStore(url), str(own_place / "leases"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_that_was_forked_meanwhile_keeps_nobody_out(own_place: Path) -> None:
    """It has all descriptors, that of the lock too, for as long as it lives."""
    scopes = unreachable(own_place)
    granted = scopes.acquire("s", "a", 10, Policy())
    assert isinstance(granted, Lease)
    child = os.fork()
    if not child:
        signal.pause()
    try:
        scopes.finish(granted, OutcomeStatus.RECOVERED, "", Policy())
        answer = unreachable(own_place).acquire("s", "b", 10, Policy())
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert isinstance(answer, Denial)
    assert answer.reason is DenialReason.BUDGET


def test_without_the_registry_a_host_is_careful(own_place: Path) -> None:
    """One at a time, and once in ten minutes, whatever the policy says."""
    scopes = unreachable(own_place)
    granted = scopes.acquire("s", "a", 10, Policy(cooldown=0))
    assert isinstance(granted, Lease)
    other = unreachable(own_place).acquire("s", "b", 10, Policy(cooldown=0))
    assert isinstance(other, Denial)
    assert other.reason is DenialReason.BUSY
    assert scopes.renew(granted, 10)
    assert scopes.finish(granted, OutcomeStatus.RECOVERED, "", Policy(cooldown=0))
    again = scopes.acquire("s", "a", 10, Policy(cooldown=0))
    assert isinstance(again, Denial)
    assert again.reason is DenialReason.BUDGET
    assert LONELY_REST - 60 < again.retry_in <= LONELY_REST


def test_a_registry_that_goes_away_takes_no_lease_away(own_place: Path) -> None:
    """What was begun with its leave is brought to its end: nobody else can have got it meanwhile."""
    is_there = True

    def opened() -> Store:
        if not is_there:
            raise StoreError("gone")
        return open_store(urls.default())

    scopes = SharedScopes(opened, str(own_place / "leases"))
    lease = scopes.acquire("s", "a", 10, Policy(cooldown=0))
    assert isinstance(lease, Lease)
    is_there = False
    assert scopes.renew(lease, 10)
    assert scopes.finish(lease, OutcomeStatus.RECOVERED, "", Policy(cooldown=0))


def test_within_a_process_too_who_was_overtaken_holds_nothing() -> None:
    now = 0.0
    scopes = OwnScopes(lambda: now)

    def acquired(owner: str) -> Lease | Denial:
        return scopes.acquire("s", owner, 10, Policy(cooldown=0))

    first = acquired("a")
    assert isinstance(first, Lease)
    now = 11.0
    assert isinstance(acquired("b"), Lease)
    assert not scopes.renew(first, 100)
    assert not scopes.finish(first, OutcomeStatus.RECOVERED, "", Policy(cooldown=0))
    now = 20.0
    assert isinstance(acquired("c"), Denial)
    now = 22.0
    third = acquired("c")
    assert isinstance(third, Lease)
    now = 31.0
    assert scopes.renew(third, 10)
    now = 40.0
    assert isinstance(acquired("d"), Denial)
    now = 42.0
    assert isinstance(acquired("d"), Lease)


# --- many processes, one thing


def works(deadline: Deadline | None = None) -> str:
    """Whether the thing that the processes below depend on is there: a file."""
    return "" if Path(os.environ["THING"]).exists() else "it is not there"


def start(context: Any, deadline: Deadline) -> Remedy:
    """Note that it was started; after a while it is there."""
    with open(os.environ["STARTS"], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(float(os.environ["START_TAKES"]))
    if os.environ["HELPS"] == "yes":
        Path(os.environ["THING"]).touch()
    return RECOVERED


RULE = Rule(
    name="down",
    match=bool,
    mode="act",
    scope="thing",
    deadline=40,
    policy=Policy(cooldown=30),
    verify=works,
    ladder=(
        Step(Act(lambda context, deadline: Remedy(OutcomeStatus.FAILED, detail=works())), 0.3),
        Step(Restart(start, scope="thing")),
    ),
)
WORKER = """
import logging, os, threading
from llama_logging import outcome
from llama_logging.handlers import RecoveryHandler, RegistryHandler
from llama_logging.recovering import shared_engine
from llama_logging.pipeline import pipeline_for
from llama_logging.recovery import apart, incident
from llama_logging.stores import urls
from tests.recovery.test_incident import RULE, works
incident.LEASE = float(os.environ["LEASE"])
log = logging.getLogger("app")
log.propagate = False
log.addHandler(RegistryHandler())
log.addHandler(RecoveryHandler())
log.handlers[1].engine = shared_engine([RULE], pipeline_for(urls.default()))
def ask():
    if works():
        raise ConnectionError("refused")
    return "answer"
def call():
    try:
        text = ask()
    except ConnectionError:
        log.exception("cannot ask")
        text = ask() if outcome().wait(40) else outcome().status.value
    os.write(1, f"{text}\\n".encode())
threads = [threading.Thread(target=call) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


# Read here: within a test no variable of ours is set.
INCIDENTS = int(os.environ.get("LLAMA_LOGGING_TEST_INCIDENTS", "1"))


def workers(folder: Path, count: int, **env: str) -> list[subprocess.Popen[str]]:
    settings = {"LEASE": "10", "START_TAKES": "0.5", "HELPS": "yes", **env}
    settings |= {"THING": str(folder / "thing"), "STARTS": str(folder / "starts")}
    root = str(Path(__file__).parents[2])
    return [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=folder,
            env={**os.environ, **settings, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]


def answers(processes: list[subprocess.Popen[str]]) -> Counter[str]:
    return Counter(line for process in processes for line in process.communicate(timeout=100)[0].split())


def starts(folder: Path) -> list[str]:
    return (folder / "starts").read_text().split()


@pytest.mark.timeout(120 * INCIDENTS)
def test_of_many_processes_one_acts_and_all_are_helped(own_place: Path) -> None:
    """`LLAMA_LOGGING_TEST_INCIDENTS=50` has as many incidents."""
    for number in range(INCIDENTS):
        folder = own_place / str(number)
        folder.mkdir()
        assert answers(workers(folder, 8)) == {"answer": 32}
        assert len(starts(folder)) == 1


def test_of_many_machines_that_share_a_registry_one_acts(own_place: Path, postgres_url: urls.StoreURL) -> None:
    """Machines that know of each other by PostgreSQL alone: each has folders of its own."""
    processes = []
    for number in range(4):
        state = own_place / f"machine {number}"
        processes += workers(own_place, 2, LLAMA_LOGGING_STORE=postgres_url.url, LLAMA_LOGGING_DIR=str(state))
    assert answers(processes) == {"answer": 32}
    assert len(starts(own_place)) == 1
    store = open_store(postgres_url)
    (state_of,) = store.scopes()
    assert (state_of.token, state_of.status, len(state_of.incidents)) == (1, OutcomeStatus.RECOVERED, 1)
    store.close()


def test_an_owner_that_is_killed_is_succeeded(own_place: Path) -> None:
    """What it began is not begun again where that helped; its lease runs out, and the next one looks first."""
    (owner,) = workers(own_place, 1, LEASE="1.5", START_TAKES="60")
    while not (own_place / "starts").exists():
        time.sleep(0.02)
    others = workers(own_place, 2, LEASE="1.5", START_TAKES="0.1")
    time.sleep(1.0)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert answers(others) == {"answer": 8}
    assert len(starts(own_place)) == 2  # the one that was killed in it, and the one that took over
    store = open_registry(urls.default())
    acted = [attempt for attempt in store.recent_attempts() if attempt.token]
    assert [attempt.status for attempt in acted] == [OutcomeStatus.RECOVERED, OutcomeStatus.PENDING]
    (state,) = store.scopes()
    assert (state.token, len(state.incidents)) == (2, 2)
    store.close()


def test_what_does_not_help_is_tried_once(own_place: Path) -> None:
    told = answers(workers(own_place, 6, HELPS="no"))
    assert sum(told.values()) == 24
    assert set(told) <= {"failed", "refused"}
    assert len(starts(own_place)) == 1


# --- which first


def step(name: str, destructive: bool = False, scope: str = "s") -> Step:
    cls = type(name, (Act,), {"name": name, "destructive": destructive})
    return Step(cls(lambda context, deadline: RECOVERED, scope=scope))


def order(steps: list[Step], records: list[Record], seed: int = 1) -> list[str]:
    return [found.strategy.name for found in learning.ordered(steps, records, random.Random(seed))]


def record(name: str, tried: int, recovered: int, seconds: float = 1.0) -> Record:
    return Record(strategy=name, tried=tried, recovered=recovered, seconds=seconds)


def test_what_has_helped_goes_first() -> None:
    steps = [step("wait"), step("unload")]
    firsts = Counter(order(steps, [record("wait", 30, 1), record("unload", 30, 28)], seed)[0] for seed in range(100))
    assert firsts["unload"] > 95


def test_of_two_that_help_alike_the_quicker_goes_first() -> None:
    records = [record("slow", 50, 45, 20.0), record("quick", 50, 45, 1.0)]
    assert {order([step("slow"), step("quick")], records, seed)[0] for seed in range(50)} == {"quick"}


def test_destructive_ones_never_go_ahead_and_what_acts_on_nothing_stays_where_it_is() -> None:
    """Nothing is restarted because of a rate limit that says when to come back, nor after a fallback."""
    steps = [step("limit", scope=""), step("restart", destructive=True), step("wait"), step("text", scope="")]
    records = [record("wait", 99, 0), record("restart", 99, 99), record("text", 99, 99), record("limit", 99, 0)]
    assert {tuple(order(steps, records, seed)) for seed in range(50)} == {("limit", "wait", "restart", "text")}


def test_what_is_not_known_is_tried_now_and_then() -> None:
    steps = [step("known"), step("new")]
    firsts = Counter(order(steps, [record("known", 20, 10)], seed)[0] for seed in range(200))
    assert min(firsts.values()) > 20


def test_a_rule_may_say_that_it_learns() -> None:
    acting = Engine(
        [Rule(name="r", match=bool, learned=True, ladder=(step("wait"), step("unload")))],
        table=StrategyTable(),
        records=lambda fingerprint: [record("wait", 90, 0), record("unload", 90, 90)],
    )
    assert [attempt.strategy for attempt in outcome_of(acting).attempts] == ["unload"]


def test_what_lies_within_a_process_is_its_own_concern(own_place: Path) -> None:
    """Of two processes both must reset their pool: one lease for both would leave one of them ill."""
    one, other = (SharedScopes(lambda: open_store(urls.default()), str(own_place)) for _ in range(2))
    for scopes in (one, other):
        granted = scopes.acquire("process:pool", "a", 10, Policy())
        assert isinstance(granted, Lease)
        assert isinstance(scopes.acquire("process:pool", "b", 10, Policy()), Denial)
        assert scopes.renew(granted, 10)
        assert scopes.finish(granted, OutcomeStatus.RECOVERED, "", Policy())
    assert not Path(urls.default().path).exists()
