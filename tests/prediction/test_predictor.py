from __future__ import annotations

import json
import logging
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_logging.prediction.forecast import Fate, Observation, Prediction
from llama_logging.prediction.forecaster import Window
from llama_logging.prediction.predictor import Predictor
from tests.prediction.streams import START, announced, error, record


def watched(predictor: Predictor) -> list[tuple[float, float, bool]]:
    """For each window of the first horizon: when it was opened, when it was learned, and as what."""
    learned: list[tuple[float, float, bool]] = []

    def watch(window: Window, followed: bool) -> None:
        learned.append((window.at - START, predictor.stream.last - START, followed))

    predictor.forecasters[0].watch = watch
    return learned


def said(predictor: Predictor, at: float) -> list[float]:
    """All probabilities there are at *at*, of any error and of groups."""
    found: list[float] = []
    for forecaster in predictor.forecasters:
        window, _ = forecaster._look(START + at)
        for view in (window.any, *window.groups.values()):
            found += view.said
    return found


def run(predictor: Predictor, hours: float) -> list[Prediction]:
    return [prediction for observation in announced(hours) for prediction in predictor.observe(observation)]


def test_no_window_is_learned_before_its_outcome_is_known() -> None:
    """Positive at the error, not before; negative when a horizon has passed, not before."""
    predictor = Predictor(horizons=(60.0,))
    errors = [100.0, 130.0, 400.0, 401.0, 1000.0]
    now = 0.0
    learned: list[tuple[float, float, bool]] = []

    def watch(window: Window, followed: bool) -> None:
        learned.append((window.at - START, now, followed))

    predictor.forecasters[0].watch = watch
    for step in range(1200):
        now = float(step)
        predictor.observe(error(now) if now in errors else record(now))

    assert len(learned) > 500
    for at, when, followed in learned:
        within = [moment for moment in errors if at < moment <= at + 60.0]
        assert followed == bool(within)
        assert when == within[0] if within else when > at + 60.0


def test_an_error_at_the_very_moment_of_a_decision_is_not_foreseen_by_it() -> None:
    predictor = Predictor(horizons=(60.0,))
    learned = watched(predictor)
    predictor.observe(record(0.0))
    predictor.observe(error(0.0))
    predictor.advance(START + 400.0)

    assert (0.0, False) in [(at, followed) for at, _, followed in learned]


def test_time_that_passes_without_records_brings_decisions_for_six_horizons() -> None:
    predictor = Predictor(horizons=(60.0,))
    learned = watched(predictor)
    predictor.observe(record(0.0))
    predictor.advance(START + 10_000.0)

    assert max(at for at, _, _ in learned) == pytest.approx(360.0, abs=3.0)
    assert len(learned) == pytest.approx(120, abs=2)


def test_ticks_between_records_are_the_same_as_ticks_of_a_timer() -> None:
    one, other = Predictor(), Predictor()
    for step in range(20):
        at = step * 100.0
        observation = error(at) if step % 5 == 4 else record(at)
        one.observe(observation)
        for tick in range(1, 100, 7):
            other.advance(START + at - 100.0 + tick)
        other.observe(observation)

    assert said(one, 2000.0) == said(other, 2000.0)


def test_censored_windows_are_neither_learned_nor_scored() -> None:
    predictor = Predictor(horizons=(60.0,))
    learned = watched(predictor)
    predictor.observe(record(0.0))
    predictor.observe(record(10.0))
    predictor.censor(START + 10.0)
    predictor.observe(error(12.0))

    assert learned == []
    assert predictor.quality()[0].decisions == 0


def test_a_censored_group_leaves_the_others_known() -> None:
    predictor = Predictor(horizons=(60.0,))
    for at, name in ((0.0, "app: one"), (100.0, "app: other")):
        predictor.observe(error(at, name))
    predictor.observe(record(200.0))
    before = {quality.group: quality.decisions for quality in predictor.quality()}
    predictor.censor(START + 200.0, "app: one")
    predictor.advance(START + 262.0)
    after = {quality.group: quality.decisions for quality in predictor.quality()}

    assert after["app: one"] == before["app: one"]
    assert after[""] == before[""]
    assert after["app: other"] > before["app: other"]


