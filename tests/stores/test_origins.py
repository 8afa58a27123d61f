"""Questions about a service or an environment, among several that share a registry; on every store."""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from llama_logging import process, wire
from llama_logging.answers.summary import summarise
from llama_logging.context import ErrorContext, ErrorSeverity, to_microseconds
from llama_logging.registry.figures import Steps
from llama_logging.registry.groups import GroupState
from llama_logging.registry.intake import Batch
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.registry.outbox import Outbox
from llama_logging.registry.triage import Move
from llama_logging.retention import Retention
from llama_logging.stores import errors as errors_of_stores
from llama_logging.stores import open_store, urls
from llama_logging.stores.schema import STEPS
from llama_logging.tried import OutcomeStatus
from tests.conftest import NOON, make_context
from tests.stores.test_outbox import attempt

HOUR = timedelta(hours=1)
SHOP, SHOP_TEST, API = Origin("shop", "production"), Origin("shop", "test"), Origin("api", "production")
OTHER = "v1:fedcba9876543210"
_journals = itertools.count()


@pytest.fixture
def store(any_url: urls.StoreURL) -> Iterator[Outbox]:
    opened = open_store(any_url)
    yield opened
    opened.close()


def error_in(origin: Origin, hours: float = 0, **changes: object) -> ErrorContext:
    service, environment = origin.service or "", origin.environment or ""
    ours = replace(process.current(), process=f"{service}/{environment}", service=service, environment=environment)
    return make_context(timestamp=NOON + hours * HOUR, process=ours, **changes)


def arrive(store: Outbox, *contexts: ErrorContext, more: tuple[str, ...] = ()) -> None:
    frames = []
    for context in contexts:
        assert context.process is not None
        error, _, stack = wire.encode_error(context)
        frames += [wire.dumps(wire.encode_process(context.process)), stack, error]
    store.ingest(Batch(f"j{next(_journals)}", 0, 1, [*frames, *more]))


def filled(store: Outbox) -> list[ErrorContext]:
    """One group in three places, another in one."""
    warning = {"fingerprint": OTHER, "error_type": "KeyError", "severity": ErrorSeverity.WARNING}
    errors = [
        error_in(SHOP, 0, error_message="shop 0"),
        error_in(SHOP_TEST, 1, error_message="test 1", severity=ErrorSeverity.CRITICAL),
        error_in(API, 2, error_message="api 2"),
        error_in(SHOP, 3, error_message="shop 3"),
        error_in(API, 4, error_message="api 4", **warning),
        error_in(SHOP_TEST, 5, error_message="test 5"),
    ]
    arrive(store, *errors)
    return errors


def told(store: Outbox) -> dict[str, tuple[int, str]]:
    return {group.fingerprint: (group.count, group.error_message) for group in store.groups()}


def in_all_ways(store: Outbox) -> int:
    """How many errors there are, which all questions must agree on."""
    steps = Steps.ending(NOON + 48 * HOUR, 60, 96)
    groups = store.groups()
    activity = store.activity([group.fingerprint for group in groups], steps)
    answers = {
        sum(store.counts(None, ErrorSeverity.DEBUG, 9).by_type.values()),
        sum(store.counts(NOON - HOUR / 7, ErrorSeverity.DEBUG, 9).by_severity.values()),
        sum(map(sum, store.timeline(steps).values())),
        sum(map(sum, activity.values())),
        sum(sum(store.activity([g.fingerprint], Steps.ending(NOON, 1440, 4))[g.fingerprint]) for g in groups),
        sum(group.count for group in groups),
    }
    assert len(answers) == 1
    return answers.pop()


