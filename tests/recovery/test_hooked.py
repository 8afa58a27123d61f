from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import pytest

from llama_logging.recovery import apart
from llama_logging.recovery.probes import as_probe
from llama_logging.recovery.strategy import Deadline
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import Patient, attempt, failed, make, napping, tried

HOOKED = {
    "db.reconnect": ("dispose", "check"),
    "process.restart": ("factory", "health"),
    "reload_config": ("reload", "check"),
}

patient, another = Patient(), Patient()


@pytest.fixture(params=HOOKED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def given(name: str, mend: str = "treat") -> dict[str, Any]:
    options = zip(HOOKED[name], (f"{__name__}:patient.{mend}", f"{__name__}:patient.is_well"), strict=True)
    return dict(options)


def test_it_is_mended_and_verified(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "patient", Patient())
    assert attempt(make(name, **given(name))).status is OutcomeStatus.RECOVERED
    assert patient.notes == ["looked at", "treated", "looked at"]


def test_what_works_already_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "patient", Patient(well=True))
    remedy = attempt(make(name, **given(name)))
    assert (remedy.status, remedy.detail) == (OutcomeStatus.RECOVERED, "it works already")
    assert patient.notes == ["looked at"]


treated = threading.Event()


def hang_until_treated() -> bool:
    return treated.wait(60)


def test_a_probe_that_hangs_as_what_it_asks_does_keeps_that_not_from_being_mended(name: str) -> None:
    """As the check of a pool all of whose connections are dead hangs, until they are dropped."""
    treated.clear()
    mend, probe = HOOKED[name]
    options = {mend: f"{__name__}:treated.set", probe: f"{__name__}.hang_until_treated"}
    assert attempt(make(name, **options), timeout=3).status is OutcomeStatus.RECOVERED


def test_of_a_probe_that_never_comes_to_an_end_few_looks_are_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    treated.clear()
    monkeypatch.setattr(apart, "MOST", 4)
    probe = as_probe(f"{__name__}.hang_until_treated")
    told = [probe(Deadline(0.01)) for _ in range(4 + 2)]
    assert told == ["the probe gave no answer in time"] * 4 + [told[-1]] * 2
    assert "do not come to an end" in told[-1]
    treated.set()


def test_what_does_not_help_has_failed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "patient", Patient(treatments=2))
    remedy = tried(make(name, **given(name)), failed(), napping(monkeypatch, 5))
    assert remedy.status is OutcomeStatus.FAILED
    assert "the probe said no" in remedy.detail
    assert patient.notes.count("treated") == 1


def test_what_a_function_raises_is_a_failure_and_says_no_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "patient", Patient())
    remedy = attempt(make(name, **given(name, "harm")))
    assert remedy.status is OutcomeStatus.FAILED
    assert "Patient.harm: ValueError: password=[redacted]" in remedy.detail


def test_a_coroutine_function_will_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "patient", Patient())
    assert attempt(make(name, **given(name, "treat_later"))).status is OutcomeStatus.RECOVERED


@pytest.mark.parametrize(("state", "acts"), [("08006", True), ("57P01", True), ("25006", True), ("23505", False)])
def test_only_what_a_new_connection_cures_is_reconnected(
    state: str, acts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "patient", Patient())
    remedy = attempt(make("db.reconnect", **given("db.reconnect")), failed(attributes={"sqlstate": state}))
    assert ("treated" in patient.notes) is acts
    assert (remedy.status is OutcomeStatus.RECOVERED) is acts
    assert acts or remedy.detail == "SQLSTATE 23505 does not come from the connection"


def test_the_same_of_two_objects_is_about_two_things(name: str) -> None:
    """Two databases have two pools, and what helped the one says nothing of the other."""
    mend, probe = HOOKED[name]
    scopes = {
        make(name, **{mend: f"{__name__}:{one}.treat", probe: f"{__name__}:{one}.is_well"}).scope
        for one in ("patient", "another")
    }
    assert len(scopes) == 2


class Pool:
    """A pool of processes of an application."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.processes = ProcessPoolExecutor(1, get_context("spawn"))

    def works(self) -> bool:
        return self.processes.submit(abs, -1).result(30) == 1


def test_a_pool_whose_process_was_killed_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool()
    monkeypatch.setitem(globals(), "pool", pool)
    with pytest.raises(BrokenProcessPool):
        pool.processes.submit(os._exit, 1).result(60)
    restart = make("process.restart", factory=f"{__name__}:pool.renew", health=f"{__name__}:pool.works")
    remedy = attempt(restart, timeout=60)
    assert remedy.status is OutcomeStatus.RECOVERED
    assert pool.works()
    pool.processes.shutdown()