def test_what_begins_while_an_action_may_keep_errors_away_is_neither_learned_nor_scored() -> None:
    predictor = Predictor(horizons=(60.0,))
    learned = watched(predictor)
    for at, name in ((0.0, "app: one"), (100.0, "app: other")):
        predictor.observe(error(at, name))
    predictor.observe(record(200.0))
    before = {quality.group: quality.decisions for quality in predictor.quality()}
    predictor.censor(START + 200.0, "app: one", START + 260.0)
    for step in range(201, 261):
        predictor.observe(record(float(step)))
    predictor.observe(error(261.0, "app: one"))

    assert not [at for at, _, _ in learned if 140.0 < at <= 260.0]
    after = {quality.group: quality.decisions for quality in predictor.quality()}
    assert (after[""], after["app: one"]) == (before[""], before["app: one"])
    assert after["app: other"] > before["app: other"]


def test_what_announces_an_error_that_is_averted_does_not_become_harmless() -> None:
    """Each time that it is announced something keeps it away, and the announcement stays as likely to be right."""
    predictor = Predictor(horizons=(300.0,))
    averted = 0.0
    moments = []
    for observation in announced(120.0):
        if observation.level < logging.ERROR or observation.at > averted:
            for prediction in predictor.observe(observation):
                moments.append(prediction.at)
                averted = prediction.at + prediction.horizon
                predictor.censor(prediction.at, "app: failed", averted)

    assert len([at for at in moments if at > START + 60 * 3600.0]) > 150


def test_the_usual_rate_of_a_group_is_the_share_of_its_decisions_that_it_followed() -> None:
    """However many more decisions there are of any error: each second one, and of groups one in three."""
    predictor = Predictor(horizons=(60.0,))
    for step in range(4 * 3600):
        predictor.observe(error(float(step)) if step % 600 == 599 else record(float(step)))
    (group,) = predictor.forecasters[0].groups.values()
    told = predictor.quality()[1]

    assert told.group == "app: failed"
    assert group.simple.base() == pytest.approx(told.positives / told.decisions, rel=0.01)


def test_what_announces_errors_is_learned_and_named() -> None:
    predictions = run(Predictor(horizons=(300.0,)), 60.0)
    late = [prediction for prediction in predictions if not prediction.group and prediction.at > START + 40 * 3600.0]
    warned = [prediction.precursors for prediction in late if prediction.precursors[0].age < 100.0]

    assert len(warned) > 20
    # The others before there was a warning: after half an hour, an error is likely by itself.
    assert {precursors[0].template for precursors in warned} == {"db.pool: slow"}
    assert all(prediction.probability > prediction.threshold > prediction.usual for prediction in late)


def test_it_is_silent_until_it_has_seen_enough() -> None:
    predictor = Predictor(horizons=(300.0,))

    assert run(predictor, 8.0) == []
    assert predictor.quality()[0].why.endswith("errors seen")
    assert not predictor.quality()[0].trusted


def test_every_prediction_is_resolved_and_a_hit_knows_its_lead() -> None:
    predictor = Predictor(horizons=(300.0,))
    predictions = run(predictor, 60.0)
    predictor.advance(START + 70 * 3600.0)
    resolutions = predictor.resolutions()

    assert {resolution.prediction_id for resolution in resolutions} == {
        prediction.prediction_id for prediction in predictions
    }
    hits = [resolution for resolution in resolutions if resolution.fate is Fate.HIT]
    assert len(hits) > 0.8 * len(resolutions)
    assert all(resolution.lead is not None and 0.0 < resolution.lead <= 300.0 for resolution in hits)
    assert predictor.resolutions() == []


def test_a_new_release_must_earn_its_trust_anew() -> None:
    predictor = Predictor(horizons=(300.0,))
    run(predictor, 60.0)
    assert predictor.quality()[0].trusted

    predictor.renewed()

    assert not predictor.quality()[0].trusted


def test_of_a_copy_the_track_record_and_the_trust_are_anothers() -> None:
    predictor = Predictor(horizons=(300.0,))
    run(predictor, 60.0)
    copy = Predictor.restored(predictor.state(), predictor.stream.last, horizons=(300.0,))
    copy.disown()

    assert copy.resolutions() == []
    for told in copy.quality():
        assert (told.decisions, told.onsets, told.announced, told.median_lead, told.trusted) == (0, 0, 0, None, False)
    assert copy.forecasters[0].additive.state() != Predictor(horizons=(300.0,)).forecasters[0].additive.state()