@pytest.mark.parametrize(
    ("origin", "messages"),
    [
        (EVERYWHERE, ["test 5", "api 4", "shop 3", "api 2", "test 1", "shop 0"]),
        (Origin("shop"), ["test 5", "shop 3", "test 1", "shop 0"]),
        (Origin(environment="production"), ["api 4", "shop 3", "api 2", "shop 0"]),
        (SHOP, ["shop 3", "shop 0"]),
        (SHOP_TEST, ["test 5", "test 1"]),
        (API, ["api 4", "api 2"]),
        (Origin("shop", "staging"), []),
        (Origin(""), []),
    ],
)
def test_all_questions_are_about_one_place(store: Outbox, origin: Origin, messages: list[str]) -> None:
    filled(store)
    store.origin = origin
    assert [error.error_message for error in store.errors(limit=100)] == messages
    assert [error.error_message for error in store.errors(limit=1)] == messages[:1]
    assert [error.error_message for error in store.errors_after(0)[1]] == sorted(messages, key=lambda m: m[-1])
    assert in_all_ways(store) == len(messages)
    assert [error.error_message for error in summarise(store).recent_errors] == messages


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_the_newest_are_found_however_long_it_is_since_they_came(store: Outbox, limit: int) -> None:
    hours = (0, 24 * 16, 24 * 23, 24 * 24)
    arrive(store, *(error_in(SHOP, at, error_message=f"shop {at}") for at in hours), error_in(API, 24 * 60))
    store.origin = SHOP
    newest = [f"shop {at}" for at in reversed(hours)]
    assert [error.error_message for error in store.errors(limit=limit)] == newest[:limit]


