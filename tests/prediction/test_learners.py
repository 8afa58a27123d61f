"""The parts of the predictor, each alone."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging.prediction.additive import Additive, Source
from llama_logging.prediction.blending import Mixture
from llama_logging.prediction.clock import Clock
from llama_logging.prediction.features import Stream
from llama_logging.prediction.gauges import Gauge
from llama_logging.prediction.leads import Leads
from llama_logging.prediction.logistic import Logistic, sigmoid
from llama_logging.prediction.scoring import log_loss
from tests.prediction.streams import error

HOUR = 3600.0


def test_an_additive_hazard_gives_each_source_its_own_errors() -> None:
    """One source is always on and causes nothing; the other causes an error four times in five."""
    dice, additive = random.Random(1), Additive()
    always, cause = (256, 256, 256, None), (65536 + 512, 512, 512, None)
    for turn in range(4000):
        sources = [always, cause] if turn % 10 == 0 else [always]
        additive.learn(sources, turn % 10 == 0 and dice.random() < 0.8)

    assert additive.theta(cause) > 20 * additive.theta(always)


def test_what_stands_alone_brings_as_many_errors_as_were_seen() -> None:
    """Nineteen of twenty windows; all that the coarser key takes from that is what 40 exposures of it are worth."""
    additive, source = Additive(), (1 << 16 | 512, 512, 512, None)
    for turn in range(400):
        additive.learn([source], turn % 20 != 0)

    assert 0.9 < -math.expm1(-additive.theta(source)) < 0.95


@pytest.mark.parametrize(("fails", "low", "high"), [(True, 0.35, 0.5), (False, 0.0, 0.02)])
def test_what_a_gauge_does_at_its_bound_tells_of_where_it_never_was(fails: bool, low: float, high: float) -> None:
    additive = Additive()

    def source(place: int, chance: float) -> Source:
        return 1 << 16 | 512 | place, 1 << 16 | 768 | place, 1 << 16 | 768 | place, (1 << 16 | 1024, 1024, chance)

    for turn in range(200):
        additive.learn([source(9, 0.9)], fails and turn % 10 != 0)

    assert low < -math.expm1(-additive.theta(source(5, 0.45))) < high


def test_errors_of_a_group_are_expected_where_its_sources_are() -> None:
    additive = Additive()
    one, other = (1 << 16 | 512, 512, 512, None), (2 << 16 | 512, 512, 512, None)
    for _ in range(50):
        for source, group in ((one, 1), (other, 2)):
            additive.learn([source], True)
            additive.attribute([source], additive.shares([source]), group)

    expected = additive.expected([one], [1.0])

    assert set(expected) == {1}
    assert expected[1] == pytest.approx(1.0, abs=0.1)


def test_a_regression_learns_which_key_tells() -> None:
    logistic = Logistic()
    for turn in range(2000):
        logistic.learn([1, 2] if turn % 2 else [1], bool(turn % 2))

    assert sigmoid(logistic([1, 2])) > 0.7 > 0.4 > sigmoid(logistic([1]))


def test_weights_are_bounded() -> None:
    logistic = Logistic(keys=100)
    for key in range(5000):
        logistic.learn([key], True)

    assert len(logistic.weights) <= 100


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.booleans()), max_size=200))
def test_a_mixture_is_never_much_worse_than_its_best(turns: list[tuple[float, float, bool]]) -> None:
    """It loses the logarithm of how many there are, and what is spread."""
    mixture, losses = Mixture(2, speed=1.0), [0.0, 0.0, 0.0]
    for one, other, followed in turns:
        for index, said in enumerate((mixture((one, other)), one, other)):
            losses[index] += log_loss(said, followed)
        mixture.learn((one, other), followed)

    assert losses[0] <= min(losses[1:]) + 0.7 + 1e-3 * len(turns)


def test_a_clock_knows_the_job_that_fails_each_hour() -> None:
    clock = Clock()
    for hour in range(48):
        clock.fail(hour * HOUR + 900.0)

    assert clock.expected(48 * HOUR + 800.0, 300.0) == pytest.approx(1.0, abs=0.1)
    assert clock.expected(48 * HOUR + 1000.0, 300.0) == 0.0


def test_a_clock_sees_nothing_in_chance() -> None:
    dice, clock, at = random.Random(4), Clock(), 0.0
    while at < 20 * 24 * HOUR:
        at += dice.expovariate(1 / (4 * HOUR))
        clock.fail(at)

    moments = [clock.expected(at + step * 60.0, 300.0) for step in range(24 * 60)]

    assert sum(moments) / len(moments) < 0.03


def test_what_grows_is_a_gauge_and_what_jumps_about_is_none() -> None:
    dice = random.Random(2)
    climbing, jumping = Gauge(1, "", 0.0, 0.0), Gauge(2, "", 0.0, 0.0)
    for step in range(200):
        climbing.add(step * 30.0, step * 0.5 + dice.gauss(0, 0.3))
        jumping.add(step * 30.0, dice.randrange(10**6))

    assert (climbing.is_steady, jumping.is_steady) == (True, False)


def test_a_gauge_reaches_its_bound_the_likelier_the_nearer_and_the_later() -> None:
    """It climbs by one each half minute, give or take, and is full at a hundred."""
    dice, gauge, at, level = random.Random(1), Gauge(1, "", 0.0, 0.0), 0.0, 0.0
    chances: dict[int, tuple[float, float]] = {}
    for _ in range(2000):
        at += 30.0
        level = level + dice.gauss(1.0, 0.5) if level < 100.0 else 0.0
        gauge.add(at, level)
        chances[int(level) // 10] = gauge.chance(at, 60.0), gauge.chance(at, 600.0)
    assert all(soon <= late for soon, late in chances.values())
    assert chances[5] < (0.01, 0.01)
    assert chances[9][1] > 0.9


def test_what_changes_within_no_time_has_no_speed() -> None:
    gauge = Gauge(1, "", 0.0, 1.0)
    for at, value in ((1e-200, 1e14), (2e-200, -1e14), (1.0, 1.0), (2.0, 2.0)):
        gauge.add(at, value)
    assert all(map(math.isfinite, (gauge.slope, gauge.trend, gauge.spread)))
    assert 0.0 <= gauge.chance(2.0, 60.0) <= 1.0


def test_a_gauge_nears_its_bound() -> None:
    gauge = Gauge(1, "", 0.0, 0.0)
    for climb in range(3):
        for step in range(101):
            gauge.add(climb * 6000.0 + step * 30.0, float(step))
    bins = []
    for step in range(0, 100, 5):
        gauge.add(20000.0 + step * 30.0, float(step))
        bins.append(gauge.bin(20000.0 + step * 30.0))

    assert bins[-1] > bins[10] > 32


def test_of_occurrences_that_led_to_errors_the_lead_is_known() -> None:
    leads = Leads()
    for _ in range(10):
        leads.add(100.0, True)

    assert leads.chance(0.0, 60.0, 0.0)[0] == 0.0
    assert leads.chance(50.0, 60.0, 0.0)[0] > 0.9
    assert leads.chance(150.0, 60.0, 0.0) == (0.0, 0)


def test_an_error_that_comes_again_ended_its_own_occurrence_before() -> None:
    stream = Stream((60.0,), 40, 100)
    for turn in range(4):
        stream.add(error(500.0 * turn))
    leads = stream.known["app: failed"].leads

    assert leads is not None
    assert leads.failed == [True, True, True]
    assert leads.chance(450.0, 60.0, 0.1)[0] > 0.7