def test_a_new_release_is_noticed_by_its_templates() -> None:
    predictor = Predictor(horizons=(300.0,))
    run(predictor, 60.0)
    at = predictor.stream.last - START
    for step in range(60):
        predictor.observe(record(at + step, f"app: new {step}"))

    assert not predictor.quality()[0].trusted


def test_texts_that_are_new_each_time_are_no_new_release() -> None:
    """As of an application that puts names into its texts before it logs them."""
    dice, predictor = random.Random(3), Predictor(horizons=(300.0,))
    for observation in announced(60.0):
        predictor.observe(observation)
        if dice.random() < 0.5:
            name = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=9))
            predictor.observe(Observation(at=observation.at, level=logging.INFO, template=f"app: welcome {name}"))

    assert predictor.quality()[0].trusted


def test_errors_out_of_nothing_are_not_announced() -> None:
    dice, predictor, at, predictions = random.Random(7), Predictor(), 0.0, 0
    while at < 2 * 86400.0:
        at += dice.expovariate(1 / 40.0)
        predictions += len(predictor.observe(error(at) if dice.random() < 0.01 else record(at)))

    assert predictions == 0


def test_a_state_that_went_through_json_predicts_the_same() -> None:
    predictor = Predictor()
    run(predictor, 20.0)
    now = predictor.stream.last
    again = Predictor.restored(json.loads(json.dumps(predictor.state())), now)

    assert again.state() == predictor.state()
    assert said(again, now - START + 30.0) == pytest.approx(said(predictor, now - START + 30.0), rel=1e-3, abs=1e-5)


def test_after_a_long_absence_counts_stay_and_sources_go() -> None:
    predictor = Predictor()
    run(predictor, 20.0)
    again = Predictor.restored(predictor.state(), predictor.stream.last + 86400.0)

    assert not again.stream.recent
    assert again.quality()[0].decisions == predictor.quality()[0].decisions


def test_time_in_which_nobody_looked_brings_no_decisions() -> None:
    before = Predictor(horizons=(60.0,))
    for step in range(100):
        before.observe(record(float(step)))
    after = Predictor.restored(before.state(), START + 300.0, horizons=(60.0,))
    learned = watched(after)
    after.observe(record(300.0))
    after.advance(START + 500.0)

    assert len(learned) > 10
    assert min(at for at, _, _ in learned) >= 300.0


def test_after_a_clock_that_was_ahead_it_goes_on_from_now() -> None:
    before = Predictor(horizons=(60.0,))
    run(before, 12.0)
    before.observe(error(1e8))
    now = before.stream.last - 5e7
    after = Predictor.restored(before.state(), now, horizons=(60.0,))
    learned = watched(after)
    for step in range(200):
        after.observe(Observation(at=now + step, level=logging.INFO, template="app: works"))

    assert len(learned) > 100
    assert after.stream.clock.began <= now


def test_what_was_announced_before_a_restart_is_censored() -> None:
    predictor = Predictor(horizons=(300.0,), min_precision=0.0)
    predictor.forecasters[0].account.announce("an-id", START)
    again = Predictor.restored(predictor.state(), START, horizons=(300.0,))

    assert [(resolution.prediction_id, resolution.fate) for resolution in again.resolutions()] == [
        ("an-id", Fate.CENSORED)
    ]


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        Predictor.restored({"version": 99}, START)


def test_a_state_of_other_horizons_is_refused() -> None:
    with pytest.raises(ValueError, match="horizons"):
        Predictor.restored(Predictor(horizons=(60.0,)).state(), START)


@pytest.mark.parametrize("horizons", [(), (0.0,), (math.inf,), (math.nan,)])
def test_horizons_that_make_no_sense_are_refused(horizons: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="horizons"):
        Predictor(horizons=horizons)