@pytest.mark.parametrize(
    ("minutes", "ways", "patience"), [(3, 400, 200), (4000, 400, 200), (4000, 400, 8), (4000, 3, 8)]
)
def test_the_newest_are_those_that_are_left_of_all(
    store: Outbox, minutes: int, ways: int, patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else was counted there, is gone, or is not as bad."""
    monkeypatch.setattr(errors_of_stores, "_WAYS", ways)
    monkeypatch.setattr(errors_of_stores, "_MINUTES", patience)
    chance = random.Random(minutes)
    places = [Origin("shop", "live"), Origin("shop", "test"), Origin("api", "live"), Origin("cron", "live")]
    errors = [
        error_in(
            chance.choices(places, (60, 30, 9, 1))[0],
            chance.randrange(minutes) / 60 + chance.choice((0, 0, 0.001)),
            fingerprint=f"v1:{int(12 * chance.random() ** 3)}",
            severity=chance.choice((ErrorSeverity.ERROR, ErrorSeverity.ERROR, ErrorSeverity.CRITICAL)),
        )
        for _ in range(600)
    ]
    arrive(store, *errors)
    later = to_microseconds(NOON + timedelta(minutes=minutes + 5))
    counted = {"k": "count", "proc": "api/live", "ts": later, "sev": 40, "fp": "v1:0", "type": "ValueError", "count": 9}
    arrive(store, more=(wire.dumps(counted),))
    while store.prune(Retention(errors=500), NOON, 1000):
        pass
    left = store.errors(limit=1000)
    assert len(left) == 500
    half = NOON + timedelta(minutes=minutes / 2)
    asked: list[dict[str, Any]] = [{}, {"since": half}, {"at_least": ErrorSeverity.CRITICAL}]
    asked += [{"fingerprint": "v1:0"}, {"fingerprint": "v1:7", "at_least": ErrorSeverity.CRITICAL, "since": half}]
    for origin, question in itertools.product((*places, Origin("shop"), Origin(environment="live")), asked):
        store.origin = EVERYWHERE
        every = store.errors(limit=1000, **question)
        wanted = [error.error_id for error in every if origin.includes(error.process)]
        store.origin = origin
        for limit in (0, 1, 7, 1000):
            assert [error.error_id for error in store.errors(limit=limit, **question)] == wanted[:limit]


def test_the_places_that_errors_came_from_are_named(store: Outbox) -> None:
    assert store.origins() == []
    filled(store)
    arrive(store, make_context(process=replace(process.current(), process="x", service="", environment="")))
    assert store.origins() == [Origin("", ""), API, SHOP, SHOP_TEST]


def test_a_group_is_told_as_it_is_there(store: Outbox) -> None:
    errors = filled(store)
    store.origin = SHOP_TEST
    (group,) = store.groups()
    assert (group.count, group.severity, group.error_message) == (2, ErrorSeverity.CRITICAL, "test 5")
    assert (group.first_seen, group.last_seen) == (NOON + HOUR, NOON + 5 * HOUR)
    assert group.last_error_id == errors[5].error_id
    assert store.group(group.fingerprint) == group
    assert store.group(OTHER) is None
    store.origin = API
    assert [(group.fingerprint, group.count) for group in store.groups(order="count")] == [
        (OTHER, 1),
        (group.fingerprint, 1),
    ]
    assert [g.fingerprint for g in store.groups(at_least=ErrorSeverity.ERROR)] == [group.fingerprint]
    assert [g.fingerprint for g in store.groups(since=NOON + 3 * HOUR)] == [OTHER]
    assert [g.fingerprint for g in store.groups(limit=1, offset=1)] == [group.fingerprint]
    assert [g.fingerprint for g in store.groups(search="api")] == [OTHER, group.fingerprint]
    assert [g.fingerprint for g in store.groups(search="keyerror")] == [OTHER]


def test_states_and_what_became_of_groups_are_those_of_groups_seen_there(store: Outbox) -> None:
    filled(store)
    store.resolve(OTHER, NOON + 9 * HOUR, "me")
    store.origin = API
    assert {state: n for state, n in store.states().items() if n} == {GroupState.OPEN: 1, GroupState.RESOLVED: 1}
    assert store.changed(NOON - HOUR, NOON + 10 * HOUR) == {"new": 2, "resolved": 1}
    assert [group.fingerprint for group in store.groups(state=GroupState.RESOLVED)] == [OTHER]
    store.origin = SHOP
    assert {state: n for state, n in store.states().items() if n} == {GroupState.OPEN: 1}
    assert store.changed(NOON - HOUR, NOON + 10 * HOUR) == {"new": 1}


def test_recoveries_are_those_of_errors_from_there(store: Outbox) -> None:
    errors = filled(store)
    attempts = [
        attempt(errors[0], OutcomeStatus.RECOVERED),
        attempt(errors[2], OutcomeStatus.FAILED),
        attempt(errors[4], OutcomeStatus.RECOVERED),
    ]
    arrive(store, more=tuple(wire.dumps(wire.encode_attempt(each)) for each in attempts))
    time = NOON - HOUR, NOON + 10 * HOUR
    for origin, recovered, failed in ((EVERYWHERE, 2, 1), (SHOP, 1, 0), (API, 1, 1), (SHOP_TEST, 0, 0)):
        store.origin = origin
        counts = store.recoveries(*time).counts
        assert (counts.get(OutcomeStatus.RECOVERED, 0), counts.get(OutcomeStatus.FAILED, 0)) == (recovered, failed)
        healings = store.healings(*time)
        assert sum(each.recovered for each in healings) == recovered
        assert sum(each.failed for each in healings) == failed
        assert (store.recoveries(*time).seconds is not None) == (recovered > 0)


def test_what_happened_to_groups_is_told_of_those_seen_there(store: Outbox) -> None:
    errors = filled(store)
    store.merge(errors[0].fingerprint, [OTHER], NOON, "me")
    for origin, kinds in ((API, ["new", "new", "merged"]), (SHOP, ["new"]), (Origin("cron"), [])):
        store.origin = origin
        assert [change.kind for change in store.changes_between(NOON - HOUR, NOON + 10 * HOUR)] == kinds


def test_of_merged_groups_each_was_seen_somewhere(store: Outbox) -> None:
    errors = filled(store)
    store.merge(errors[0].fingerprint, [OTHER], NOON, "me")
    for origin, count, message in ((API, 2, "api 4"), (SHOP, 2, "shop 3"), (SHOP_TEST, 2, "test 5")):
        store.origin = origin
        assert told(store) == {errors[0].fingerprint: (count, message)}
        assert in_all_ways(store) == count


def test_a_group_without_errors_of_its_own_shows_what_is_merged_into_it(store: Outbox) -> None:
    errors = filled(store)
    store.merge(errors[0].fingerprint, [OTHER], NOON, "me")
    store.move([Move(error.error_id, "v1:new", ("new",)) for error in (*errors[:4], errors[5])], NOON + 20 * HOUR)
    for origin in (EVERYWHERE, API):
        store.origin = origin
        assert told(store)[errors[0].fingerprint] == (1, "api 4")


def test_errors_that_move_to_another_group_take_their_counts_along(store: Outbox) -> None:
    errors = filled(store)
    moves = [Move(error.error_id, "v1:new", ("new",)) for error in (errors[3], errors[5])]
    store.move(moves, NOON + 20 * HOUR)
    for origin in (EVERYWHERE, SHOP, SHOP_TEST, API):
        store.origin = origin
        assert in_all_ways(store) == {EVERYWHERE: 6}.get(origin, 2)
    store.origin = SHOP
    assert told(store) == {errors[0].fingerprint: (1, "shop 0"), "v1:new": (1, "shop 3")}
    assert store.groups()[1].last_seen == NOON
    store.undo_move()
    assert told(store) == {errors[0].fingerprint: (2, "shop 3")}
    store.origin = SHOP_TEST
    assert told(store) == {errors[0].fingerprint: (2, "test 5")}


def test_what_a_later_layer_makes_worse_is_worse_there_alone(store: Outbox) -> None:
    errors = filled(store)
    again = replace(errors[3], again=True, severity=ErrorSeverity.CRITICAL)
    arrive(store, more=(wire.dumps(wire.encode_sighting(again)),))
    store.origin = SHOP
    assert dict(store.counts(None, ErrorSeverity.DEBUG, 9).by_severity) == {
        ErrorSeverity.CRITICAL: 1,
        ErrorSeverity.ERROR: 1,
    }
    assert store.groups()[0].severity is ErrorSeverity.CRITICAL
    store.origin = API
    assert store.groups(at_least=ErrorSeverity.CRITICAL) == []


def test_what_is_only_counted_is_counted_there(store: Outbox) -> None:
    errors = filled(store)
    late = replace(errors[0], timestamp=NOON + 6 * HOUR)
    arrive(store, more=(wire.dumps({**wire.encode_count(late), "count": 4}),))
    store.origin = SHOP
    assert in_all_ways(store) == 6
    # The newest of which something is told speaks for all.
    assert (store.groups()[0].last_seen, store.groups()[0].error_message) == (NOON + 6 * HOUR, "shop 3")


def test_counts_there_outlive_the_details(store: Outbox) -> None:
    errors = filled(store)
    while store.prune(Retention(errors=0), NOON + 99 * HOUR, 100):
        pass
    store.origin = SHOP
    assert store.errors() == []
    assert told(store) == {errors[0].fingerprint: (2, "")}
    assert store.groups()[0].last_error_id == ""
    store.origin = EVERYWHERE
    while not store.delete(errors[0].fingerprint, limit=100):
        pass
    assert store.origins() == [API]


@pytest.mark.parametrize("groups", [1, 50])
def test_the_newest_of_a_rare_place_are_found_among_many_groups(store: Outbox, groups: int) -> None:
    names = [f"v1:{number:016x}" for number in range(groups)]
    rare = [error_in(API, number / 60, fingerprint=names[number % groups]) for number in range(60)]
    often = [error_in(SHOP, 2 + number / 60, fingerprint=names[number % groups]) for number in range(120)]
    arrive(store, *rare, *often)
    store.origin = API
    assert [error.error_id for error in store.errors(limit=30)] == [error.error_id for error in rare[:-31:-1]]
    assert [error.error_id for error in store.errors(limit=3, fingerprint=names[0])] == [
        error.error_id for error in reversed(rare) if error.fingerprint == names[0]
    ][:3]


def test_history_is_told_by_place_as_far_as_it_is_kept(store_url: urls.StoreURL) -> None:
    """A registry of the version before, whose counts knew of no place."""
    errors = [error_in(SHOP, hours) for hours in range(3)]
    with contextlib.closing(sqlite3.connect(store_url.path)) as connection:
        for step in STEPS[:8]:
            connection.executescript(step)
        connection.execute("PRAGMA user_version = 8")
        opening = wire.dumps(wire.encode_process(errors[0].process))  # type: ignore[arg-type]
        connection.execute("INSERT INTO processes (id, name, release, content) VALUES (7, 'p', '', ?)", (opening,))
        connection.execute(
            "INSERT INTO groups (id, fingerprint, error_type, error_message, severity, logger_name, count, first_seen, "
            "last_seen, last_error_id, first_release, last_release) "
            "VALUES (1, ?, 'ValueError', '', 40, '', 5, ?, ?, '', '', '')",
            (errors[0].fingerprint, to_microseconds(NOON), to_microseconds(NOON + 2 * HOUR)),
        )
        for error in errors:
            at, minute = to_microseconds(error.timestamp), to_microseconds(error.timestamp) // 60_000_000
            connection.execute(
                "INSERT INTO errors (error_id, timestamp, severity, group_id, error_type, message, process, partial, "
                "details, content) VALUES (?, ?, 40, 1, 'ValueError', 'kept', 7, 0, 0, '{\"logger\":\"shop\"}')",
                (error.error_id, at),
            )
            # One of the first minute was only counted, and one in a minute of which nothing is kept.
            connection.execute("INSERT INTO counts VALUES (1, ?, ?)", (minute, 2 if error is errors[0] else 1))
        connection.execute("INSERT INTO counts VALUES (1, ?, 1)", (to_microseconds(NOON + 4 * HOUR) // 60_000_000,))
        for unit in (1, 60, 1440):
            connection.execute(
                f"INSERT INTO totals SELECT {unit}, minute / {unit}, 40, 'ValueError', sum(count) "
                "FROM counts GROUP BY 2"
            )
        connection.execute("INSERT INTO day_counts SELECT 1, minute / 1440, sum(count) FROM counts GROUP BY 2")
        connection.commit()
    store = open_store(store_url)
    assert in_all_ways(store) == 5
    store.origin = SHOP
    assert in_all_ways(store) == 3
    assert store.groups()[0].error_message == "kept"
    store.origin = Origin("", "")
    assert in_all_ways(store) == 2
    store.origin = EVERYWHERE
    store.move([Move(errors[0].error_id, "v1:new", ("new",))], NOON + 20 * HOUR)
    assert (in_all_ways(store), told(store)["v1:new"][0]) == (5, 1)
    store.close()


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("origin", [EVERYWHERE, SHOP])
def test_of_groups_that_are_alike_the_one_seen_last_comes_first(store: Outbox, origin: Origin, merged: bool) -> None:
    """Whichever came into the registry first: most groups of a registry have been seen once."""
    latest = "cadeb"
    for name in sorted(latest):
        arrive(store, *(error_in(SHOP, hours, fingerprint=f"v1:{name}") for hours in (0, 5 - latest.index(name))))
    if merged:
        arrive(store, error_in(SHOP, 0, fingerprint="v1:x"), error_in(SHOP, 0, fingerprint="v1:y"))
        store.merge("v1:x", ["v1:y"], NOON)
        latest += "x"
    store.origin = origin
    assert "".join(group.fingerprint[3:] for group in store.groups(order="count")) == latest
    assert "".join(group.fingerprint[3:] for group in store.groups(order="first_seen")) == latest
