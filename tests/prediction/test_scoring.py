import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llama_logging.prediction.scoring import average_precision, calibration_error, log_loss, wilson
from llama_logging.prediction.tally import Tally

PAIRS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=50)


def test_the_order_of_equal_scores_does_not_matter() -> None:
    pairs = [(0.5, True), (0.5, False), (0.5, False), (0.5, True)]

    assert average_precision(pairs) == average_precision(pairs[::-1]) == 0.5


def test_a_perfect_ranking_has_an_average_precision_of_one() -> None:
    assert average_precision([(0.9, True), (0.8, True), (0.2, False)]) == 1.0


@given(PAIRS)
def test_scores_stay_within_their_bounds(pairs: list[tuple[float, bool]]) -> None:
    assert 0.0 <= average_precision(pairs) <= 1.0 + 1e-12
    assert 0.0 <= calibration_error(pairs) <= 1.0
    assert all(0.0 < log_loss(*pair) < 9.3 for pair in pairs)


@example(0, 47)
@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share(hits: int, more: int) -> None:
    low, high = wilson(hits, hits + more)

    assert 0.0 <= low <= hits / (hits + more) <= high <= 1.0


def test_a_tally_tells_what_all_decisions_would() -> None:
    dice = random.Random(3)
    tally, pairs = Tally(), []
    for _ in range(20_000):
        said = dice.betavariate(0.3, 3.0)
        followed = dice.random() < said
        pairs.append((said, followed))
        assert tally.add(said, followed) == pytest.approx(log_loss(said, followed))

    skill = tally.skill("predictor")

    assert skill.average_precision == pytest.approx(average_precision(pairs), abs=0.01)
    assert skill.calibration_error == pytest.approx(calibration_error(pairs), abs=0.003)
    assert skill.log_loss == pytest.approx(sum(log_loss(*pair) for pair in pairs) / len(pairs))


def test_a_tally_that_went_through_json_says_the_same() -> None:
    tally = Tally()
    for said in (0.1, 0.5, 0.9):
        tally.add(said, said > 0.3)

    assert Tally.restored(tally.state()).skill("") == tally.skill("")
