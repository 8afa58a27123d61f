"""The contract of outbox.Outbox; every store must pass it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from llama_logging import wire
from llama_logging.context import ErrorContext
from llama_logging.ids import new_id
from llama_logging.registry.attempts import Lease, Policy
from llama_logging.registry.intake import Batch
from llama_logging.registry.outbox import GIVEN_UP, SENT, WAITING, ChannelState, Delivery, Outbox, Quota, Wanted
from llama_logging.stores import open_store, urls
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import NOON, make_context
from tests.stores.test_store import add

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def store(any_url: urls.StoreURL) -> Iterator[Outbox]:
    opened = open_store(any_url)
    yield opened
    opened.close()


def wanted(about: str = "a", channel: str = "ops", *quotas: Quota) -> Wanted:
    return Wanted(channel=channel, about=about, content=f'"{about}"', quotas=quotas)


def following(store: Outbox, channel: str = "ops", later: timedelta = timedelta()) -> Delivery:
    delivery = store.next_delivery(channel, NOON + later)
    assert delivery is not None
    return delivery


def state(store: Outbox, channel: str = "ops") -> ChannelState:
    return next(known for known in store.channels() if known.channel == channel)


def test_what_is_wanted_is_due_until_it_was_sent(store: Outbox) -> None:
    assert store.enqueue([wanted("a"), wanted("b"), wanted("c", "mail")], NOON) == 3
    assert store.due(NOON) == ["mail", "ops"]
    first = following(store)
    assert (first.about, first.content, first.tries, first.status) == ("a", '"a"', 0, WAITING)
    store.sent(first, NOON)
    assert following(store).about == "b"
    store.sent(following(store), NOON)
    assert store.next_delivery("ops", NOON + HOUR) is None
    assert store.due(NOON) == ["mail"]
    assert (state(store).sent, state(store).waiting, state(store).sent_at) == (2, 0, NOON)


def test_a_channel_gets_each_once_whoever_wants_it(store: Outbox) -> None:
    assert store.enqueue([wanted("a"), wanted("a"), wanted("a", "mail")], NOON) == 2
    store.sent(following(store), NOON)
    assert store.enqueue([wanted("a")], NOON + HOUR) == 0


def test_one_of_all_goes_on_and_what_it_wants_is_in_the_same_transaction(store: Outbox) -> None:
    assert store.advance("rule", "", "1", [wanted("a")], NOON)
    assert not store.advance("rule", "", "1", [wanted("b")], NOON)
    assert store.recall("rule") == "1"
    assert store.advance("rule", "1", "2", [wanted("c")], NOON)
    assert not store.advance("rule", "1", "2", [wanted("d")], NOON)
    assert [each.about for each in store.deliveries()] == ["c", "a"]


def test_a_failure_is_kept_and_tried_again_later(store: Outbox) -> None:
    store.enqueue([wanted()], NOON)
    store.failed(following(store), NOON, "refused", NOON + MINUTE, NOON + SECOND, False)
    assert store.due(NOON + SECOND) == []
    assert store.due(NOON + MINUTE) == ["ops"]
    again = following(store, later=MINUTE)
    assert (again.tries, again.failure) == (1, "refused")
    store.sent(again, NOON + MINUTE)
    known = state(store)
    assert (known.failures, known.failure, known.failed_at, known.due_at) == (0, "refused", NOON, None)


def test_a_channel_that_is_down_is_left_alone_and_no_other(store: Outbox) -> None:
    store.enqueue([wanted("a"), wanted("b"), wanted("c", "mail")], NOON)
    store.failed(following(store), NOON, "down", NOON, NOON + HOUR, False)
    assert store.next_delivery("ops", NOON + MINUTE) is None
    assert store.due(NOON + MINUTE) == ["mail"]
    assert (state(store).failures, state(store).due_at) == (1, NOON + HOUR)
    assert following(store, later=HOUR).about in ("a", "b")


def test_one_that_is_refused_keeps_up_no_other(store: Outbox) -> None:
    store.enqueue([wanted("bad"), wanted("good")], NOON)
    store.failed(following(store), NOON, "not like this", NOON + MINUTE, None, False)
    assert following(store).about == "good"
    assert (state(store).failures, state(store).failure) == (0, "not like this")


def test_after_an_outage_all_is_due_at_once(store: Outbox) -> None:
    store.enqueue([wanted(str(n)) for n in range(3)], NOON)
    for _ in range(2):
        store.failed(following(store), NOON, "down", NOON + HOUR, NOON, False)
    store.sent(following(store), NOON + SECOND)
    assert following(store, later=SECOND).about == "0"


def test_what_is_given_up_is_shown(store: Outbox) -> None:
    store.enqueue([wanted()], NOON)
    store.failed(following(store), NOON, "never", NOON, None, True)
    assert store.next_delivery("ops", NOON + HOUR) is None
    (delivery,) = store.deliveries()
    assert (delivery.status, delivery.failure) == (GIVEN_UP, "never")
    assert (state(store).given_up, state(store).waiting) == (1, 0)


def test_what_nobody_is_to_get_any_more_takes_no_room(store: Outbox) -> None:
    """A week's reports would take as much as the errors that they tell of."""
    store.enqueue([wanted("a"), wanted("b"), wanted("c")], NOON)
    store.sent(following(store), NOON)
    store.failed(following(store), NOON, "never", NOON, None, True)
    store.failed(following(store), NOON, "later", NOON, None, False)
    waiting = {each.status: bool(each.content) for each in store.deliveries()}
    assert waiting == {SENT: False, GIVEN_UP: False, WAITING: True}
    store.sweep(NOON + SECOND, NOON)
    assert [each.content for each in store.deliveries()] == [""]


