import pytest

from llama_logging.prediction.evaluation import NAMES, Replay, evaluate
from llama_logging.prediction.predictor import Predictor
from tests.prediction.streams import announced


def test_what_is_announced_is_predicted_better_than_by_any_baseline() -> None:
    (evaluation,) = evaluate(announced(60.0), horizons=(300.0,))
    ours, *others = evaluation.scores

    assert [score.name for score in evaluation.scores] == list(NAMES)
    assert ours.average_precision > max(other.average_precision for other in others)
    assert ours.log_loss < min(other.log_loss for other in others)


def test_the_first_fifth_is_not_scored() -> None:
    replay = Replay(Predictor(horizons=(300.0,)))
    replay.run(announced(20.0))
    (evaluation,) = replay.evaluations()

    assert evaluation.decisions == pytest.approx(0.8 * len(replay.decisions[300.0]), abs=1)


def test_the_counts_of_the_predictor_itself_agree_with_the_exact_ones() -> None:
    replay = Replay(Predictor(horizons=(300.0,)))
    replay.run(announced(20.0))
    decisions = replay.decisions[300.0]
    (quality,) = [quality for quality in replay.predictor.quality() if not quality.group]

    assert quality.decisions == len(decisions)
    assert quality.positives == sum(decision.followed for decision in decisions)


def test_a_replay_says_how_far_it_is() -> None:
    told: list[int] = []
    evaluate(announced(1.0), progress=told.append)

    assert told == list(range(1, len(told) + 1))
