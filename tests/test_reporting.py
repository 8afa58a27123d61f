"""From what happened to what is sent: rules, quotas, failures, restarts, many processes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Never

import pytest

from llama_logging import transfer, wire
from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, Process
from llama_logging.exceptions import ConfigError, ReportError
from llama_logging.handlers import RegistryHandler, ReportHandler
from llama_logging.prediction.forecast import ANY, Fate
from llama_logging.prediction.ledger import Action
from llama_logging.registry.attempts import Lease
from llama_logging.registry.intake import Batch
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.registry.outbox import GIVEN_UP, Outbox
from llama_logging.reporters import sending
from llama_logging.reporters.configuration import (
    Channel,
    DigestPlan,
    parse_channels,
    parse_digest,
    parse_report_rules,
    usual_rule,
)
from llama_logging.reporters.digest import TOP, as_html, as_text, digest
from llama_logging.reporters.report import Report
from llama_logging.reporters.unusual import WHOLE, Unusual
from llama_logging.reporters.webhook import ID
from llama_logging.reporting import Reporting
from llama_logging.stores import open_store, urls
from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.tried import OutcomeStatus
from tests.conftest import NOON, Run, make_context, our_threads
from tests.reporters.receivers import Receiver, free_port, receiver, saying, until
from tests.stores.test_ledger import ending, make_announcement
from tests.stores.test_outbox import attempt
from tests.stores.test_store import add

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LONG = bool(os.environ.get("LLAMA_LOGGING_TEST_LONG"))
"""The long form of what is run with many processes."""


class Clock:
    """Stands still until it is set on."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Kept:
    """A reporter that keeps what it is given, or fails as it is told to."""

    option_names: ClassVar[tuple[str, ...]] = ()
    secrets = ("s3cret-token",)

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.failures: list[BaseException] = []

    @classmethod
    def configure(cls, options: Options) -> Kept:
        return cls()

    def send(self, report: Report, timeout: float) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.reports.append(report)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: urls.StoreURL) -> Iterator[Outbox]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def reporting_of(
    store: Outbox, clock: Clock, *rules: dict[str, Any], plan: DigestPlan | None = None, **hourly: int
) -> tuple[Reporting, dict[str, Kept]]:
    kept = {name: Kept() for name in ("ops", "mail")}
    channels = {name: Channel(name, reporter, hourly.get(name, 60)) for name, reporter in kept.items()}
    options = Options("ReportHandler", {}, (), strict=True)
    given = [{"channels": ["ops"], **rule} for rule in rules]
    parsed = parse_report_rules(options, given, channels)
    return Reporting(lambda: store, channels, parsed, plan, since=NOON, clock=clock), kept


def looked(made: Reporting, store: Outbox) -> None:
    while made.look(store):
        pass


def sent(made: Reporting, store: Outbox, kept: Kept, name: str = "ops") -> list[str]:
    """Kinds of what is sent now."""
    kept.reports.clear()
    looked(made, store)
    made.sending.send(store, name)
    return [report.kind for report in kept.reports]


def test_what_is_new_regressed_or_unmuted_is_reported_once(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": ["new", "regressed", "unmuted"], "name": "attention"})
    looked(made, store)
    add(store, make_context(timestamp=NOON), make_context(timestamp=NOON + SECOND))
    assert sent(made, store, kept["ops"]) == ["new"]
    (report,) = kept["ops"].reports
    assert report.context is not None
    assert report.command == f"llama-logging show {report.context.error_id}"
    assert (report.rule, report.group["count"]) == ("attention", 2)
    assert "new error: ValueError: no such article" in report.title
    assert sent(made, store, kept["ops"]) == []
    store.resolve(make_context().fingerprint, NOON + MINUTE)
    add(store, make_context(timestamp=NOON + 2 * MINUTE))
    assert sent(made, store, kept["ops"]) == ["regressed"]
    store.mute(make_context().fingerprint, NOON + 3 * MINUTE, count=2, period=600)
    add(store, *(make_context(timestamp=NOON + 4 * MINUTE) for _ in range(2)))
    assert sent(made, store, kept["ops"]) == ["unmuted"]


def test_what_was_before_the_rule_is_not_reported_and_nothing_after_is_lost(store: Outbox, clock: Clock) -> None:
    add(store, make_context(timestamp=NOON - HOUR, fingerprint="v1:old"))
    made, kept = reporting_of(store, clock, {"when": "new"}, {"when": "every"})
    # It comes before the first look, and after the handler was made.
    add(store, make_context(timestamp=NOON + SECOND))
    assert sent(made, store, kept["ops"]) == ["new", "every"]


def test_what_comes_to_light_after_a_day_is_for_the_digest(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "new"})
    looked(made, store)
    clock.now = NOON + timedelta(days=3)
    add(store, make_context(timestamp=NOON + HOUR))
    assert sent(made, store, kept["ops"]) == []


def test_so_many_in_so_many_minutes_is_one_incident_until_it_is_over(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "10 in 5 minutes"})
    looked(made, store)
    add(store, *(make_context(timestamp=NOON + n * SECOND) for n in range(9)))
    assert sent(made, store, kept["ops"]) == []
    add(store, make_context(timestamp=NOON + 10 * SECOND))
    assert sent(made, store, kept["ops"]) == ["frequent"]
    assert "10 within 300 s" in kept["ops"].reports[0].text
    for minute in range(1, 8):
        clock.now = NOON + minute * MINUTE
        add(store, make_context(timestamp=clock.now), make_context(timestamp=clock.now))
        assert sent(made, store, kept["ops"]) == [], minute
    clock.now = NOON + HOUR
    assert sent(made, store, kept["ops"]) == []
    add(store, *(make_context(timestamp=NOON + HOUR) for _ in range(10)))
    assert sent(made, store, kept["ops"]) == ["frequent"]


