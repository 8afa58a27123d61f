"""The contract of prediction.ledger.Ledger; every store must pass it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from llama_logging import wire
from llama_logging.ids import new_id
from llama_logging.prediction.forecast import ANY, Fate, Precursor, Prediction, Quality, Resolution, Skill
from llama_logging.prediction.ledger import KEPT, Action, Announcement, Arm, Ending
from llama_logging.registry.intake import Batch
from llama_logging.registry.origins import Origin
from llama_logging.registry.outbox import Outbox
from llama_logging.retention import Retention
from llama_logging.stores import open_store, urls
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import NOON, make_context
from tests.stores.test_origins import arrive, error_in
from tests.stores.test_outbox import attempt
from tests.stores.test_store import add

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
GROUP = "v1:0123456789abcdef"


@pytest.fixture
def store(any_url: urls.StoreURL) -> Iterator[Outbox]:
    opened = open_store(any_url)
    yield opened
    opened.close()


def make_prediction(at: datetime = NOON, **changes: Any) -> Prediction:
    values: dict[str, Any] = {
        "prediction_id": new_id(),
        "at": at.timestamp(),
        "horizon": 60.0,
        "group": GROUP,
        "probability": 0.75,
        "usual": 0.0625,
        "persistence": 0.125,
        "hazard": 0.25,
        "threshold": 0.5,
        "hits": 15,
        "announced": 20,
        "precursors": (Precursor(template="app: pool at <n>", age=1.5, share=0.75),),
        **changes,
    }
    return Prediction(**values)


def make_announcement(at: datetime = NOON, action: Action = Action.NONE, **changes: Any) -> Announcement:
    return Announcement(
        prediction=make_prediction(at, **changes), action=action, host="h", service="shop", process="1f"
    )


def make_quality(**changes: Any) -> Quality:
    skill = Skill(name="predictor", average_precision=0.5, log_loss=0.25, calibration_error=0.125)
    values: dict[str, Any] = {
        "horizon": 60.0, "group": ANY, "decisions": 100, "positives": 10, "skills": (skill,), "onsets": 8,
        "foreseen": 6, "announced": 9, "hits": 7, "precision_low": 0.4, "precision_high": 0.9,
        "false_alarms_per_day": 2.0, "median_lead": 12.0, "trusted": True, **changes,
    }  # fmt: skip
    return Quality(**values)


def ending(announcement: Announcement, fate: Fate, lead: float | None = None, error_id: str = "") -> Ending:
    return Ending(Resolution(prediction_id=announcement.prediction.prediction_id, fate=fate, lead=lead), error_id)


def _tried(name: str, announcement: Announcement) -> RecoveryAttempt:
    tried = attempt(make_context(fingerprint=announcement.prediction.group), OutcomeStatus.RECOVERED)
    return replace(tried, attempt_id=name, error_id=announcement.prediction.prediction_id)


def fates(store: Outbox) -> list[str]:
    return [announcement.fate.value for announcement in store.predictions()]


def test_what_was_announced_is_found_whole(store: Outbox) -> None:
    announcement = make_announcement()
    store.predicted([announcement])
    assert store.predictions() == [announcement]


def test_told_again_it_is_one_and_what_was_done_about_it_is_the_latest(store: Outbox) -> None:
    announcement = make_announcement()
    store.predicted([announcement, replace(announcement, action=Action.ACTED, fate=Fate.CENSORED)])
    (found,) = store.predictions()
    assert (found.action, found.fate) == (Action.ACTED, Fate.CENSORED)


def test_what_became_of_it_is_said_once(store: Outbox) -> None:
    announcement = make_announcement()
    store.predicted([announcement])
    store.resolve_predictions([ending(announcement, Fate.HIT, 12.5, "e1")])
    store.resolve_predictions([ending(announcement, Fate.MISS)])
    store.predicted([announcement])
    (found,) = store.predictions()
    assert (found.fate, found.lead, found.error_id) == (Fate.HIT, 12.5, "e1")


def test_they_come_latest_first_and_by_group(store: Outbox) -> None:
    store.predicted([make_announcement(NOON + n * MINUTE, group=group) for n, group in enumerate((GROUP, ANY, GROUP))])
    assert [a.prediction.at for a in store.predictions(group=GROUP)] == [NOON.timestamp() + 120, NOON.timestamp()]
    assert len(store.predictions(group=ANY)) == 1
    assert len(store.predictions(since=NOON + MINUTE)) == 2
    assert len(store.predictions(limit=1)) == 1


def test_they_can_be_followed_as_they_arrive(store: Outbox) -> None:
    before, after = make_announcement(NOON - HOUR), make_announcement()
    store.predicted([before])
    position = store.prediction_position(NOON)
    store.predicted([after])
    (found,) = store.predictions_after(position)
    assert found[1] == after
    assert store.predictions_after(found[0]) == []
    assert store.prediction_position(NOON - HOUR) == 0


def test_one_whose_process_is_gone_is_censored_after_its_time(store: Outbox) -> None:
    store.predicted([make_announcement(NOON), make_announcement(NOON + MINUTE)])
    assert store.settle_predictions(NOON + MINUTE + SECOND) == 1
    assert fates(store) == ["pending", "censored"]


def test_the_registry_tells_after_which_the_error_came(store: Outbox) -> None:
    """Whatever was done about them: of those that were acted on, nobody else could. Of the service alone."""
    came, other = error_in(Origin("shop"), 30 / 3600), error_in(Origin("shop"), 5, fingerprint="v1:other")
    arrive(store, came, other, *(error_in(Origin("api"), at) for at in (20 / 3600, 50 / 3600, 5 - 1 / 7200)))
    store.predicted(
        [
            make_announcement(NOON, Action.CONTROL),
            make_announcement(NOON + 40 * SECOND, Action.ACTED),
            make_announcement(NOON, Action.ACTED, horizon=300.0),
            make_announcement(NOON + 5 * HOUR - SECOND, Action.ACTED),
            make_announcement(NOON + 5 * HOUR - SECOND, group=ANY),
        ]
    )
    assert store.settle_predictions(NOON + 6 * HOUR) == 5
    assert store.prediction_arms() == [
        Arm(group=ANY, horizon=60.0, action=Action.NONE, announced=1, followed=1),
        Arm(group=GROUP, horizon=60.0, action=Action.ACTED, announced=2, followed=0),
        Arm(group=GROUP, horizon=60.0, action=Action.CONTROL, announced=1, followed=1),
        Arm(group=GROUP, horizon=300.0, action=Action.ACTED, announced=1, followed=1),
    ]
    assert [a.error_id for a in store.predictions(group=GROUP) if a.action is Action.CONTROL] == [came.error_id]
    assert [a.error_id for a in store.predictions(group=ANY)] == [other.error_id]


def test_a_hit_counts_as_followed_though_the_registry_does_not_have_the_error(store: Outbox) -> None:
    announcement = make_announcement()
    store.predicted([announcement])
    store.resolve_predictions([ending(announcement, Fate.HIT, 1.0)])
    store.settle_predictions(NOON + HOUR)
    assert [(arm.announced, arm.followed) for arm in store.prediction_arms()] == [(1, 1)]


def test_old_ones_go_with_the_details_of_errors_and_with_what_was_tried_for_them(store: Outbox) -> None:
    old, new = make_announcement(NOON - 48 * HOUR), make_announcement(NOON)
    store.predicted([old, new])
    frames = [wire.dumps(wire.encode_attempt(_tried(name, one))) for name, one in (("a", old), ("b", new))]
    store.ingest(Batch("j", 0, 1, frames))
    store.prune(Retention(period=86_400.0), NOON, 100)
    assert store.predictions() == [new]
    assert [tried.attempt_id for tried in store.recent_attempts()] == ["b"]


def test_what_was_predicted_of_a_group_is_deleted_with_it(store: Outbox) -> None:
    """And what was tried for it, and how good it was."""
    add(store, make_context(fingerprint=GROUP))
    its, other = make_announcement(), make_announcement(group="v1:other")
    store.predicted([its, other])
    frames = [wire.dumps(wire.encode_attempt(_tried(name, one))) for name, one in (("a", its), ("b", other))]
    store.ingest(Batch("told", 0, 1, frames))
    store.rate_predictions("app", NOON, [make_quality(group=GROUP), make_quality(group="v1:other")])
    assert store.delete(GROUP, limit=10)
    assert store.predictions() == [other]
    assert [tried.attempt_id for tried in store.recent_attempts()] == ["b"]
    assert [rating.quality.group for rating in store.prediction_quality()] == ["v1:other"]


def test_what_was_tried_ahead_of_an_error_is_no_recovery_from_it(store: Outbox) -> None:
    """Neither does it count as one that failed, nor for what a strategy has done for the group."""
    ahead = make_announcement()
    store.predicted([ahead])
    failed = replace(_tried("a", ahead), status=OutcomeStatus.FAILED)
    context = make_context()
    frames = [wire.dumps(wire.encode_attempt(one)) for one in (failed, attempt(context, OutcomeStatus.FAILED))]
    store.ingest(Batch("j", 0, 1, frames))
    assert [error_id for error_id, _ in store.unhealed(NOON - HOUR, NOON + HOUR)] == [context.error_id]
    assert [record.tried for record in store.records(failed.fingerprint)] == [1]


def test_only_the_newest_are_kept(store: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llama_logging.stores.ledger.KEPT", 3)
    store.predicted([make_announcement(NOON + n * SECOND) for n in range(5)])
    store.settle_predictions(NOON + HOUR)
    assert len(store.predictions()) == 3
    assert KEPT == 10_000


def test_of_each_day_the_last_word_on_quality_counts(store: Outbox) -> None:
    store.rate_predictions("app-0", NOON, [make_quality(), make_quality(group=GROUP)])
    store.rate_predictions("app-0", NOON + HOUR, [make_quality(hits=8)])
    store.rate_predictions("app-0", NOON + 30 * HOUR, [make_quality(hits=9)])
    store.rate_predictions("app-1", NOON, [make_quality(hits=1, median_lead=None)])
    assert [(r.role, r.quality.group, r.quality.hits, r.at) for r in store.prediction_quality()] == [
        ("app-0", ANY, 9, NOON + 30 * HOUR),
        ("app-0", GROUP, 7, NOON),
        ("app-1", ANY, 1, NOON),
    ]
    assert store.prediction_quality()[1].quality == make_quality(group=GROUP)
    assert len(store.prediction_quality(since=NOON + HOUR)) == 1


def test_several_processes_announce_at_once(any_url: urls.StoreURL) -> None:
    def announce() -> None:
        opened = open_store(any_url)
        for _ in range(10):
            opened.predicted([make_announcement()])
        opened.close()

    threads = [threading.Thread(target=announce) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    opened = open_store(any_url)
    assert len(opened.predictions(limit=100)) == 40
    opened.close()