MOMENTS = st.one_of(
    st.floats(0.0, 5000.0), st.sampled_from([0.0, 1e9, -1e9, 1e18, math.inf, -math.inf, math.nan, 1e300])
)
HOSTILE = st.lists(
    st.builds(
        Observation,
        at=MOMENTS,
        level=st.sampled_from([-5, 0, logging.INFO, logging.WARNING, logging.ERROR, 10**6]),
        template=st.sampled_from(["", "a", "a: b", "c: d", "e" * 10_000]),
        group=st.sampled_from(["", "one", "other"]),
        numbers=st.lists(st.floats(), max_size=6).map(tuple),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(HOSTILE)
def test_whatever_comes_probabilities_stay_probabilities(observations: list[Observation]) -> None:
    predictor = Predictor(min_precision=0.0, groups=1)
    for observation in observations:
        predictor.observe(observation)
        predictor.advance(observation.at)
    now = predictor.stream.last if predictor.stream.records else START

    assert all(0.0 <= chance <= 1.0 for chance in said(predictor, now - START + 1.0))
    json.dumps(predictor.state(), allow_nan=False)


def test_what_is_remembered_is_bounded() -> None:
    predictor = Predictor(templates=50, keys=400, groups=4)
    for step in range(3000):
        observation = error(step * 7.0, f"app{step}: {step}") if step % 3 == 0 else record(step * 7.0, f"x: {step}")
        predictor.observe(observation)

    assert len(predictor.stream.known) == 50
    assert len(predictor.stream.loggers) <= 1000
    for forecaster in predictor.forecasters:
        assert len(forecaster.logistic.weights) + len(forecaster.additive.cells) <= 200
        assert len(forecaster.groups) == len(forecaster.numbers) == 4
        assert len(forecaster.open) <= 100


def test_a_gauge_that_was_full_is_not_expected_to_fail_again_before_it_is_read() -> None:
    """A pool fills within the hour, is read each half minute, fails 20 s after it was full, and is empty then."""
    predictor, at = Predictor(horizons=(300.0,)), 0.0
    forecaster = predictor.forecasters[0]
    added: list[tuple[float, float]] = []
    for _ in range(40):
        for step in range(100):
            at += 30.0
            predictor.observe(record(at, "db.pool: %d of 100 in use", logging.INFO, step))
        before = forecaster.open[-1].experts[2]
        predictor.observe(error(at + 20.0, "db.pool: exhausted"))
        added.append((before, forecaster.open[-1].experts[2]))

    before, after = added[-1]
    assert after < 0.2 < 0.6 < before, (before, after)


def test_a_new_gauge_on_its_first_way_up_is_not_taken_to_be_full_all_the_while() -> None:
    """A pool fills within the hour and fails; then the pool of a new name does, that was never higher than now."""
    predictor, at = Predictor(horizons=(300.0,)), 0.0
    forecaster = predictor.forecasters[0]

    def fill(name: str) -> list[float]:
        nonlocal at
        added = []
        for step in range(100):
            at += 30.0
            predictor.observe(record(at, f"{name}: %d of 100 in use", logging.INFO, step))
            added.append(forecaster.open[-1].experts[2])
        predictor.observe(error(at + 20.0, f"{name}: exhausted"))
        return added

    for _ in range(20):
        known = fill("db.pool")
    first, second = fill("db.pool2"), fill("db.pool2")

    assert known[-1] > 0.6
    assert max(first) < 0.3
    assert second[-1] > 0.6


def test_what_was_announced_and_came_is_not_expected_again() -> None:
    """A warning comes 30 to 240 s ahead of an error, of which there is one; asked a minute after the warning."""
    dice, predictor, at = random.Random(1), Predictor(horizons=(300.0,)), 0.0
    forecaster = predictor.forecasters[0]
    added: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(200):
        at += 3600.0
        predictor.observe(record(at, "db.pool: slow", logging.WARNING))
        fails, asked = at + dice.uniform(30.0, 240.0), at + 60.0
        if fails < asked:
            predictor.observe(error(fails))
        predictor.observe(record(asked))
        added[fails < asked].append(forecaster.open[-1].experts[2])
        if fails > asked:
            predictor.observe(error(fails))

    came, comes = (sum(found[-10:]) / 10 for found in (added[True], added[False]))
    assert came < 0.4 < 0.6 < comes, (came, comes)