def test_a_recovery_that_failed_is_told_once_for_all_errors_of_its_group(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "recovery_failed"})
    looked(made, store)
    errors = [make_context(timestamp=NOON + n * SECOND) for n in range(3)]
    healed = make_context(fingerprint="v1:healed", timestamp=NOON)
    add(store, *errors, healed)
    attempts = [attempt(error, OutcomeStatus.FAILED) for error in errors]
    attempts.append(attempt(healed, OutcomeStatus.RECOVERED))
    store.ingest(Batch("k", 0, 1, [wire.dumps(wire.encode_attempt(each)) for each in attempts]))
    assert sent(made, store, kept["ops"]) == []  # another rung may be about to be tried
    clock.now = NOON + MINUTE
    assert sent(made, store, kept["ops"]) == ["recovery_failed"]
    clock.now = NOON + 2 * MINUTE
    assert sent(made, store, kept["ops"]) == []
    clock.now = NOON + 2 * HOUR
    late = make_context(timestamp=clock.now - MINUTE)
    add(store, late)
    store.ingest(Batch("l", 0, 1, [wire.dumps(wire.encode_attempt(attempt(late, OutcomeStatus.FAILED)))]))
    assert sent(made, store, kept["ops"]) == ["recovery_failed"]


def test_a_recovery_that_failed_after_an_hour_is_told(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "recovery_failed"})
    looked(made, store)
    add(store, error := make_context(timestamp=NOON))
    long = replace(attempt(error, OutcomeStatus.FAILED), duration=3600.0)
    store.ingest(Batch("k", 0, 1, [wire.dumps(wire.encode_attempt(long))]))
    clock.now = NOON + HOUR + MINUTE
    assert sent(made, store, kept["ops"]) == ["recovery_failed"]


USUAL = {"release": "1.2", "service": "shop", "environment": "production"}


def of_process(**changes: Any) -> ErrorContext:
    where = {name: changes.pop(name, usual) for name, usual in USUAL.items()}
    ours = Process(process=" ".join(where.values()), pid=1, host="h", boot="b", program="p", python="3", **where)
    return make_context(process=ours, **changes)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"logger": "shop*"}, True),
        ({"logger": "other"}, False),
        ({"tag": {"tenant": "a*"}}, True),
        ({"tag": {"tenant": "b", "none": "*"}}, False),
        ({"release": ["1.*"], "environment": "production"}, True),
        ({"service": ["billing", "sh*"]}, True),
        ({"service": "billing"}, False),
        ({"environment": "staging"}, False),
        ({"level": "CRITICAL", "tag": {"tenant": "*"}}, False),
    ],
)
def test_conditions_of_a_rule(store: Outbox, clock: Clock, match: dict[str, Any], fits: bool) -> None:
    made, _ = reporting_of(store, clock, {"when": "every", "match": match})
    assert made.rules[0].applies(of_process(tags={"tenant": "a1"})) is fits


def test_a_rule_for_a_service_counts_what_came_from_there(store: Outbox, clock: Clock) -> None:
    rule = {"when": ["new", "3 in 5 minutes"], "match": {"service": "shop"}}
    made, kept = reporting_of(store, clock, rule)
    looked(made, store)
    elsewhere = [of_process(timestamp=NOON + n * SECOND, service="billing") for n in range(5)]
    transfer.add(store, [of_process(timestamp=NOON), *elsewhere])
    clock.now = NOON + MINUTE
    assert sent(made, store, kept["ops"]) == ["new"]
    assert kept["ops"].reports[0].group["count"] == 1
    transfer.add(store, [of_process(timestamp=NOON + n * SECOND) for n in (1, 2)])
    assert sent(made, store, kept["ops"]) == ["frequent"]
    assert "3 within 300 s" in kept["ops"].reports[0].text
    assert store.origin == EVERYWHERE