def test_two_that_send_the_same_count_it_once(store: Outbox) -> None:
    """At least once: a sender whose lease was taken over may still have sent it."""
    store.enqueue([wanted()], NOON)
    delivery = following(store)
    store.sent(delivery, NOON)
    store.sent(delivery, NOON)
    store.failed(delivery, NOON, "late", NOON, None, True)
    assert state(store).sent == 1
    assert [each.status for each in store.deliveries()] == [SENT]


def test_quotas_are_by_hour_and_what_they_held_back_is_told(store: Outbox) -> None:
    quotas = Quota("channel ops", 2), Quota("rule r", 100)
    assert store.enqueue([wanted(str(n), "ops", *quotas) for n in range(5)], NOON) == 2
    assert store.enqueue([wanted("other", "mail", Quota("channel mail", 1))], NOON) == 1
    assert store.enqueue([wanted("next", "ops", *quotas)], NOON + HOUR) == 1
    assert store.enqueue([wanted("more", "ops", *quotas)], NOON + HOUR) == 1
    assert {each.about: each.held_back for each in store.deliveries()} == {
        "0": 0, "1": 0, "other": 0, "next": 3, "more": 0,
    }  # fmt: skip


def test_what_is_over_is_swept_and_what_has_waited_for_as_long_is_given_up(store: Outbox) -> None:
    store.enqueue([wanted("a"), wanted("b")], NOON)
    store.sent(following(store), NOON)
    store.sweep(NOON, NOON + HOUR)
    assert [each.status for each in store.deliveries()] == [WAITING, SENT]
    store.sweep(NOON + SECOND, NOON + HOUR)
    assert [(each.about, each.status) for each in store.deliveries()] == [("b", GIVEN_UP)]
    assert store.due(NOON + HOUR) == []
    store.sweep(NOON + MINUTE, NOON + 2 * HOUR)
    assert len(store.deliveries()) == 1


def test_what_is_due_after_a_clock_that_was_ahead_is_due_now(store: Outbox) -> None:
    store.enqueue([wanted("a"), wanted("b")], NOON)
    store.failed(following(store), NOON, "asks for a day", NOON, NOON + 24 * HOUR, False)
    store.enqueue([wanted("c", "mail")], NOON)
    store.failed(following(store, "mail"), NOON, "down", NOON + 48 * HOUR, NOON + 48 * HOUR, False)
    store.sweep(NOON - HOUR, NOON)
    assert store.due(NOON) == ["mail"]


def test_changes_are_followed_from_a_moment_on(store: Outbox) -> None:
    add(store, make_context(fingerprint="v1:old", timestamp=NOON - HOUR))
    change, error = store.positions(NOON)
    add(store, make_context(), make_context(timestamp=NOON + SECOND))
    ((position, found),) = store.changes_after(change)
    assert (found.kind, found.fingerprint) == ("new", make_context().fingerprint)
    assert store.changes_after(position) == []
    assert len(store.errors_after(error)[1]) == 2
    assert store.positions(NOON - 2 * HOUR) == (0, 0)
    assert [each.fingerprint for each in store.changes_between(NOON - HOUR, NOON)] == ["v1:old"]


