"""From records to what is announced, written down and done; with the predictor as it is."""

from __future__ import annotations

import logging
import logging.config
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llama_logging import process
from llama_logging.context import ErrorContext
from llama_logging.handlers import PredictionHandler, RecoveryHandler, RegistryHandler
from llama_logging.opening import open_registry
from llama_logging.pipeline import flush
from llama_logging.predicting import books
from llama_logging.predicting.acting import Acting, Decision
from llama_logging.prediction.forecast import ANY, Fate, Prediction
from llama_logging.prediction.ledger import Action, Announcement
from llama_logging.recovery import active
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import urls
from tests.conftest import Run
from tests.stores.test_ledger import make_announcement

BEGIN = 1_750_000_000.0
QUICK = {"inline": True, "horizons": 60, "shadow": {"errors": 10, "alerts": 5}}
"""Trust is earned within some twenty errors."""
averted: list[ErrorContext] = []


class PoolExhausted(Exception):
    pass


def avert(context: ErrorContext) -> str:
    averted.append(context)
    return "averted"


class Traffic:
    """What an application logs: every few minutes a warning and, half a minute later, an error.

    Args:
        doomed: Whether the error follows its warning.
    """

    def __init__(self, at: float = BEGIN) -> None:
        self.at = at
        self.chance = random.Random(7)
        self.doomed: Callable[[], bool] = lambda: True

    def log(self, level: int, message: str, *args: object, after: float = 0.0, error: Exception | None = None) -> None:
        self.at += after
        info = (type(error), error, error.__traceback__) if error is not None else None
        record = logging.LogRecord("app", level, "app.py", 1, message, args, info)
        record.created = self.at
        logging.getLogger("app").handle(record)

    def bout(self) -> None:
        """From two minutes to a quarter of an hour."""
        for _ in range(self.chance.randrange(4, 40)):
            self.log(logging.INFO, "checked out in %d ms", self.chance.randrange(20), after=self.chance.uniform(20, 30))
        self.log(logging.WARNING, "no connection is free", after=20)
        for _ in range(self.chance.randrange(5, 10)):
            # Time passes with records alone, and kinds of error are looked at every three seconds.
            self.log(logging.INFO, "checked out in %d ms", self.chance.randrange(20), after=4)
            active.current().finish(5)
        if self.doomed():
            try:
                raise PoolExhausted("no connection left")
            except PoolExhausted as error:
                self.log(logging.ERROR, "cannot check out", after=1, error=error)
        self.log(logging.INFO, "pool renewed", after=60)

    def bouts(self, count: int) -> None:
        for _ in range(count):
            self.bout()


@pytest.fixture
def made() -> Iterator[Callable[..., PredictionHandler]]:
    """Makes a predicting handler behind a registry's, at the root."""
    handlers: list[PredictionHandler] = []

    def make(**options: Any) -> PredictionHandler:
        handlers.append(PredictionHandler(**{**QUICK, **options}))
        logging.root.addHandler(handlers[-1])
        return handlers[-1]

    averted.clear()
    logging.root.setLevel(logging.INFO)
    logging.root.addHandler(RegistryHandler())
    yield make
    for handler in handlers:
        handler.close()


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


def registry() -> Outbox:
    flush()
    return open_registry(urls.default())


def announcements(group: str | None = None) -> list[Announcement]:
    store = registry()
    found = store.predictions(limit=1000, group=group)
    store.close()
    return found


def told(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name == "llama_logging.prediction" and one.levelno == level]


def test_nothing_is_announced_before_it_is_trusted(made: Any, traffic: Traffic, caplog: Any) -> None:
    made()
    traffic.bouts(8)
    assert told(caplog) == []
    assert announcements() == []


def test_an_error_is_announced_ahead_of_it_with_what_speaks_for_it(made: Any, traffic: Traffic, caplog: Any) -> None:
    made()
    traffic.bouts(60)
    latest: Any = [one for one in told(caplog) if one.__dict__["group"] == ANY][-1]
    assert latest.getMessage().startswith("error predicted: ")
    assert "within 60s" in latest.getMessage()
    assert any("no connection is free" in one["template"] for one in latest.precursors)
    assert latest.horizon == 60
    assert latest.probability > 3 * latest.usual
    assert {one.prediction.prediction_id for one in announcements()} == {
        one.__dict__["prediction_id"] for one in told(caplog)
    }