def test_a_muted_group_is_left_alone(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": ["every", "2 in 5 minutes"]})
    add(store, make_context(timestamp=NOON - HOUR))
    looked(made, store)
    store.mute(make_context().fingerprint, NOON)
    add(store, *(make_context(timestamp=NOON + SECOND) for _ in range(5)))
    assert sent(made, store, kept["ops"]) == []


def stumbling(context: ErrorContext | None) -> None:
    logging.getLogger("app").error("the callback has a problem of its own")


def test_what_a_reporter_logs_is_recorded_and_not_reported(own_place: Path) -> None:
    channels = {"ops": {"callback": {"function": f"{__name__}.stumbling"}}}
    report = ReportHandler(channels=channels, rules=[{"when": "every", "channels": ["ops"], "name": "all"}])
    for handler in (RegistryHandler(), report):
        logging.getLogger("app").addHandler(handler)
    stumbling(None)
    with contextlib.closing(open_store(urls.default())) as store:
        until(lambda: json.loads(store.recall("report rule all") or '{"error": 0}')["error"] == 2)
        assert len(store.deliveries()) == 1
    report.close()


def test_caps_hold_for_a_rule_and_for_a_channel_and_the_next_tells_of_it(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(
        store, clock, {"when": "every", "hourly": 2}, {"when": "every", "channels": ["mail"]}, mail=3
    )
    looked(made, store)
    add(store, *(make_context(timestamp=NOON + n * SECOND) for n in range(10)))
    assert len(sent(made, store, kept["ops"])) == 2
    assert len(sent(made, store, kept["mail"], "mail")) == 3
    clock.now = NOON + HOUR
    add(store, make_context(timestamp=clock.now))
    assert len(sent(made, store, kept["ops"])) == 1
    assert "8 reports before this one were held back" in kept["ops"].reports[0].message


def test_the_cap_of_a_rule_holds_for_each_of_its_channels(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every", "hourly": 2, "channels": ["ops", "mail"]})
    looked(made, store)
    add(store, *(make_context(timestamp=NOON + n * SECOND) for n in range(3)))
    assert len(sent(made, store, kept["ops"])) == 2
    assert len(sent(made, store, kept["mail"], "mail")) == 2
    clock.now = NOON + HOUR
    add(store, make_context(timestamp=clock.now))
    for name in ("ops", "mail"):
        sent(made, store, kept[name], name)
        assert "1 report before this one was held back" in kept[name].reports[0].message


def test_a_process_that_lacks_a_channels_secret_leaves_its_reports_to_one_that_has_it(own_place: Path) -> None:
    team = {"webhook": {"url": "https://hooks.example/a"}}
    channels = {"ops": {"webhook": {"url": "env://HOOK"}, "hourly": 2}, "team": team}
    report = ReportHandler(channels=channels, rules=[{"when": "every", "channels": ["ops"]}])
    made = report.reporting
    assert made is not None
    assert list(made.channels) == ["team"]
    with contextlib.closing(open_store(urls.default())) as store:
        looked(made, store)
        add(store, *(make_context(timestamp=datetime.now(UTC)) for _ in range(3)))
        looked(made, store)
        assert [delivery.channel for delivery in store.deliveries()] == ["ops", "ops"]
    usual = ReportHandler(channels=channels).reporting
    assert usual is not None
    assert [rule.channels for rule in usual.rules] == [("ops", "team")]


def test_without_rules_what_is_new_goes_to_the_channels_of_each_service(store: Outbox, clock: Clock) -> None:
    kept = {name: Kept() for name in ("ops", "mail")}
    services = [
        Reporting(lambda: store, channels, [usual_rule(channels)], since=NOON, clock=clock)
        for channels in ({name: Channel(name, reporter)} for name, reporter in kept.items())
    ]
    for each in services:
        looked(each, store)
    add(store, make_context(timestamp=NOON))
    assert [sent(each, store, kept[name], name) for each, name in zip(services, kept, strict=True)] == [["new"]] * 2


def test_a_channel_that_is_down_is_tried_again_with_growing_delays_and_loses_nothing(
    store: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made, kept = reporting_of(store, clock, {"when": "every", "channels": ["ops", "mail"]})
    looked(made, store)
    add(store, *(make_context(timestamp=NOON + n * SECOND) for n in range(5)))
    kept["ops"].failures = [ConnectionError("s3cret-token is refused") for _ in range(6)]
    held: list[float] = []
    while kept["ops"].failures:
        sent(made, store, kept["ops"])
        due = next(known.due_at for known in store.channels() if known.channel == "ops")
        assert due is not None
        held.append((due - clock.now).total_seconds())
        clock.now = due
    assert sorted(held)[0] <= 2
    assert held[5] > held[0] * 8
    assert len(sent(made, store, kept["mail"], "mail")) == 5
    assert len(sent(made, store, kept["ops"])) == 5
    state = next(known for known in store.channels() if known.channel == "ops")
    assert state.failure == "ConnectionError: [redacted] is refused"
    assert [record.name for record in caplog.records] == ["llama_logging.reporters"]
    assert "s3cret" not in caplog.text


def test_who_asks_to_be_left_alone_is(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    kept["ops"].failures = [ReportError("HTTP 429", retry_after=3000)]
    sent(made, store, kept["ops"])
    clock.now = NOON + timedelta(seconds=2999)
    assert sent(made, store, kept["ops"]) == []
    clock.now = NOON + timedelta(seconds=3001)
    assert sent(made, store, kept["ops"]) == ["every"]


def test_one_that_is_refused_holds_up_no_other_and_is_given_up(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON), make_context(timestamp=NOON + SECOND))
    for _ in range(sending.TRIES):
        kept["ops"].failures = [ReportError("HTTP 400", refused=True)]
        sent(made, store, kept["ops"])
        clock.now += HOUR
    assert {delivery.status for delivery in store.deliveries()} == {GIVEN_UP, "sent"}


def test_who_has_taken_a_report_is_known_to_the_next_process_that_sends_it(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    for taken in ("a@example.org", "b@example.org"):
        kept["ops"].failures = [ReportError("not for all", refused=True, taken=(taken,))]
        sent(made, store, kept["ops"])
        clock.now += HOUR
    made, kept = reporting_of(store, clock, {"when": "every"})
    made.sending.send(store, "ops")
    (report,) = kept["ops"].reports
    assert report.taken == ("a@example.org", "b@example.org")
    assert "taken" not in report.as_dict()


def test_one_that_some_receivers_never_take_is_given_up_and_holds_up_no_other(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    kept["ops"].failures = [ReportError("not for all", refused=True, taken=("a@example.org",))]
    for _ in range(sending.TRIES):
        sent(made, store, kept["ops"])
        clock.now += HOUR
        kept["ops"].failures = [ReportError("no such user", refused=True)]
    assert [delivery.status for delivery in store.deliveries()] == [GIVEN_UP]
    (state,) = store.channels()
    assert state.due_at is None


def test_a_channel_that_refuses_all_loses_nothing_and_is_not_pestered(store: Outbox, clock: Clock) -> None:
    """A key that is wrong, or a proxy in between, says 400 to everything until somebody mends it."""
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, *(make_context(timestamp=NOON + n * SECOND) for n in range(3)))
    for _ in range(2 * sending.TRIES):
        kept["ops"].failures = [ReportError("HTTP 400", refused=True)] * 3
        sent(made, store, kept["ops"])
        clock.now += HOUR
    assert len(kept["ops"].failures) == 2  # one try has told enough
    kept["ops"].failures = []
    assert sent(made, store, kept["ops"]) == ["every"] * 3
    assert {delivery.status for delivery in store.deliveries()} == {"sent"}


def test_each_outage_is_told_once_and_every_report_that_is_given_up(
    store: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    for failures in (["down", "down"], ["down again"]):
        add(store, make_context(timestamp=clock.now))
        kept["ops"].failures = [ReportError(failure) for failure in failures]
        for _ in (*failures, "sent"):
            sent(made, store, kept["ops"])
            clock.now += HOUR
    add(store, make_context(timestamp=clock.now))
    for tries in range(sending.TRIES):
        if tries == sending.TRIES - 2:
            add(store, make_context(timestamp=clock.now))  # which is taken
        kept["ops"].failures = [ReportError("no", refused=True)]
        sent(made, store, kept["ops"])
        clock.now += HOUR
    told = [record.getMessage() for record in caplog.records if record.name == "llama_logging.reporters"]
    assert [message.partition(";")[0].partition(": ")[2] for message in told] == ["down", "down again", "no", "no"]
    assert "is given up" in told[-1]


def test_a_task_that_was_cancelled_within_a_reporter_is_a_failure(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    kept["ops"].failures = [asyncio.CancelledError()]
    assert sent(made, store, kept["ops"]) == []
    assert [(each.tries, each.failure) for each in store.deliveries()] == [(1, "CancelledError")]


def test_a_channel_is_kept_for_as_long_as_a_report_takes(
    store: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback may take longer than a lease lasts: nobody else is to call it meanwhile."""
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    looked(made, store)
    renewed: list[bool] = []
    renew = store.renew

    def renewing(lease: Lease, seconds: float) -> bool:
        renewed.append(renew(lease, seconds))
        return renewed[-1]

    monkeypatch.setattr(store, "renew", renewing)
    monkeypatch.setattr(sending, "LEASE", 0.1)
    monkeypatch.setattr(kept["ops"], "send", lambda report, timeout: until(lambda: len(renewed) > 3))
    assert made.sending.send(store, "ops") == 1
    assert not [each for each in threading.enumerate() if each.name.endswith("-lease")]


def test_two_do_not_send_to_one_channel_at_once(store: Outbox, store_url: urls.StoreURL, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    looked(made, store)
    other = open_store(store_url)
    lease = other.acquire("report:ops", "another", 60, sending.TURNS)
    assert made.sending.send(store, "ops") == 0
    other.finish(lease, OutcomeStatus.RECOVERED, "", sending.TURNS)  # type: ignore[arg-type]
    other.close()
    assert made.sending.send(store, "ops") == 1
    assert kept["ops"].reports[0].report_id == store.deliveries()[0].delivery_id


def test_a_digest_comes_after_each_period_and_for_none_that_is_past(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, plan=DigestPlan(3600.0, ("ops", "mail")))
    clock.now = NOON + MINUTE
    add(store, make_context(timestamp=NOON - HOUR), *(make_context(timestamp=NOON + MINUTE) for _ in range(2)))
    assert sent(made, store, kept["ops"]) == []
    clock.now = NOON + HOUR
    assert sent(made, store, kept["ops"]) == []  # what was logged at its very end may still come in
    add(store, make_context(timestamp=NOON + HOUR - SECOND))
    clock.now = NOON + HOUR + WHOLE
    assert sent(made, store, kept["ops"]) == ["digest"]
    told = kept["ops"].reports[0].digest
    assert told is not None
    assert (told["total"], told["before"], told["since"]) == (3, 1, NOON.isoformat())
    assert sent(made, store, kept["ops"]) == []
    clock.now = NOON + 5 * HOUR + MINUTE
    assert sent(made, store, kept["ops"]) == ["digest"]
    assert sent(made, store, kept["mail"], "mail") == ["digest", "digest"]


def test_services_of_one_registry_have_digests_of_their_own(store: Outbox, clock: Clock) -> None:
    given = {"every": "1h", "channels": ["ops"], "service": "shop"}
    plan = parse_digest(Options("ReportHandler", {}, ()), given, {"ops": None})
    made, kept = reporting_of(store, clock, plan=plan)
    other, _ = reporting_of(store, clock, plan=replace(plan, origin=Origin("billing", "test")))
    clock.now = NOON + MINUTE
    for each in (made, other):
        each.look(store)
    transfer.add(store, [of_process(timestamp=NOON + MINUTE, environment="test")])
    elsewhere = {"service": "billing", "environment": "test", "fingerprint": "v1:billing"}
    transfer.add(store, [of_process(timestamp=NOON + n * MINUTE, **elsewhere) for n in (2, 3, 4)])
    predictions = [make_announcement(NOON + n * MINUTE, group=ANY) for n in (1, 2)]
    store.predicted([predictions[0], replace(predictions[1], service="billing")])
    clock.now = NOON + HOUR + MINUTE
    other.look(store)
    assert sent(made, store, kept["ops"]) == ["digest", "digest"]
    of_billing, of_shop = kept["ops"].reports
    assert of_billing.title == "3 errors from billing in test, none in the time before: 1 new, 0 regressed"
    assert of_shop.text.startswith("Errors from shop from ")
    told = of_shop.digest
    assert told is not None
    assert (told["total"], told["new_count"], told["origin"]) == (1, 1, {"service": "shop", "environment": None})
    assert [sum(foreseen["fates"].values()) for foreseen in told["foreseen"]] == [1]
    assert store.origin == EVERYWHERE


@pytest.mark.parametrize(("every", "end"), [("1h", NOON), ("1d", NOON - 12 * HOUR), ("7d", NOON - 156 * HOUR)])
def test_a_digest_is_of_whole_hours_days_and_weeks(every: str, end: datetime) -> None:
    """At noon of a Sunday the last week has ended on Monday."""
    plan = parse_digest(Options("ReportHandler", {}, ()), {"every": every, "channels": ["a"]}, {"a": None})
    assert plan.end(plan.ended(NOON)) == end
    assert plan.ended(end - MINUTE) == plan.ended(NOON) - 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"when": "knew", "channels": ["ops"]}, "when: unknown word 'knew', did you mean 'new'?"),
        ({"when": "new", "channels": ["opps"]}, "there is no channel 'opps', did you mean 'ops'?"),
        ({"when": "new", "chanels": ["ops"]}, "chanels: unknown option, did you mean 'channels'?"),
        ({"when": "0 in 5 minutes", "channels": ["ops"]}, "is always so"),
        ({"when": "5 in 9999999d", "channels": ["ops"]}, "a year is the longest"),
        ({"when": "new", "channels": ["ops"], "match": {"tags": {}}}, "tags: unknown option"),
        ({"when": "new", "channels": []}, "at least one is needed"),
        ({"channels": ["ops"]}, "the option 'when' is needed"),
    ],
)
def test_a_mistake_in_a_rule_is_told(entry: dict[str, Any], message: str) -> None:
    options = Options("ReportHandler", {}, (), strict=True)
    with pytest.raises(ConfigError) as caught:
        parse_report_rules(options, [entry], {"ops": None, "mail": None})
    assert message in str(caught.value)


def test_two_rules_of_one_name_are_told() -> None:
    """The second would see nothing of what the first has seen."""
    options = Options("ReportHandler", {}, (), strict=True)
    given = [{"when": when, "channels": ["ops"], "name": "a"} for when in ("new", "every")]
    with pytest.raises(ConfigError, match=r"rules\[1\]: rules\[0\] has the name 'a' as well"):
        parse_report_rules(options, given, {"ops": None})


def test_two_counts_in_one_rule_are_told() -> None:
    options = Options("ReportHandler", {}, (), strict=True)
    given = [{"when": ["5 in 1 minute", "new", "50 in 1 hour"], "channels": ["ops"]}]
    with pytest.raises(ConfigError, match="5 in 1 minute and 50 in 1 hour are two rules"):
        parse_report_rules(options, given, {"ops": None})


def test_a_mistake_in_a_channel_or_a_digest_is_told() -> None:
    options = Options("ReportHandler", {}, (), strict=True)
    for given, message in (
        ({"a": {"webhok": {}}}, "unknown reporter 'webhok', did you mean 'webhook'?"),
        ({"a": {}}, "expected one of callback, webhook"),
        ({"a": {"webhook": {"url": "https://bob:hunter22@x/"}}}, "use a header"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_channels(options, given)
        assert message in str(caught.value)
        assert "hunter22" not in str(caught.value)
    for every, told in ((5, "at least 60 seconds"), ("999999d", "a year is the longest")):
        with pytest.raises(ConfigError, match=told):
            parse_digest(options, {"every": every, "channels": ["a"]}, {"a": None})


APP = """
import logging, logging.config, os, sys, time
from llama_logging import reporting
from llama_logging.reporters import sending
sending.LEASE, sending.FIRST_DELAY, reporting.IDLE_PAUSE = 1.0, 0.2, 0.2
import yaml
logging.config.dictConfig(yaml.safe_load(open("logging.yaml")))
log = logging.getLogger("app")
log.info("ready")
number = sys.argv[1]
groups = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000
for n in range(int(sys.argv[2])):
    log.error(f"failed {number} {n}", extra={"fingerprint": [number, str(n % groups)]})
print("logged", flush=True)
sys.stdin.read()
"""


def configured(channels: dict[str, Any], rules: list[dict[str, Any]], **more: Any) -> None:
    report = {"class": "llama_logging.handlers.ReportHandler", "channels": channels, "rules": rules, **more}
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"registry": {"class": "llama_logging.handlers.RegistryHandler"}, "report": report},
        "root": {"level": "INFO", "handlers": ["registry", "report"]},
    }
    Path("logging.yaml").write_text(json.dumps(config))


def application(number: int, errors: int, groups: int = 1_000) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", APP, str(number), str(errors), str(groups)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return err


def ids(web: Receiver) -> list[str]:
    return [each.headers[ID.lower()] for each in web.received]


def webhook(port: int, **more: Any) -> dict[str, Any]:
    return {
        "webhook": {"url": f"http://127.0.0.1:{port}/", "allow_private": True, "timeout": 5},
        "hourly": 1000,
        **more,
    }


def test_an_application_reports_while_it_runs_and_at_its_end(own_place: Path) -> None:
    with receiver() as web:
        configured({"ops": webhook(web.port)}, [{"when": "new", "channels": ["ops"]}])
        process = application(0, 3)
        assert process.stdout is not None
        process.stdout.readline()
        web.wait(3)
        ended(process)
        # And of one that ends at once: as much as the end of a process may be delayed for.
        assert ended(application(1, 2)) == ""
        web.wait(5)
        assert len(set(ids(web))) == len(web.received) == 5


def test_errors_while_a_channel_is_down_arrive_once_each_after_it_is_back(own_place: Path) -> None:
    """And the channel that is not down has them meanwhile; those who logged them are gone when it is back."""
    down = free_port()
    errors, count, seconds = (10_000, 20, 60) if LONG else (500, 10, 0)
    with receiver() as web:
        configured({"down": webhook(down), "up": webhook(web.port)}, [{"when": "new", "channels": ["down", "up"]}])
        process = application(0, errors, count)
        web.wait(count)
        time.sleep(seconds)
        ended(process)
        with receiver(down) as back:
            process = application(1, 1)
            until(lambda: min(len(back.received), len(web.received)) >= count + 1)
            ended(process)
            assert len(set(ids(back))) == len(back.received) == count + 1
        assert len(set(ids(web))) == len(web.received) == count + 1


def test_none_is_lost_when_the_sender_is_killed(own_place: Path) -> None:
    """Killed while one is under way: that one may come twice, with the same id."""
    count = 60 if LONG else 12
    with receiver() as web:
        web.usual = saying(200)
        configured({"ops": webhook(web.port)}, [{"when": "new", "channels": ["ops"]}])
        process = application(0, count)
        web.wait(3)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        process = application(1, 1)
        until(lambda: len(set(ids(web))) >= count + 1)
        ended(process)
        told = [json.loads(each.body)["error"]["error_message"] for each in web.received]
        assert len(set(told)) == len(set(ids(web))) == count + 1
        assert len(told) <= count + 2


def test_many_processes_send_one_digest_and_keep_to_the_caps(own_place: Path, store_url: urls.StoreURL) -> None:
    processes, errors = (8, 20) if LONG else (4, 5)
    with receiver() as web:
        plan = {"every": "24h", "channels": ["digest"]}
        configured(
            {"ops": webhook(web.port, hourly=7), "digest": webhook(web.port)},
            [{"when": "new", "channels": ["ops"], "name": "fresh"}],
            digest=plan,
        )
        store = open_store(urls.default())
        yesterday = int(datetime.now(UTC).timestamp() // 86_400) - 1
        store.remember("report digest 86400 digest", str(yesterday))
        running = [application(n, errors) for n in range(processes)]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        until(lambda: sum(group.count for group in store.groups(limit=1000)) == processes * errors)
        until(lambda: json.loads(store.recall("report rule fresh") or '{"change": 0}')["change"] >= processes * errors)
        until(lambda: not store.due(datetime.now(UTC)))
        for process in running:
            ended(process)
        store.close()
        kinds = [json.loads(each.body)["kind"] for each in web.received]
        hours = {json.loads(each.body)["created_at"][:13] for each in web.received}
        assert kinds.count("digest") == 1
        assert 7 <= kinds.count("new") <= 7 * len(hours)


def test_what_a_dead_process_has_left_is_reported_by_another(own_place: Path, store_url: urls.StoreURL) -> None:
    """Even if that one never logs an error itself: its first record is enough."""
    with receiver() as web:
        configured({"ops": webhook(web.port)}, [{"when": "new", "channels": ["ops"], "name": "fresh"}])
        ended(application(0, 0))
        code = "from llama_logging.handlers import RegistryHandler; import logging, os, signal\n"
        code += "logging.root.addHandler(RegistryHandler()); logging.error('dying')\n"
        code += "os.kill(os.getpid(), signal.SIGKILL)"
        subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
        process = application(1, 0)
        (received,) = web.wait(1)
        ended(process)
        assert json.loads(received.body)["error"]["error_message"] == "dying"


def test_what_was_sent_is_swept_after_a_week(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "every"})
    add(store, make_context(timestamp=NOON))
    assert sent(made, store, kept["ops"]) == ["every"]
    clock.now = NOON + timedelta(days=6)
    looked(made, store)
    assert len(store.deliveries()) == 1
    clock.now = NOON + timedelta(days=8)
    looked(made, store)
    assert store.deliveries() == []


def test_a_clock_that_was_ahead_makes_rules_and_digests_deaf_for_no_longer(store: Outbox, clock: Clock) -> None:
    plan = DigestPlan(3600.0, ("mail",))
    made, kept = reporting_of(store, clock, {"when": ["2 in 5 minutes", "recovery_failed"]}, plan=plan)
    for key, now in (("ahead", NOON + timedelta(days=400, minutes=1)), ("right", NOON + MINUTE)):
        clock.now = now
        looked(Reporting(lambda: store, made.channels, made.rules, plan, since=now, clock=clock), store)
        context = make_context(timestamp=now)
        add(store, context, *(make_context(timestamp=now, fingerprint=f"v1:{key}") for _ in range(2)))
        store.ingest(Batch(key, 0, 1, [wire.dumps(wire.encode_attempt(attempt(context, OutcomeStatus.FAILED)))]))
        clock.now = now + MINUTE
        assert sorted(sent(made, store, kept["ops"])) == ["frequent", "recovery_failed"]
    clock.now = NOON + HOUR + MINUTE
    assert sent(made, store, kept["mail"], "mail") == ["digest"]


def test_what_has_waited_for_more_than_a_week_is_no_news(store: Outbox, clock: Clock) -> None:
    """Nobody was there to send it, or its channel is no more."""
    made, kept = reporting_of(store, clock, {"when": "every"})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    looked(made, store)
    clock.now = NOON + timedelta(days=8)
    assert sent(made, store, kept["ops"]) == []
    assert [delivery.status for delivery in store.deliveries()] == [GIVEN_UP]


def test_the_end_of_the_process_waits_for_no_locked_registry(own_place: Path, run: Run) -> None:
    """What is to be reported is kept; the thread waits, and the process does not."""
    code = "from llama_logging.stores import sqlite_file; sqlite_file.BUSY_TIMEOUT = 1000.0\n"
    code += "from llama_logging.handlers import RegistryHandler, ReportHandler; import logging\n"
    code += "logging.root.addHandler(RegistryHandler())\n"
    code += "logging.root.addHandler(ReportHandler(channels={'ops': {'command': {'argv': ['true']}}}))\n"
    code += "logging.error('x')"
    locked = SQLiteStore(urls.default())
    locked.forget("")
    with locked._transaction():
        assert run("-c", code).code == 0
    locked.close()


def test_a_registry_that_cannot_be_opened_at_first_is_tried_again(
    store_url: urls.StoreURL, caplog: pytest.LogCaptureFixture
) -> None:
    """The first error of a process may be that there are no descriptors left."""
    opened: list[int] = []

    def opening() -> Outbox:
        opened.append(1)
        if len(opened) < 3:
            raise OSError(errno.EMFILE, "too many open files")
        return open_store(store_url)

    made = Reporting(opening, {}, ())
    made.wake()
    until(lambda: len(opened) > 2)
    made.finish(20)
    assert [record.getMessage() for record in caplog.records] == ["no reports of any rule are made: OSError"]


def test_a_rule_that_fails_holds_up_no_other(
    store: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once, until it goes well again."""
    made, kept = reporting_of(store, clock, {"when": "every", "name": "odd"}, {"when": "new"})

    def fail(*args: object) -> Never:
        raise LookupError("nobody foresaw it")

    with monkeypatch.context() as patched:
        patched.setattr(made._asking, "_of_errors", fail)
        looked(made, store)
        add(store, make_context(timestamp=NOON))
        assert sent(made, store, kept["ops"]) == ["new"]
        told = ["no reports of the rule odd are made: LookupError"]
        assert [record.getMessage() for record in caplog.records] == told
    looked(made, store)
    monkeypatch.setattr(made._asking, "_of_errors", fail)
    looked(made, store)
    assert [record.getMessage() for record in caplog.records] == 2 * told


def test_what_somebody_resolves_is_reported_where_a_rule_asks_for_it(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": ["new", "resolved"]})
    looked(made, store)
    add(store, make_context(timestamp=NOON))
    assert sent(made, store, kept["ops"]) == ["new"]
    store.resolve(make_context().fingerprint, NOON + MINUTE, release="1.1")
    clock.now += HOUR
    assert sent(made, store, kept["ops"]) == ["resolved"]
    (report,) = kept["ops"].reports
    assert report.title == "resolved: ValueError: no such article"
    assert report.text.startswith("resolved: 1.1\n")


def test_the_end_of_the_process_waits_for_no_receiver(own_place: Path, run: Run) -> None:
    code = "from llama_logging.handlers import RegistryHandler, ReportHandler; import logging, time\n"
    code += "logging.root.addHandler(RegistryHandler())\n"
    code += "logging.root.addHandler(ReportHandler(channels={'ops': {'callback': {'function': '__main__.wait'}}}))\n"
    code += "logging.error('x')"
    wait = "def wait(context):\n    import time; time.sleep(1000)\n"
    assert run("-c", wait + code).code == 0


def test_nothing_runs_until_there_is_something_to_run_for(own_place: Path) -> None:
    threads = our_threads()
    handler = ReportHandler(channels={"ops": webhook(9)})
    handler.close()
    assert our_threads() == threads
    assert list(own_place.iterdir()) == []


def test_a_handler_that_was_closed_starts_again_with_the_next_record(own_place: Path) -> None:
    """A second dictConfig closes all handlers it finds, and leaves them where they are."""
    with receiver() as web:
        configured({"ops": webhook(web.port)}, [{"when": "new", "channels": ["ops"]}])
        code = APP.replace('log.info("ready")', 'log.info("ready"); [h.close() for h in logging.root.handlers]')
        process = subprocess.Popen(
            [sys.executable, "-c", code, "0", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        web.wait(2)
        ended(process)


def test_the_first_error_of_all_is_reported_though_the_handler_is_made_for_it(own_place: Path, cli: Run) -> None:
    """Under `run`, by a script that ends right after it; the registry is new, and so is the rule."""
    with receiver() as web:
        configured({"ops": webhook(web.port)}, [{"when": "new", "channels": ["ops"]}])
        done = cli("run", "--", sys.executable, "-c", "import logging; logging.error('the nightly job has failed')")
        assert done.code == 0, done.err
        cli("report", "send", "-c", "logging.yaml")
        web.wait(1)
        assert len(web.received) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_reports_too(own_place: Path) -> None:
    with receiver() as web:
        configured({"ops": webhook(web.port)}, [{"when": "new", "channels": ["ops"]}])
        code = APP.replace("number = sys.argv[1]", "number = str(os.fork() == 0)")
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, "0", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        web.wait(4)
        ended(process)
        assert len(set(ids(web))) == len(web.received) == 4


def test_a_prediction_is_reported_once_with_what_speaks_for_it(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "predicted"})
    looked(made, store)
    add(store, make_context(timestamp=NOON - HOUR))
    store.predicted([make_announcement(NOON, Action.ACTED)])
    assert sent(made, store, kept["ops"]) == ["predicted"]
    (report,) = kept["ops"].reports
    assert report.title == "is predicted: ValueError: no such article"
    assert (
        "within 60 s, p=0.75, usually 0.06; right 15 of the last 20; because 'app: pool at <n>' 2 s ago; "
        "recovery has begun ahead of it" in report.text
    )
    assert report.prediction is not None
    assert report.prediction["prediction"]["probability"] == 0.75
    assert json.loads(json.dumps(report.as_dict()))["prediction"]["action"] == "acted"
    assert report.context is not None
    assert report.context.predicted
    assert report.context.additional_context["llama_logging.predicted"]["horizon"] == 60
    assert sent(made, store, kept["ops"]) == []


def test_a_rule_may_ask_for_a_probability_and_a_horizon(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "predicted", "probability": 0.7, "horizon": "1m"})
    looked(made, store)
    add(store, make_context(timestamp=NOON - HOUR))
    store.predicted([make_announcement(NOON, probability=0.6), make_announcement(NOON, horizon=300.0)])
    assert sent(made, store, kept["ops"]) == []
    store.predicted([make_announcement(NOON, probability=0.7)])
    assert sent(made, store, kept["ops"]) == ["predicted"]


def test_a_prediction_of_any_error_is_for_rules_that_ask_nothing_of_the_error(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "predicted"}, {"when": "predicted", "match": {"class": "OSError"}})
    looked(made, store)
    store.predicted([make_announcement(NOON, group=ANY)])
    assert sent(made, store, kept["ops"]) == ["predicted"]
    (report,) = kept["ops"].reports
    assert report.title.startswith("an error is predicted: within 60 s, p=0.75")
    assert (report.context, report.rule) == (None, "predicted")


def test_a_prediction_of_another_error_or_a_muted_one_is_not_reported(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "predicted"}, {"when": "predicted", "match": {"class": "OSError"}})
    looked(made, store)
    add(store, make_context(timestamp=NOON - HOUR))
    store.mute(make_context().fingerprint, NOON - MINUTE)
    store.predicted([make_announcement(NOON)])
    assert sent(made, store, kept["ops"]) == []


def test_a_prediction_whose_time_is_over_is_no_warning(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "predicted"})
    looked(made, store)
    add(store, make_context(timestamp=NOON - HOUR))
    store.predicted([make_announcement(NOON)])
    clock.now = NOON + 2 * MINUTE
    assert sent(made, store, kept["ops"]) == []


def test_what_was_predicted_before_the_rule_is_not_reported(store: Outbox, clock: Clock) -> None:
    store.predicted([make_announcement(NOON - SECOND)])
    made, kept = reporting_of(store, clock, {"when": "predicted"})
    assert sent(made, store, kept["ops"]) == []


def test_a_rule_that_an_earlier_version_has_looked_for_goes_on(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": ["new", "predicted"], "name": "both"})
    looked(made, store)
    row = "report rule both"
    state = json.loads(store.recall(row))
    del state["prediction"]
    store.remember(row, json.dumps(state))
    add(store, make_context(timestamp=NOON + SECOND))
    assert sent(made, store, kept["ops"]) == ["new"]
    store.predicted([make_announcement(NOON)])
    assert sent(made, store, kept["ops"]) == ["predicted"]


def hourly(store: Outbox, hours: int, fingerprint: str = "v1:steady") -> None:
    """One error in each of so many hours before noon."""
    moments = [NOON - n * HOUR + 7 * MINUTE for n in range(hours, 0, -1)]
    add(store, *(make_context(timestamp=at, fingerprint=fingerprint) for at in moments), journal=fingerprint)


def test_a_group_that_comes_unusually_often_is_reported_once_until_it_is_as_usual(store: Outbox, clock: Clock) -> None:
    made, kept = reporting_of(store, clock, {"when": "unusual"})
    hourly(store, 24 * 14)
    assert sent(made, store, kept["ops"]) == []
    add(store, *(make_context(timestamp=NOON + n * 20 * SECOND, fingerprint="v1:steady") for n in range(60)))
    clock.now = NOON + 21 * MINUTE
    assert sent(made, store, kept["ops"]) == ["unusual"]
    (report,) = kept["ops"].reports
    assert "comes unusually often: 60 within an hour, usually 1 at this hour of the week" in report.text
    clock.now = NOON + 22 * MINUTE
    assert sent(made, store, kept["ops"]) == []
    # Another process learns what it needs from the registry, and knows what was told.
    other, others = reporting_of(store, clock, {"when": "unusual"})
    assert sent(other, store, others["ops"]) == []
    clock.now = NOON + 12 * HOUR
    assert sent(made, store, kept["ops"]) == []
    later = (make_context(timestamp=clock.now + n * 20 * SECOND, fingerprint="v1:steady") for n in range(60))
    add(store, *later, journal="later")
    clock.now += 21 * MINUTE
    assert sent(made, store, kept["ops"]) == ["unusual"]


def test_what_is_unusual_is_seen_by_a_process_whose_clock_was_ahead(store: Outbox) -> None:
    hourly(store, 24 * 14)
    found = Unusual()
    assert found.look(store, NOON + 12 * HOUR) == {}
    add(store, *(make_context(timestamp=NOON + n * 20 * SECOND, fingerprint="v1:steady") for n in range(60)))
    assert list(found.look(store, NOON + 21 * MINUTE)) == ["v1:steady"]


def test_whoever_looks_comes_to_the_same_answer_whenever_they_began_to(store: Outbox) -> None:
    hourly(store, 24 * 14)
    add(store, *(make_context(timestamp=NOON + n * 7 * MINUTE, fingerprint="v1:steady") for n in range(5)))
    always = Unusual()
    for n in range(150):
        always.look(store, NOON + n * MINUTE)
        if n % 49 == 48:
            newcomer = Unusual()
            newcomer.look(store, NOON + n * MINUTE)
            sums = [one._paces["v1:steady"]._sum for one in (always, newcomer)]
            assert sums[0] == pytest.approx(sums[1])


def test_one_who_looked_before_a_late_journal_came_in_does_not_have_it_reported_twice(
    store: Outbox, clock: Clock
) -> None:
    hourly(store, 24 * 14)
    made, kept = reporting_of(store, clock, {"when": "unusual"})
    clock.now = NOON + 21 * MINUTE
    assert sent(made, store, kept["ops"]) == []
    add(store, *(make_context(timestamp=NOON + n * 20 * SECOND, fingerprint="v1:steady") for n in range(60)))
    other, others = reporting_of(store, clock, {"when": "unusual"})
    assert sent(other, store, others["ops"]) == ["unusual"]
    for _ in range(3):
        clock.now += MINUTE
        assert sent(made, store, kept["ops"]) == sent(other, store, others["ops"]) == []


def test_what_was_unusual_before_the_rule_and_what_is_new_is_not(store: Outbox, clock: Clock) -> None:
    hourly(store, 24 * 14)
    add(store, *(make_context(timestamp=NOON - n * 20 * SECOND, fingerprint="v1:steady") for n in range(60)))
    add(store, *(make_context(timestamp=NOON - n * 20 * SECOND, fingerprint="v1:new") for n in range(60)), journal="n")
    made, kept = reporting_of(store, clock, {"when": "unusual"})
    clock.now = NOON + MINUTE
    assert sent(made, store, kept["ops"]) == []


def test_the_digest_names_first_what_came_most(store: Outbox) -> None:
    """Of many new groups it names ten, and the storm is not to be missing because it came last."""
    few = [make_context(timestamp=NOON, fingerprint=f"v1:few{n}") for n in range(TOP + 5)]
    add(store, *few, *(make_context(timestamp=NOON + MINUTE, fingerprint="v1:storm") for _ in range(9)))
    told = digest(store, NOON - HOUR, NOON + HOUR)
    assert (told.new_count, len(told.new)) == (TOP + 6, TOP)
    assert (told.new[0].fingerprint, told.new[0].count) == ("v1:storm", 9)


def test_the_digest_tells_of_predictions_and_how_they_came_out(store: Outbox) -> None:
    add(store, make_context(timestamp=NOON - HOUR))
    hit, miss, acted = (make_announcement(NOON + n * MINUTE) for n in range(3))
    store.predicted([hit, miss, replace(acted, action=Action.ACTED, fate=Fate.CENSORED)])
    store.predicted([make_announcement(NOON, group=ANY), make_announcement(NOON + 2 * HOUR)])
    store.resolve_predictions([ending(hit, Fate.HIT, 12.0), ending(miss, Fate.MISS)])
    told = digest(store, NOON - HOUR, NOON + HOUR)
    assert [sum(foreseen.fates.values()) for foreseen in told.foreseen] == [3, 1]
    came = "1 came true, 1 did not, 1 nobody can know of, 12 s ahead on average, 1 were acted on"
    assert f"ValueError: no such article: {came}" in as_text(told)
    assert "<h2>Predictions</h2>" in as_html(told)
    assert json.loads(json.dumps(told.as_dict()))["foreseen"][0]["fates"] == {"hit": 1, "miss": 1, "censored": 1}
