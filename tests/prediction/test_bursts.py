import random

from llama_logging.prediction.bursts import Burst, Bursts

HOUR = 3600.0
DAY = 24 * HOUR


def usual(bursts: Bursts, days: float, seed: int = 1) -> tuple[float, list[Burst]]:
    """An error an hour for *days*; when the last came, and the alarms."""
    dice, at, alarms = random.Random(seed), 1.75e9, []
    end = at + days * DAY
    while at < end:
        at += dice.expovariate(1 / HOUR)
        burst = bursts.observe("g", at)
        if burst is not None:
            alarms.append(burst)
    return at, alarms


def delay(factor: float, seed: int) -> float:
    """Seconds until errors *factor* times as fast are seen."""
    bursts, dice = Bursts(), random.Random(seed)
    began, _ = usual(bursts, 30, seed)
    at = began
    while bursts.observe("g", at := at + dice.expovariate(factor / HOUR)) is None:
        pass
    return at - began


def test_a_usual_month_brings_two_false_alarms_at_most() -> None:
    counts = [len(usual(Bursts(), 30, seed)[1]) for seed in range(20)]

    assert sum(counts) / len(counts) <= 2.0


def test_ten_times_the_rate_is_seen_within_half_an_hour() -> None:
    delays = [delay(10.0, seed) for seed in range(20)]

    assert sum(delays) / len(delays) <= 1800.0


def test_sixty_times_the_rate_is_seen_within_five_minutes() -> None:
    delays = [delay(60.0, seed) for seed in range(20)]

    assert sum(delays) / len(delays) <= 300.0


def test_a_burst_is_told_once() -> None:
    bursts = Bursts()
    at, _ = usual(bursts, 10)

    told = [bursts.observe("g", at + second) for second in range(100)]

    assert sum(burst is not None for burst in told) == 1


def test_a_rate_that_stays_becomes_the_usual_one() -> None:
    bursts = Bursts()
    at, _ = usual(bursts, 10)
    late = []
    for step in range(14 * 24 * 10):
        burst = bursts.observe("g", at + step * 360.0)
        if step > 7 * 24 * 10:
            late.append(burst)

    assert not any(late)


def test_a_clock_set_back_does_no_harm() -> None:
    bursts = Bursts()
    bursts.observe("g", 2e9)

    assert bursts.observe("g", 1e9) is None


def test_groups_without_end_are_bounded() -> None:
    bursts = Bursts()
    for number in range(2000):
        bursts.observe(f"g{number}", 1e9 + number)

    assert len(bursts._watches) == 256
