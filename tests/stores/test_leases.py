"""Part of the contract of registry.Store: who may act on a thing, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llama_logging.registry import Store
from llama_logging.registry.attempts import Denial, DenialReason, Lease, Policy
from llama_logging.stores import open_store, urls
from llama_logging.stores.sql import SQLStore
from llama_logging.tried import OutcomeStatus

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
    """And its incident goes on: it is no second one."""
    lost = lease(store)
    clock.now += 11
    taken = lease(store, "b")
    assert (taken.token, taken.lost_owner) == (lost.token + 1, "a")
    assert not store.renew(lost, 10)
    assert not store.finish(lost, OutcomeStatus.RECOVERED, "late", POLICY)
    assert store.finish(taken, OutcomeStatus.FAILED, "no", POLICY)
    (state,) = store.scopes()
    assert (state.status, state.detail, len(state.incidents)) == (OutcomeStatus.FAILED, "no", 1)


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
    clock.now += 541
    lease(store)


def test_another_boot_makes_everything_void_but_the_token(store: Store, clock: Clock) -> None:
    before = lease(store)
    clock.now, clock.boot = 5.0, "another"
    assert lease(store, "b").token == before.token + 1
    assert not store.renew(before, 10)


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
