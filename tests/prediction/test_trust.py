from llama_logging.prediction.trust import Gate


def make_gate(**options: float) -> Gate:
    return Gate(
        60.0,
        target_precision=options.get("target_precision", 0.6),
        min_precision=options.get("min_precision", 0.3),
        errors=30,
        alerts=20,
        baselines=1,
    )


def live(gate: Gate, rounds: int, hit: bool, ours: float = 0.1, base: float = 0.2, start: float = 0.0) -> None:
    """Rounds of 200 s: an alert, and an error 30 s later, or none."""
    for turn in range(rounds):
        at = start + turn * 200.0
        gate.pass_time(at)
        gate.decide(at, 0.001, quiet=True)
        gate.settle([ours, base], 1.0)
        gate.decide(at + 1.0, 0.9, quiet=True)
        if hit:
            gate.fail(at + 30.0, quiet=True)
        gate.pass_time(at + 100.0)


def test_a_gate_opens_once_all_is_earned() -> None:
    gate = make_gate()
    live(gate, 29, hit=True)
    assert gate.why() == "29 of 30 errors seen"

    live(gate, 1, hit=True, start=10_000.0)

    assert gate.why() == ""


def test_a_gate_stays_shut_for_what_a_baseline_does_as_well() -> None:
    gate = make_gate()
    live(gate, 50, hit=True, ours=0.2, base=0.1)

    assert gate.why() == "no better than the simplest predictors"


def test_a_gate_shuts_again_when_alerts_come_to_nothing() -> None:
    gate = make_gate()
    live(gate, 50, hit=True)
    live(gate, 200, hit=False, start=20_000.0)

    assert "too seldom" in gate.why()


def test_there_is_one_alert_until_the_probability_fell_or_an_error_came() -> None:
    gate = make_gate()
    alerts = [gate.decide(step * 10.0, 0.99, quiet=True) for step in range(50)]
    gate.pass_time(1000.0)
    assert sum(alerts) == 1

    gate.decide(1000.0, 0.0001, quiet=True)

    assert gate.decide(1100.0, 0.99, quiet=True)


def test_there_is_no_alert_just_after_an_error() -> None:
    assert not make_gate().decide(0.0, 0.99, quiet=False)


def test_a_threshold_that_brings_too_many_false_alerts_a_day_is_not_chosen() -> None:
    """A low one would catch all; but it cries each time."""
    gate = make_gate(target_precision=0.1)
    for turn in range(400):
        at = turn * 200.0
        gate.pass_time(at)
        gate.decide(at, 0.001, quiet=True)
        gate.settle([0.1, 0.2], 3.0)
        worth = turn % 10 == 0
        gate.decide(at + 1.0, 0.9 if worth else 0.3, quiet=True)
        if worth:
            gate.fail(at + 30.0, quiet=True)
        gate.pass_time(at + 100.0)

    assert gate.threshold > 0.3


def test_a_censored_alert_counts_for_nothing() -> None:
    gate = make_gate()
    gate.decide(0.0, 0.99, quiet=True)
    gate.censor()
    gate.pass_time(1000.0)

    assert gate.alerts == 0
