"""The plug-in, as the tests of an application use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Finished, Run

APP = """
import logging

log = logging.getLogger("shop")

def buy(fail=True):
    try:
        if fail:
            raise LookupError("no such article")
    except LookupError as error:
        log.exception("cannot buy")
        return error
"""


@pytest.fixture
def tested(own_place: Path, run: Run) -> Run:
    def finished(text: str, ini: str = "") -> Finished:
        (own_place / "shop.py").write_text(APP)
        (own_place / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        (own_place / "test_shop.py").write_text(f"import llama_logging, pytest, logging, shop\n{text}")
        return run(
            "-m", "pytest", "-q", "-p", "llama_logging.pytest_plugin", "-p", "no:cacheprovider", PYTHONPATH=path()
        )

    return finished


def path() -> str:
    return str(Path(__file__).parents[1])


def test_errors_are_asserted_on(tested: Run) -> None:
    done = tested("""
def test_one(captured_errors):
    logging.disable(logging.CRITICAL)
    shop.buy()
    logging.disable(logging.NOTSET)
    assert captured_errors.one().error_message == "no such article"
    assert captured_errors.one(LookupError).source_function == "buy"
    assert [error.log_message for error in captured_errors] == ["cannot buy"]
    with pytest.raises(AssertionError, match="expected one error of type KeyError, captured .LookupError: no such"):
        captured_errors.one("KeyError")
    captured_errors.clear()
    assert not captured_errors

def test_none(captured_errors):
    shop.buy(fail=False)
    assert len(captured_errors) == 0
""")
    assert done.code == 0, done.out
    assert "2 passed" in done.out


def test_what_failed_is_the_line_of_the_test(tested: Run) -> None:
    done = tested("""
def test_one(captured_errors):
    captured_errors.one(LookupError)
""")
    assert done.code == 1
    assert "AssertionError: expected one error of type LookupError, captured []" in done.out
    assert "pytest_plugin.py" not in done.out
    assert "where" not in done.out


def test_outcomes_are_asserted_on(tested: Run) -> None:
    done = tested("""
RULES = [{"match": {"class": "LookupError"}, "ladder": [{"fallback_value": {"value": "another"}}]}]

@pytest.mark.llama_logging(rules=RULES)
def test_it(captured_errors):
    error = shop.buy()
    (outcome,) = captured_errors.outcomes
    assert (outcome.status.value, outcome.value) == ("fallback", "another")
    assert error.__llama_outcome__ is outcome

def test_without(captured_errors):
    shop.buy()
    assert captured_errors.outcomes == []
""")
    assert done.code == 0, done.out


def test_an_error_nobody_asked_for_fails_its_test_if_that_is_asked_for(tested: Run) -> None:
    text = """
def test_careless():
    shop.buy()

def test_expecting(captured_errors):
    shop.buy()
"""
    assert tested(text).code == 0
    done = tested(text, "llama_logging_errors = fail")
    assert done.code == 1
    assert "errors were logged that the test does not ask for: [LookupError: no such article]" in done.out
    assert tested(text, "llama_logging_errors = maybe").code == 4


def test_a_wrong_rule_is_told(tested: Run) -> None:
    done = tested("""
@pytest.mark.llama_logging(rules=[{"match": {"clas": "LookupError"}, "ladder": ["fallback_value"]}])
def test_it(captured_errors): pass
""")
    assert done.code == 1
    assert "did you mean 'class'" in done.out


def test_pytest_under_run_does_not_complain_that_we_are_there_already(run: Run) -> None:
    """Where its warnings are errors, it would not even start."""
    code = """
import llama_logging, warnings
from _pytest.assertion.rewrite import AssertionRewritingHook
from _pytest.config import get_config
warnings.simplefilter("error")
AssertionRewritingHook(get_config()).mark_rewrite("llama_logging")
"""
    assert run("-c", code).err == ""