def test_frequent_groups_are_counted_whole_however_they_are_merged(store: Outbox) -> None:
    add(store, *(make_context(timestamp=NOON + n * SECOND, fingerprint=f"v1:{n % 2}") for n in range(10)))
    add(store, make_context(timestamp=NOON + MINUTE, fingerprint="v1:0"))
    assert store.frequent(NOON, NOON, 6) == {}
    assert store.frequent(NOON, NOON, 5) == {"v1:0": 5, "v1:1": 5}
    assert store.frequent(NOON, NOON + MINUTE, 6) == {"v1:0": 6}
    assert store.frequent(NOON + HOUR, NOON + HOUR, 1) == {}
    store.merge("v1:0", ["v1:1"], NOON)
    assert store.frequent(NOON, NOON, 6) == {"v1:0": 10}


def attempt(context: ErrorContext, status: OutcomeStatus, strategy: str = "restart") -> RecoveryAttempt:
    return RecoveryAttempt(
        attempt_id=new_id(), error_id=context.error_id, fingerprint=context.fingerprint, rule="r", strategy=strategy,
        scope="s", status=status, started_at=context.timestamp + SECOND, duration=3.0,
    )  # fmt: skip


def test_recoveries_are_told_apart_by_how_they_ended(store: Outbox) -> None:
    failed, healed, pending = (make_context(fingerprint=f"v1:{n}") for n in range(3))
    add(store, failed, healed, pending)
    tries = [
        attempt(failed, OutcomeStatus.FAILED),
        attempt(healed, OutcomeStatus.FAILED, "wait"),
        attempt(healed, OutcomeStatus.RECOVERED),
        attempt(pending, OutcomeStatus.FAILED),
        replace(attempt(pending, OutcomeStatus.PENDING), duration=0.0),
    ]
    store.ingest(Batch("k", 0, 1, [wire.dumps(wire.encode_attempt(each)) for each in tries]))
    assert store.unhealed(NOON, NOON + MINUTE) == [(failed.error_id, "v1:0")]
    assert store.unhealed(NOON, NOON + 3 * SECOND) == []
    assert store.unhealed(NOON + MINUTE, NOON + HOUR) == []
    restart, wait = store.healings(NOON, NOON + MINUTE)
    assert (restart.strategy, restart.recovered, restart.failed) == ("restart", 1, 2)
    assert restart.seconds == pytest.approx(4.0)
    assert (wait.recovered, wait.failed, wait.seconds) == (0, 1, None)


def test_what_is_leased_for_sending_is_no_thing_that_was_acted_on(store: Outbox) -> None:
    assert isinstance(store.acquire("report:ops", "a", 10, Policy()), Lease)
    assert store.scopes() == []


def test_errors_are_told_by_minute_and_by_the_group_that_is_shown(store: Outbox) -> None:
    moments = [NOON - MINUTE, NOON + SECOND, NOON + 2 * SECOND, NOON + 3 * MINUTE]
    add(store, *(make_context(timestamp=at, fingerprint="v1:a") for at in moments))
    add(store, make_context(timestamp=NOON + MINUTE, fingerprint="v1:b"), journal="k")
    assert store.minutes(NOON, NOON + 3 * MINUTE) == [(NOON, "v1:a", 2), (NOON + MINUTE, "v1:b", 1)]
    assert store.minutes(NOON, NOON + HOUR, 2) == [(NOON + MINUTE, "v1:b", 1), (NOON + 3 * MINUTE, "v1:a", 1)]
    store.merge("v1:a", ["v1:b"], NOON)
    assert [group for _, group, _ in store.minutes(NOON, NOON + HOUR)] == ["v1:a"] * 3


def test_errors_are_told_by_the_hours_of_the_week(store: Outbox) -> None:
    week = timedelta(days=7)
    moments = [NOON, NOON + SECOND, NOON + MINUTE, NOON + week + MINUTE, NOON + 2 * HOUR, NOON + 3 * week]
    add(store, *(make_context(timestamp=at, fingerprint="v1:a") for at in moments))
    hour = int(NOON.timestamp()) // 3600 % 168
    assert store.weekly(NOON, NOON + 2 * week) == [
        ("v1:a", hour, 3, 4, NOON),
        ("v1:a", hour + 2, 1, 1, NOON + 2 * HOUR),
    ]
