"""Part of the contract of registry.Store: who may act on a thing, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from llama_logging.registry import Store
from llama_logging.registry.attempts import Denial, DenialReason, Lease, Policy, ScopeState
from llama_logging.registry.leasing import LONGEST_OPEN, LONGEST_REST, ended
from llama_logging.retention import Retention
from llama_logging.stores import open_store, urls
from llama_logging.stores.sql import SQLStore
from llama_logging.tried import OutcomeStatus

DAY = 86_400.0
POLICY = Policy(attempts=3, period=600, cooldown=10, failures=2, open_for=60)


class Clock:
    """Stands still until it is set on."""

    def __init__(self) -> None:
        self.now, self.boot = 1000.0, "boot"

    def __call__(self, *args: Any) -> tuple[float, str]:
        return self.now, self.boot


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for cls in (SQLStore, *SQLStore.__subclasses__()):
        monkeypatch.setattr(cls, "_clock", clock)
    return clock


@pytest.fixture
def store(any_url: urls.StoreURL) -> Iterator[Store]:
    opened = open_store(any_url)
    yield opened
    opened.close()


def lease(store: Store, owner: str = "a") -> Lease:
    granted = store.acquire("s", owner, 10, POLICY)
    assert isinstance(granted, Lease), granted
    return granted


def prune(store: Store) -> None:
    store.prune(Retention(), datetime.now(UTC), 100)


def denied(store: Store, owner: str = "b") -> Denial:
    answer = store.acquire("s", owner, 10, POLICY)
    assert isinstance(answer, Denial), answer
    return answer


def test_one_acts_and_the_others_are_told_who(store: Store, clock: Clock) -> None:
    granted = lease(store)
    answer = denied(store)
    assert (answer.reason, answer.retry_in) == (DenialReason.BUSY, 10)
    assert "a is at it" in answer.detail
    assert isinstance(store.acquire("other", "b", 10, POLICY), Lease)
    assert store.finish(granted, OutcomeStatus.RECOVERED, "done", POLICY)
    assert denied(store).reason is DenialReason.RECOVERED


def test_an_owner_that_is_lost_is_succeeded_and_its_late_word_refused(store: Store, clock: Clock) -> None:
    lost = lease(store)
    clock.now += 11
    taken = lease(store, "b")
    assert (taken.token, taken.lost_owner) == (lost.token + 1, "a")
    assert not store.renew(lost, 10)
    assert not store.finish(lost, OutcomeStatus.RECOVERED, "late", POLICY)
    assert store.finish(taken, OutcomeStatus.FAILED, "no", POLICY)
    (state,) = store.scopes()
    assert (state.status, state.detail, len(state.incidents)) == (OutcomeStatus.FAILED, "no", 2)


def test_what_ends_each_of_its_owners_is_not_gone_on_with_for_ever(store: Store, clock: Clock) -> None:
    """A service that restarts itself is lost each time, and would be restarted every ten seconds."""
    for owner in "abcd":
        lease(store, owner)
        clock.now += 11
    assert denied(store, "e").reason is DenialReason.BUDGET
    clock.now += POLICY.period
    assert lease(store, "e").lost_owner == "d"


def test_a_rest_that_was_asked_for_is_not_cut_short_by_a_failure(store: Store, clock: Clock) -> None:
    hour = Policy(cooldown=3_600)
    store.finish(lease(store), OutcomeStatus.FAILED, "no", hour)
    assert denied(store).retry_in == 3_600


def test_any_number_of_failures_can_be_counted() -> None:
    state = ended(ScopeState(scope="s", status=OutcomeStatus.FAILED, failures=5_000), OutcomeStatus.FAILED, "", POLICY)
    assert (state.rests_for, state.open_for) == (LONGEST_REST, LONGEST_OPEN)


def test_a_lease_is_prolonged(store: Store, clock: Clock) -> None:
    granted = lease(store)
    clock.now += 9
    assert store.renew(granted, 10)
    clock.now += 9
    assert denied(store).reason is DenialReason.BUSY


def test_after_each_failure_the_rest_is_longer_and_then_nobody_acts(store: Store, clock: Clock) -> None:
    store.finish(lease(store), OutcomeStatus.FAILED, "no", POLICY)
    answer = denied(store)
    assert (answer.reason, answer.retry_in) == (DenialReason.COOLDOWN, 10)
    clock.now += 10
    store.finish(lease(store), OutcomeStatus.FAILED, "no", POLICY)
    assert denied(store).retry_in == 20
    clock.now += 20
    answer = denied(store)
    assert (answer.reason, answer.retry_in) == (DenialReason.OPEN, 40)
    clock.now += 40
    trial = lease(store)
    assert denied(store, "c").reason is DenialReason.BUSY
    store.finish(trial, OutcomeStatus.FAILED, "no", POLICY)
    clock.now += 40
    assert denied(store).retry_in == 80


def test_a_recovery_closes_the_breaker(store: Store, clock: Clock) -> None:
    for _ in range(2):
        store.finish(lease(store), OutcomeStatus.FAILED, "no", POLICY)
        clock.now += 100
    store.finish(lease(store), OutcomeStatus.RECOVERED, "yes", POLICY)
    (state,) = store.scopes()
    assert (state.failures, state.open_for, state.rests_for) == (0, 0, 10)


def test_too_many_incidents_are_refused_and_somebody_is_told_once(store: Store, clock: Clock) -> None:
    for _ in range(3):
        store.finish(lease(store), OutcomeStatus.RECOVERED, "yes", POLICY)
        clock.now += 20
    answers = [denied(store), denied(store, "c")]
    assert [answer.reason for answer in answers] == [DenialReason.BUDGET] * 2
    assert [answer.escalate for answer in answers] == [True, False]
    assert answers[0].retry_in == 540
    clock.now += 539
    assert denied(store).retry_in == 1
    clock.now += 1
    lease(store)
    assert len(store.scopes()[0].incidents) == 3


def test_who_asks_again_after_a_budget_was_used_up_is_told_anew(store: Store, clock: Clock) -> None:
    """Somebody hears of each time, not of the first for ever."""
    for turn in range(2):
        for _ in range(3):
            store.finish(lease(store), OutcomeStatus.RECOVERED, "yes", POLICY)
            clock.now += 20
        assert denied(store).escalate, turn
        clock.now += 600


def test_an_incident_that_has_begun_goes_on_although_no_other_may_begin(store: Store, clock: Clock) -> None:
    for _ in range(2):
        store.finish(lease(store), OutcomeStatus.RECOVERED, "yes", POLICY)
        clock.now += 20
    lease(store)
    clock.now += 11
    assert lease(store, "b").lost_owner == "a"


def test_the_owner_may_ask_again(store: Store, clock: Clock) -> None:
    """It is the same incident, and nobody was lost."""
    lease(store)
    again = lease(store)
    assert (again.token, again.lost_owner) == (2, "")
    assert len(store.scopes()[0].incidents) == 1


def test_neither_a_rest_nor_a_breaker_goes_on_for_ever(store: Store, clock: Clock) -> None:
    for _ in range(12):
        store.finish(lease(store), OutcomeStatus.FAILED, "no", POLICY)
        (state,) = store.scopes()
        clock.now += 2000
    assert (state.failures, state.rests_for, state.open_for) == (12, 300, 1800)


def test_what_is_known_of_a_scope_is_told(store: Store, clock: Clock) -> None:
    lease(store)
    clock.now += 4
    (state,) = store.scopes()
    assert (state.scope, state.owner, state.leased_for, state.token) == ("s", "a", 6, 1)
    assert (state.rests_for, state.open_for, state.escalated, state.status) == (0, 0, False, OutcomeStatus.NONE)
    assert state.incidents == (1000.0,)
    clock.now += 7
    assert store.scopes()[0].leased_for == 0


def test_a_long_detail_is_cut(store: Store, clock: Clock) -> None:
    store.finish(lease(store), OutcomeStatus.FAILED, "x" * 2000, POLICY)
    assert store.scopes()[0].detail == "x" * 1000


def test_scopes_are_told_in_order_and_those_for_sending_not_at_all(store: Store, clock: Clock) -> None:
    for scope in ("b", "report:mail", "a"):
        assert isinstance(store.acquire(scope, "a", 10, POLICY), Lease)
    assert [state.scope for state in store.scopes()] == ["a", "b"]


def test_another_boot_makes_everything_void_but_the_token(store: Store, clock: Clock) -> None:
    before = lease(store)
    clock.now, clock.boot = 5.0, "another"
    assert lease(store, "b").token == before.token + 1
    assert not store.renew(before, 10)
    assert denied(store, "c").reason is DenialReason.BUSY


def test_a_thing_that_nobody_acts_on_any_more_is_dropped(store: Store, clock: Clock) -> None:
    """What is of a machine has its name, and each container has another."""
    lease(store)
    clock.now += 60 * DAY
    assert isinstance(store.acquire("kept", "a", 10, POLICY), Lease)
    clock.now += 40 * DAY
    prune(store)
    assert [state.scope for state in store.scopes()] == ["kept"]
    clock.now, clock.boot = 5.0, "another"
    prune(store)
    assert store.scopes() == []


def test_the_token_of_what_was_dropped_goes_on_growing(store: Store, clock: Clock) -> None:
    """What is acted on may have seen it, and refuses an older one, however long ago that was."""
    first = lease(store)
    store.finish(first, OutcomeStatus.RECOVERED, "", POLICY)
    clock.now += 99 * DAY
    prune(store)
    second = lease(store)
    assert second.token > first.token
    clock.now, clock.boot = 5.0, "another"
    prune(store)
    assert lease(store).token > second.token


def test_a_scope_can_be_forgotten(store: Store, clock: Clock) -> None:
    granted = lease(store)
    store.forget_scope("s")
    assert not store.finish(granted, OutcomeStatus.RECOVERED, "late", POLICY)
    assert lease(store, "b").token > granted.token


def test_the_clock_goes_on_and_is_one_for_all(store: Store, any_url: urls.StoreURL) -> None:
    other = open_store(any_url)
    assert isinstance(store.acquire("s", "a", 60, POLICY), Lease)
    answer = other.acquire("s", "b", 60, POLICY)
    assert isinstance(answer, Denial)
    assert 0 < answer.retry_in <= 60
    other.close()
