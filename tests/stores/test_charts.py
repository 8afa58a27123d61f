"""Part of the contract of figures.Figures: what pages show."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from llama_logging import process, wire
from llama_logging.context import ErrorSeverity, from_microseconds, to_microseconds
from llama_logging.exceptions import ErrorNotFound
from llama_logging.prediction.forecast import Fate
from llama_logging.registry import Store
from llama_logging.registry.attempts import Lease, Policy
from llama_logging.registry.errors import Counts
from llama_logging.registry.figures import Steps
from llama_logging.registry.groups import GroupState
from llama_logging.registry.intake import Batch
from llama_logging.registry.outbox import Outbox
from llama_logging.registry.triage import Move
from llama_logging.retention import Retention
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import NOON, make_context
from tests.stores.test_ledger import ending, make_announcement
from tests.stores.test_store import HOUR, MINUTE, SECOND, add, frames_of, store

MICROSECOND = timedelta(microseconds=1)

__all__ = ["store"]  # the fixture


def test_groups_come_page_by_page(store: Outbox) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON + n * HOUR) for n in range(5)))
    store.merge("v1:4", ["v1:3"], NOON)
    pages = [[group.fingerprint for group in store.groups(limit=2, offset=offset)] for offset in (0, 2, 4)]
    assert pages == [["v1:4", "v1:2"], ["v1:1", "v1:0"], []]


def test_all_groups_come_at_once_where_that_is_asked_for(store: Store) -> None:
    """More than a statement takes parameters."""
    add(store, *(make_context(fingerprint=f"v1:{n:04}", timestamp=NOON + n * SECOND) for n in range(1100)))
    names = [group.fingerprint for group in store.groups(limit=1_000_000)]
    assert names == [f"v1:{n:04}" for n in reversed(range(1100))]


def test_errors_of_a_group_lead_to_each_other(store: Outbox) -> None:
    """Also where several happened at one moment, and where groups were merged."""
    contexts = [
        make_context(timestamp=NOON + n // 2 * SECOND, fingerprint=f"v1:{n % 3}", error_message=str(n))
        for n in range(6)
    ]
    add(store, *contexts, make_context(fingerprint="v1:other"))
    store.merge("v1:0", ["v1:1", "v1:2"], NOON)
    for number, context in enumerate(contexts):
        before = [error.error_message for error in store.errors_beside(context.error_id, limit=9)]
        after = [error.error_message for error in store.errors_beside(context.error_id, later=True, limit=9)]
        assert before == [str(n) for n in reversed(range(number))]
        assert after == [str(n) for n in range(number + 1, 6)]
    assert store.first_error("v1:2") == contexts[0]
    assert store.errors_beside("no such id") == []
    assert store.first_error("v1:none") is None


def test_a_group_is_found_by_the_beginning_of_its_fingerprint(store: Outbox) -> None:
    add(store, *(make_context(fingerprint=name) for name in ("v1:abcd", "v1:abce", "v1:ab_d", "v1:abcd0")))
    assert store.fingerprint_of("v1:abcd") == store.fingerprint_of("abcd") == "v1:abcd"
    assert store.fingerprint_of("abcd0") == "v1:abcd0"
    assert store.fingerprint_of("ab_") == "v1:ab_d"
    newest = make_context(fingerprint="v1:abce")
    add(store, newest)
    assert store.prune(Retention(errors=0), NOON, 100) == 5
    assert store.fingerprint_of(newest.error_id) == "v1:abce"
    for name in ("abc", "bcd", "%", ""):
        with pytest.raises(ErrorNotFound):
            store.fingerprint_of(name)


def test_groups_are_counted_by_state(store: Outbox) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}") for n in range(4)))
    store.resolve("v1:0", NOON)
    store.mute("v1:1", NOON)
    store.merge("v1:2", ["v1:3"], NOON)
    assert store.states() == {
        GroupState.OPEN: 1, GroupState.RESOLVED: 1, GroupState.MUTED: 1, GroupState.REGRESSED: 0,
    }  # fmt: skip


def test_a_group_that_all_errors_have_left_is_not_counted(store: Outbox) -> None:
    context = make_context()
    add(store, context)
    store.move([Move(context.error_id, "v1:moved", ("moved",))], NOON)
    assert sum(store.states().values()) == store.vitals().groups == 1


def test_errors_are_counted_by_steps(store: Outbox) -> None:
    moments = [NOON, NOON + 59 * MINUTE, NOON + HOUR, NOON - 2 * HOUR, NOON - 3 * HOUR]
    add(store, *(make_context(timestamp=moment, fingerprint=f"v1:{n % 2}") for n, moment in enumerate(moments)))
    add(store, make_context(timestamp=NOON, severity=ErrorSeverity.CRITICAL, fingerprint="v1:9"))
    steps = Steps.ending(NOON + HOUR, 60, 4)
    assert store.activity(["v1:0", "v1:1", "v1:none"], steps) == {
        "v1:0": (0, 0, 1, 1), "v1:1": (1, 0, 1, 0), "v1:none": (0, 0, 0, 0),
    }  # fmt: skip
    assert list(store.timeline(steps).items()) == [
        (ErrorSeverity.CRITICAL, (0, 0, 1, 0)),
        (ErrorSeverity.ERROR, (1, 0, 2, 1)),
    ]
    assert steps.moments[0] == NOON - 2 * HOUR
    assert store.timeline(steps.twice)[ErrorSeverity.ERROR] == (0, 0, 0, 1, 1, 0, 2, 1)
    for minutes in (1, 5, 360, 1440, 10_080):
        wide = Steps.ending(NOON + HOUR, minutes, 2000)
        assert sum(map(sum, store.timeline(wide).values())) == 6
    store.merge("v1:0", ["v1:1"], NOON)
    assert store.activity(["v1:0"], steps) == {"v1:0": (1, 0, 2, 1)}


Told = tuple[int, ErrorSeverity, str, str, int]
"""Moment, severity, type, group, and how many more there were that were only counted."""


@pytest.fixture
def told(store: Outbox) -> list[Told]:
    """Errors of two types and ten groups: in one minute and days apart, told once and twice."""
    severities = (ErrorSeverity.WARNING, ErrorSeverity.ERROR, ErrorSeverity.CRITICAL)
    told: list[Told] = []
    for number in range(40):
        at = NOON + (number % 7) * 11 * HOUR + (number % 3) * 20 * MINUTE + (number % 4 - 1) * MICROSECOND
        kind = f"Type{number % 2}"
        told.append((to_microseconds(at), severities[number % 3], kind, f"v1:{kind}{number % 5}", number % 4))
    for turn in range(4):
        frames = []
        for moment, severity, kind, group, more in told[turn::4]:
            context = make_context(
                timestamp=from_microseconds(moment), severity=severity, error_type=kind, fingerprint=group
            )
            frames += frames_of(context, context)
            repeats = {"k": "count", "proc": "p", "ts": moment, "sev": int(severity), "fp": group, "type": kind}
            frames += [wire.dumps({**repeats, "count": more})] if more else []
        store.ingest(Batch(f"{turn}", 0, 1, frames))
        store.ingest(Batch(f"{turn} again", 0, 1, [frame for frame in frames if '"k":"count"' not in frame]))
    return told


@pytest.mark.parametrize("at_least", [ErrorSeverity.DEBUG, ErrorSeverity.ERROR, ErrorSeverity.CRITICAL])
def test_what_came_is_counted_from_any_moment_on(store: Outbox, told: list[Told], at_least: ErrorSeverity) -> None:
    """To the microsecond; of what was only counted, the minutes that had not begun."""
    noon = to_microseconds(NOON)
    for since in (
        None,
        *(noon + minutes * 60_000_000 + more for minutes in (0, 659, 720, 1220, 2500) for more in (-1, 0, 1)),
    ):
        start = since or 0
        by_severity, by_type = Counter[ErrorSeverity](), Counter[str]()
        for moment, severity, kind, _, more in told:
            whole = moment // 60_000_000 * 60_000_000 >= start
            if severity >= at_least and moment >= start:
                by_severity[severity] += 1 + (more if whole else 0)
                by_type[kind] += 1 + (more if whole else 0)
        begin = None if since is None else from_microseconds(since)
        assert store.count_by_severity(begin, at_least) == by_severity
        assert list(store.count_by_severity(begin, at_least)) == sorted(by_severity, reverse=True)
        assert store.counts(begin, at_least, 9).by_type == by_type
        counts, first = store.counts(begin, at_least, 1), sorted(by_type, key=lambda kind: (-by_type[kind], kind))[:1]
        assert counts == Counts(by_severity=dict(by_severity), by_type={kind: by_type[kind] for kind in first})


def test_what_is_over_is_not_named(store: Outbox) -> None:
    """Also where a day that has begun is counted whole, and what was before is taken away."""
    midnight = NOON - 12 * HOUR
    add(store, make_context(timestamp=midnight + HOUR, severity=ErrorSeverity.CRITICAL, error_type="KeyError"))
    add(store, make_context(timestamp=midnight + 4 * HOUR, error_type="ValueError"))
    counts = store.counts(midnight + 2 * HOUR, ErrorSeverity.DEBUG, 9)
    assert counts == Counts(by_severity={ErrorSeverity.ERROR: 1}, by_type={"ValueError": 1})


def test_groups_and_steps_and_totals_count_the_same(store: Outbox, told: list[Told]) -> None:
    names = sorted({group for *_, group, _ in told})
    groups, minutes = Counter[str](), Counter[tuple[str, int]]()
    for moment, _, _, group, more in told:
        groups[group] += 1 + more
        minutes[group, moment // 60_000_000] += more
    assert {shown.fingerprint: shown.count for shown in store.groups()} == groups
    for shown in store.groups():
        mine = [(moment, severity) for moment, severity, _, name, _ in told if name == shown.fingerprint]
        assert (to_microseconds(shown.first_seen), to_microseconds(shown.last_seen)) == (min(mine)[0], max(mine)[0])
        assert shown.severity == max(severity for _, severity in mine)
    unkept = [((each.fingerprint, to_microseconds(each.minute) // 60_000_000), each.count) for each in store.unkept()]
    assert sorted(unkept) == sorted((place, count) for place, count in minutes.items() if count)
    assert store.vitals().errors == sum(groups.values())
    for size, count in ((1, 3000), (20, 200), (60, 90), (1440, 3), (2880, 2)):
        steps = Steps.ending(NOON + 66 * HOUR, size, count)
        each = {name: [0] * count for name in names}
        severities = {severity: [0] * count for severity in ErrorSeverity}
        for moment, severity, _, group, more in told:
            step = moment // 60_000_000 // size - steps.first
            if 0 <= step < count:
                each[group][step] += 1 + more
                severities[severity][step] += 1 + more
        assert store.activity(names, steps) == {name: tuple(counts) for name, counts in each.items()}
        assert store.timeline(steps) == {name: tuple(counts) for name, counts in severities.items() if any(counts)}


def test_what_moves_to_another_group_is_counted_there(store: Outbox, told: list[Told]) -> None:
    """Minute by minute, and back again; types, severities and what is not kept stay where they were."""
    steps = Steps.ending(NOON + 67 * HOUR, 1, 5000)
    names = [*(group.fingerprint for group in store.groups()), "v1:moved"]
    before, totals = store.activity(names, steps), store.timeline(steps)
    errors = store.errors(fingerprint="v1:Type01", limit=100) + store.errors(fingerprint="v1:Type02", limit=3)
    store.move([Move(error.error_id, "v1:moved", ("moved",)) for error in errors], NOON)
    after = store.activity(names, steps)
    places = Counter(to_microseconds(error.timestamp) // 60_000_000 - steps.first for error in errors)
    assert after["v1:moved"] == tuple(places[step] for step in range(steps.count))
    left = Counter(
        (error.fingerprint, to_microseconds(error.timestamp) // 60_000_000 - steps.first) for error in errors
    )
    assert after["v1:Type01"] == tuple(n - left["v1:Type01", step] for step, n in enumerate(before["v1:Type01"]))
    reading: Any = store._reading  # type: ignore[attr-defined]
    with reading() as execute:
        assert execute("SELECT * FROM counts WHERE count <= 0").fetchall() == []
    assert [sum(column) for column in zip(*after.values(), strict=True)] == [
        sum(column) for column in zip(*before.values(), strict=True)
    ]
    assert {group.fingerprint: group.count for group in store.groups()} == {
        name: sum(counts) for name, counts in after.items() if sum(counts)
    }
    assert store.timeline(steps) == totals
    store.undo_move()
    assert store.activity(names, steps) == before


def test_days_count_what_their_minutes_do(store: Store, told: list[Told]) -> None:
    """Whatever becomes of errors and groups."""

    def by_day() -> dict[tuple[int, int], int]:
        with store._reading() as execute:  # type: ignore[attr-defined]
            days = execute("SELECT group_id, day, count FROM day_counts").fetchall()
            minutes = execute("SELECT group_id, minute / 1440, sum(count) FROM counts GROUP BY 1, 2").fetchall()
        counted, summed = ({(group, day): count for group, day, count in rows} for rows in (days, minutes))
        assert counted == summed
        return counted

    before = by_day()
    assert (len(before), sum(before.values())) == (31, sum(1 + more for *_, more in told))
    errors = store.errors(fingerprint="v1:Type01", limit=100) + store.errors(fingerprint="v1:Type02", limit=3)
    store.move([Move(error.error_id, "v1:moved", ("moved",)) for error in errors], NOON)
    assert by_day() != before
    store.undo_move()
    assert by_day() == before
    store.prune(Retention(errors=5), NOON + 99 * HOUR, 1000)
    assert by_day() == before
    assert store.delete("v1:Type01", limit=100)
    assert 0 < len(by_day()) < len(before)


def test_an_error_that_stays_is_counted_in_its_minute(store: Outbox) -> None:
    stays, moves = (make_context(timestamp=NOON + n * MINUTE) for n in range(2))
    add(store, stays, moves)
    store.move([Move(moves.error_id, "v1:moved", ("moved",))], NOON)
    steps = Steps.ending(NOON + MINUTE, 1, 2)
    assert store.activity([stays.fingerprint, "v1:moved"], steps) == {stays.fingerprint: (1, 0), "v1:moved": (0, 1)}


def test_tags_are_counted_over_the_newest(store: Outbox) -> None:
    ours = process.current()
    contexts = [
        make_context(timestamp=NOON + n * SECOND, tags={"tenant": "a" if n else "old", "n": str(n % 2)}, process=ours)
        for n in range(4)
    ]
    opening = [wire.dumps(wire.encode_process(ours))]
    store.ingest(Batch("p", 0, 1, opening))
    add(store, *contexts)
    facets = store.facets("v1:0123456789abcdef", 3)
    assert facets.sample == 3
    assert facets.values["tenant"] == (("a", 3),)
    assert facets.values["n"] == (("1", 2), ("0", 1))
    assert facets.values["host"] == ((ours.host, 3),)
    assert store.facets("v1:none").sample == 0


def test_changes_are_counted_by_kind(store: Outbox) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON + n * HOUR) for n in range(3)))
    store.resolve("v1:0", NOON + MINUTE)
    add(store, make_context(fingerprint="v1:0", timestamp=NOON + 2 * MINUTE))
    assert store.changed(NOON, NOON + HOUR) == {"new": 1, "resolved": 1, "regressed": 1}
    assert store.changed(NOON + HOUR, NOON + 9 * HOUR) == {"new": 2}


def test_the_time_to_heal_is_from_the_error_to_the_end(store: Outbox) -> None:
    context = make_context()
    add(store, context)
    assert store.recoveries(NOON, NOON + HOUR).seconds is None
    statuses = [OutcomeStatus.FAILED, OutcomeStatus.RECOVERED, OutcomeStatus.SHARED]
    attempts = [
        RecoveryAttempt(
            attempt_id=f"a{n}", error_id=context.error_id, fingerprint=context.fingerprint, rule="r", strategy="s",
            scope="x", status=status, started_at=NOON + (n + 1) * SECOND, duration=2.5,
        )
        for n, status in enumerate(statuses)
    ]  # fmt: skip
    store.ingest(Batch("audit", 0, 1, [wire.dumps(wire.encode_attempt(attempt)) for attempt in attempts]))
    done = store.recoveries(NOON, NOON + HOUR)
    assert done.counts == {OutcomeStatus.FAILED: 1, OutcomeStatus.RECOVERED: 1}
    assert done.seconds == 4.5
    assert store.recent_attempts() == [attempts[1], attempts[0]]
    assert store.attempts(context.error_id) == attempts
    assert store.recoveries(NOON + HOUR, NOON + 2 * HOUR).counts == {}


def test_the_vitals_say_what_the_health_says(store: Outbox) -> None:
    empty = store.vitals()
    assert (empty.errors, empty.newest, empty.kept_at_most, empty.unindexed) == (0, None, 0, 0)
    opening = wire.dumps(wire.encode_process(process.current()))
    store.ingest(Batch("torn", 0, 9, [opening], damaged=2))
    add(store, *(make_context(timestamp=NOON + n * SECOND, fingerprint=f"v1:{n}") for n in range(3)))
    vitals, health = store.vitals(), store.health()
    assert (vitals.version, vitals.groups, vitals.damaged) == (health.version, health.groups, 2)
    assert (vitals.errors, vitals.kept_at_most, vitals.unindexed, vitals.missing) == (3, 3, 3, 0)
    assert vitals.newest == NOON + 2 * SECOND
    assert vitals.size_bytes > 10_000
    assert not store.index_words()
    assert store.vitals().unindexed == 0
    assert store.delete("v1:2", limit=10)
    assert store.vitals().unindexed == 0
    names = {journal.name: (journal.offset, journal.damaged, journal.process) for journal in store.journals()}
    assert names["torn"][:2] == (9, 2)
    assert names["torn"][2]["pid"] == process.current().pid


def test_the_vitals_name_who_lost_frames_the_latest_first(store: Outbox) -> None:
    for name, missing in (("one", 2), ("two", 5), ("whole", 0)):
        opening = wire.dumps(wire.encode_process(replace(process.current(), process=name, host=name)))
        definition, frame = frames_of(make_context(timestamp=NOON))
        store.ingest(Batch(name, 0, 1, [opening, definition, f'{frame[:-1]},"n":{missing + 1}}}']))
    vitals = store.vitals()
    assert [(gap.missing, gap.process["host"]) for gap in vitals.gaps] == [(5, "two"), (2, "one")]
    assert vitals.missing == 7
    store.prune(Retention(errors=2), NOON, 10)
    store.index_words()
    add(store, make_context())
    assert (store.vitals().errors, store.vitals().kept_at_most, store.vitals().unindexed) == (4, 3, 1)
    add(store, make_context())
    assert store.vitals().kept_at_most == 4


def test_the_pulse_changes_with_whatever_pages_show(store: Outbox) -> None:
    seen = {store.pulse()}

    def changes() -> bool:
        before = len(seen)
        seen.add(store.pulse())
        return len(seen) > before

    assert not changes()
    add(store, make_context())
    assert changes()
    store.resolve("v1:0123456789abcdef", NOON + timedelta(days=1))
    assert changes()
    store.remember("recovery off", "by somebody")
    assert changes()
    announcement = make_announcement()
    store.predicted([announcement])
    assert changes()
    store.resolve_predictions([ending(announcement, Fate.HIT)])
    assert changes()
    assert not changes()


def test_who_looks_for_room_is_nothing_that_pages_show(store: Outbox) -> None:
    """Or all pages would be loaded anew each minute."""
    add(store, make_context())
    before = store.pulse()
    assert isinstance(store.acquire("retention:", "me", 1.0, Policy()), Lease)
    assert store.pulse() == before
    assert isinstance(store.acquire("a server", "me", 1.0, Policy()), Lease)
    assert store.pulse() != before
