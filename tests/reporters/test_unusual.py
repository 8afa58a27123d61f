from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from llama_logging.reporters.unusual import KNOWN_FOR, Pace

HOUR, DAY, WEEK = 60, 1440, 10_080


class History:
    """A group's minutes, drawn at random.

    Args:
        hourly: Errors in an hour, by the minute.
        size: Errors of one failure.
    """

    def __init__(self, hourly: Callable[[int], float], size: int = 1, seed: int = 1) -> None:
        self.pace = Pace(0)
        self._hourly, self._size = hourly, size
        self._chance = random.Random(seed)
        self.minute = 0
        self.alarms: list[int] = []

    def live(self, minutes: int, times: float = 1.0) -> int | None:
        """Let so many pass, at so many times the rate; after how many it was unusual first, None if never."""
        found = None
        for passed in range(minutes):
            self.minute += 1
            before = self.pace.is_unusual(self.minute)
            # At most one failure a minute at these rates.
            if self._chance.random() < times * self._hourly(self.minute) / HOUR:
                self.pace.count(self.minute, self._size)
            if self.pace.is_unusual(self.minute):
                found = passed if found is None else found
                if not before:
                    self.alarms.append(self.minute)
        return found


def one_an_hour(minute: int) -> float:
    return 1.0


@pytest.mark.parametrize("hourly", [1.0, 10.0])
def test_what_comes_as_usual_is_seldom_called_unusual(hourly: float) -> None:
    """However often it comes: in thirty days each, after two weeks."""
    alarms = [len(_lived(seed, hourly).alarms) for seed in range(6)]
    assert sum(alarms) / len(alarms) < 4


def _lived(seed: int, hourly: float) -> History:
    history = History(lambda minute: hourly, seed=seed)
    history.live(2 * WEEK)
    history.alarms.clear()
    history.live(30 * DAY)
    return history


@pytest.mark.parametrize(("times", "soon"), [(10.0, 90), (40.0, 20)])
def test_the_more_there_are_the_sooner_it_is_found(times: float, soon: int) -> None:
    for seed in range(5):
        history = History(one_an_hour, seed=seed)
        history.live(2 * WEEK)
        found = history.live(6 * HOUR, times)
        assert found is not None
        assert found <= soon


def test_what_the_hour_of_the_week_leads_to_expect_is_not_unusual() -> None:
    """Twenty in one hour of Tuesday, each week: the fifth time is as usual; on another day it is not."""

    def on_tuesdays(minute: int) -> float:
        return 20.0 if minute // HOUR % 168 == 34 else 0.1

    history = History(on_tuesdays)
    history.live(4 * WEEK)
    history.alarms.clear()
    history.live(WEEK)
    assert history.alarms == []
    assert history.live(HOUR, 200.0) is not None


def test_what_chance_brought_to_an_hour_of_the_week_is_not_its_rate() -> None:
    history = History(one_an_hour)
    history.live(2 * WEEK)
    usual = {history.pace.told(history.minute + hour * HOUR).split()[-7] for hour in range(24)}
    assert {0.8 < float(rate) < 1.25 for rate in usual} == {True}


def test_one_failure_that_is_logged_many_times_is_one() -> None:
    history = History(one_an_hour, size=50, seed=4)
    history.live(2 * WEEK)
    history.alarms.clear()
    history.live(WEEK)
    assert len(history.alarms) <= 2
    history.pace.count(history.minute + 1, 50 * 10)
    assert history.pace.is_unusual(history.minute + 1)


def test_of_a_new_group_nothing_is_expected() -> None:
    pace = Pace(0)
    for minute in range(1, 30):
        pace.count(minute, 10)
    assert not pace.is_unusual(30)
    assert KNOWN_FOR == DAY


def test_it_is_over_when_it_is_as_usual_again() -> None:
    history = History(one_an_hour)
    history.live(2 * WEEK)
    assert history.live(2 * HOUR, 40.0) is not None
    assert history.pace.is_unusual(history.minute)
    assert not history.pace.is_unusual(history.minute + 3 * HOUR)


def test_it_is_told_how_many_came_and_how_many_usually_do() -> None:
    history = History(one_an_hour)
    history.live(4 * WEEK)
    history.live(HOUR, 30.0)
    lately, usual = history.pace.told(history.minute).split(" within an hour, usually ")
    assert 15 <= int(lately) <= 45
    assert 0.3 < float(usual.split()[0]) < 3