def test_it_is_said_before_anything_is_done_about_it(
    made: Any, traffic: Traffic, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done tells of itself, from another thread."""
    decided: list[tuple[str, str]] = []
    decide = Acting.decide

    def seen(acting: Acting, prediction: Prediction) -> Decision:
        decided.append((prediction.prediction_id, told(caplog)[-1].__dict__["prediction_id"]))
        return decide(acting, prediction)

    monkeypatch.setattr(Acting, "decide", seen)
    made()
    traffic.bouts(60)
    assert len(decided) > 10
    assert all(this == last_told for this, last_told in decided)


def test_the_registry_knows_which_error_it_was(made: Any, traffic: Traffic) -> None:
    made()
    traffic.bouts(60)
    store = registry()
    errors = {error.error_id: error for error in store.errors(limit=100)}
    hits = [one for one in store.predictions(limit=1000) if one.fate is Fate.HIT]
    store.close()
    assert len(hits) > 10
    for hit in hits:
        came = errors[hit.error_id]
        assert hit.lead is not None
        assert came.timestamp.timestamp() == pytest.approx(hit.prediction.at + hit.lead, abs=0.01)
        assert hit.prediction.group in (ANY, came.fingerprint)
        assert hit.process == process.current().process
    assert {hit.prediction.group for hit in hits} == {ANY, next(iter(errors.values())).fingerprint}


def test_a_group_is_called_by_what_people_know_of_it(made: Any, traffic: Traffic, caplog: Any) -> None:
    made()
    traffic.bout()
    flush()  # here hours pass within the second after which its first error is in the registry
    traffic.bouts(59)
    assert {one.getMessage().partition("error predicted: ")[2].partition(" within")[0] for one in told(caplog)} == {
        "any error",
        "PoolExhausted: no connection left",
    }


def test_announcements_feed_neither_the_registry_nor_the_predictor(made: Any, traffic: Traffic, caplog: Any) -> None:
    handler = made()
    traffic.bouts(60)
    assert told(caplog)
    store = registry()
    assert {group.error_type for group in store.groups()} == {"PoolExhausted"}
    store.close()
    assert "error predicted" not in str(handler.watch.shift.learner.predictor.state())


def test_it_is_heard_though_dictconfig_disables_what_it_finds(traffic: Traffic, caplog: Any) -> None:
    entry = {"class": "llama_logging.handlers.PredictionHandler", **QUICK}
    for _ in range(2):
        logging.config.dictConfig(
            {"version": 1, "handlers": {"p": entry}, "root": {"level": "INFO", "handlers": ["p"]}}
        )
    logging.getLogger("app").disabled = False
    logging.root.addHandler(caplog.handler)
    traffic.bouts(60)
    assert told(caplog)
    for handler in logging.root.handlers:
        if isinstance(handler, PredictionHandler):
            handler.close()


def test_a_gate_that_closes_is_told_of_once(made: Any, traffic: Traffic, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    handler = made()
    traffic.bouts(60)
    open_before = sum(quality.trusted for quality in handler.watch.shift.learner.predictor.quality())
    caplog.clear()
    handler.watch.shift.learner.predictor.renewed()
    traffic.bouts(4)
    closed = [one.getMessage() for one in told(caplog, logging.INFO)]
    assert len(closed) == len(set(closed)) == open_before > 0
    assert all("within 60s are no longer announced: " in one and "errors seen" in one for one in closed)


def test_quality_is_kept_where_other_processes_find_it(made: Any, traffic: Traffic) -> None:
    made()
    traffic.bouts(60)
    store = registry()
    (of_any,) = [rating for rating in store.prediction_quality() if rating.quality.group == ANY]
    store.close()
    assert of_any.quality.onsets > 10
    assert of_any.quality.skills[0].name == "predictor"
    assert of_any.at <= datetime.fromtimestamp(traffic.at, UTC)


def test_what_is_predicted_is_acted_on_but_for_a_control(made: Any, traffic: Traffic) -> None:
    """What was acted on is censored; whether the error came all the same, the registry knows."""
    rule = {
        "name": "pool",
        "when": "predicted",
        "match": {"class": "PoolExhausted"},
        "ladder": ["tests.prediction.test_watch.avert"],
    }
    logging.root.addHandler(RecoveryHandler(rules=[rule]))
    made(min_precision={"act": 0.4}, control=0.3)
    random.seed(3)
    treated: list[int] = []

    def doomed() -> bool:
        before, treated[:] = len(treated), [0] * len(averted)
        return len(treated) == before

    traffic.doomed = doomed
    traffic.bouts(120)
    store = registry()
    store.settle_predictions(datetime.fromtimestamp(traffic.at, UTC))
    found = [one for one in store.predictions(limit=1000) if one.prediction.group]
    arms = {arm.action: arm for arm in store.prediction_arms() if arm.group}
    tries = store.recent_attempts(1000)
    store.close()
    acted = [one for one in found if one.action is Action.ACTED]
    assert {one.prediction.prediction_id for one in acted} == {context.error_id for context in averted}
    assert {one.fate for one in acted} == {Fate.CENSORED}
    assert {attempt.error_id for attempt in tries} == {context.error_id for context in averted}
    assert all(context.predicted for context in averted)
    assert arms[Action.ACTED].announced > 20
    assert arms[Action.ACTED].followed == 0
    assert arms[Action.CONTROL].announced > 5
    assert arms[Action.CONTROL].followed > arms[Action.CONTROL].announced / 2


def test_what_the_registry_does_not_take_waits(
    own_place: Path, made: Any, traffic: Traffic, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again as time passes, and here none does: the records have a time of their own."""
    monkeypatch.setattr(books, "RETRY_AFTER", 0.0)
    (own_place / "later").write_text("in the place of a folder")
    handler = made(store=f"sqlite:///{own_place}/later/errors.db", state=str(own_place / "state-of-it"))
    traffic.bouts(60)
    announced = len(told(caplog))
    assert announced > 5
    assert handler.watch.shift.books.failure is not None
    (own_place / "later").unlink()
    traffic.bout()
    store = open_registry(urls.parse(f"sqlite:///{own_place}/later/errors.db"))
    assert len(store.predictions(limit=1000)) == len(told(caplog)) >= announced
    store.close()


def test_a_new_release_has_trust_to_earn(
    own_place: Path, made: Any, traffic: Traffic, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(release: str) -> int:
        monkeypatch.setenv("SENTRY_RELEASE", release)
        process._known.clear()
        handler = made()
        before = len(told(caplog))
        traffic.bouts(4)
        handler.close()
        logging.root.removeHandler(handler)
        return len(told(caplog)) - before

    monkeypatch.setenv("SENTRY_RELEASE", "one")
    process._known.clear()
    first = made()
    traffic.bouts(60)
    first.close()
    logging.root.removeHandler(first)
    assert run("one") > 0
    assert run("two") == 0
    monkeypatch.undo()
    process._known.clear()


LEARNING = """
import logging, sys, time
from tests.prediction.test_watch import QUICK, Traffic
from llama_logging.handlers import PredictionHandler, RegistryHandler
logging.root.setLevel("INFO")
logging.root.addHandler(RegistryHandler())
handler = PredictionHandler(**QUICK)
logging.root.addHandler(handler)
traffic = Traffic(float(sys.argv[1]))
traffic.bouts(int(sys.argv[2]))
"""
ROOT = str(Path(__file__).parents[2])


def test_a_killed_process_is_succeeded_by_one_that_is_trusted_at_once(own_place: Path, run: Run) -> None:
    code = LEARNING + "handler.watch.shift.save(); print('saved', flush=True); time.sleep(60)"
    command = [sys.executable, "-W", "ignore", "-c", code, str(BEGIN), "60"]
    env = {**os.environ, "PYTHONPATH": ROOT}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"saved\n"
        first.send_signal(signal.SIGKILL)
    before = len(announcements())
    done = run("-W", "ignore", "-c", LEARNING, str(BEGIN + 90 * 620), "2", PYTHONPATH=ROOT)
    assert done.code == 0, done.err
    assert len(announcements()) > before


def test_it_works_with_every_store(any_url: urls.StoreURL, traffic: Traffic, own_place: Path) -> None:
    logging.root.setLevel(logging.INFO)
    handler = PredictionHandler(**QUICK, store=any_url.url)
    logging.root.addHandler(RegistryHandler(store=any_url.url))
    logging.root.addHandler(handler)
    traffic.bouts(60)
    handler.close()
    flush()
    store = open_registry(any_url)
    hits = [one for one in store.predictions(limit=1000) if one.fate is Fate.HIT]
    assert len(hits) > 10
    assert store.find(hits[0].error_id).error_type == "PoolExhausted"
    assert store.prediction_quality()
    store.close()
    (kept,) = own_place.rglob("*.prediction/*.json")
    assert kept.parent.parent == (own_place if any_url.path else own_place / "state" / "journal")


def test_two_processes_on_one_registry_keep_apart(own_place: Path) -> None:
    env = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-W", "ignore", "-c", LEARNING, str(BEGIN), "60"]
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL, env=env) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    store = registry()
    roles = {rating.role for rating in store.prediction_quality()}
    processes = {one.process for one in store.predictions(limit=1000)}
    store.close()
    assert len(processes) == len(roles) == 2
    assert len(list(own_place.glob("*.prediction/*.json"))) == 2


def test_what_is_open_when_it_closes_is_censored(made: Any, traffic: Traffic) -> None:
    handler = made()
    traffic.bouts(60)
    before = len(announcements())
    traffic.log(logging.INFO, "checked out in %d ms", 3, after=300)
    traffic.log(logging.WARNING, "no connection is free", after=20)
    handler.close()
    latest = announcements()[: -before or None]
    assert latest
    assert {one.fate for one in latest} == {Fate.CENSORED}


def test_a_record_from_the_future_does_not_stop_the_clock(made: Any) -> None:
    handler = made(inline=False, tick=60)
    record = logging.LogRecord("app", logging.INFO, "", 1, "x", (), None)
    record.created = time.time() + 1e6
    logging.getLogger("app").handle(record)
    handler.watch.shift.step(time.time())
    assert handler.watch.shift.learner.now <= time.time()


def test_a_clock_that_is_set_right_is_followed(made: Any, traffic: Traffic, caplog: Any) -> None:
    made()
    traffic.bouts(60)
    caplog.clear()
    traffic.log(logging.INFO, "checked out in %d ms", 3, after=1e7)
    traffic.log(logging.INFO, "checked out in %d ms", 3, after=-1e7)
    traffic.bouts(10)
    assert told(caplog)
    latest = announcements()[: len(told(caplog))]
    assert all(one.prediction.at < traffic.at for one in latest)
    assert Fate.HIT in {one.fate for one in latest}


def test_what_another_process_has_announced_is_left_to_it(made: Any, traffic: Traffic) -> None:
    handler = made()
    traffic.bouts(60)
    traffic.doomed = lambda: False
    while not handler.watch.shift.learner.predictor.forecasters[0].account.pending:
        traffic.log(logging.WARNING, "no connection is free", after=20)
    handler.watch.shift.save()
    mine = handler.watch.shift.learner.predictor.forecasters[0].account.pending.prediction_id
    newcomer = PredictionHandler(**QUICK)
    newcomer.handle(logging.LogRecord("app", logging.INFO, "", 1, "x", (), None))
    newcomer.close()
    assert {one.prediction.prediction_id: one.fate for one in announcements()}[mine] is Fate.PENDING


def test_what_a_dead_process_has_left_open_is_censored(made: Any, traffic: Traffic) -> None:
    handler = made()
    traffic.bout()
    store = registry()
    left = make_announcement(datetime.fromtimestamp(traffic.at, UTC))
    store.predicted([left])
    store.close()
    traffic.bout()
    assert handler.watch.shift.books.failure is None
    found = {one.prediction.prediction_id: one.fate for one in announcements()}
    assert found[left.prediction.prediction_id] is Fate.CENSORED


def test_what_comes_before_anybody_could_look_is_no_warning(made: Any, traffic: Traffic, caplog: Any) -> None:
    """Inline, and with nothing logged in between, the hour that foretells an error passes only with the error."""
    made()
    traffic.bouts(60)
    leads = [one.lead for one in announcements() if one.lead is not None]
    moments = {one.__dict__["prediction_id"]: one.created for one in told(caplog)}
    assert leads
    assert min(leads) > 0
    assert moments.keys() == {one.prediction.prediction_id for one in announcements()}


def test_time_goes_on_by_itself_where_nothing_is_logged(made: Any, caplog: Any) -> None:
    """Off the records' own clock: the thread ticks."""
    handler = made(inline=False, tick=0.05)
    logging.getLogger("app").info("one")
    deadline = time.monotonic() + 20
    while handler.watch.shift.learner is None and time.monotonic() < deadline:
        time.sleep(0.01)
    while handler.watch.shift.learner.now < time.time() - 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    first = handler.watch.shift.learner.now
    while handler.watch.shift.learner.now == first and time.monotonic() < deadline:
        time.sleep(0.01)
    assert handler.watch.shift.learner.now > first
