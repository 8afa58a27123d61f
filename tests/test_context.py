from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging.context import (
    ErrorSeverity,
    ExceptionDetail,
    Stack,
    from_fields,
    from_microseconds,
    microseconds_of,
    to_microseconds,
)
from tests.conftest import make_context


def test_severities_are_loggings_levels() -> None:
    """A severity compares with a level number, and is one."""
    assert [severity.value for severity in ErrorSeverity] == [
        logging.DEBUG,
        logging.INFO,
        logging.WARNING,
        logging.ERROR,
        logging.CRITICAL,
    ]
    assert ErrorSeverity.DEBUG < ErrorSeverity.CRITICAL


@pytest.mark.parametrize(("level", "name"), [(0, "DEBUG"), (5, "DEBUG"), (25, "INFO"), (40, "ERROR"), (99, "CRITICAL")])
def test_a_custom_level_maps_to_the_nearest_below(level: int, name: str) -> None:
    assert ErrorSeverity.from_level(level).name == name


@pytest.mark.parametrize("value", ["error", "ERROR", 40, ErrorSeverity.ERROR])
def test_a_severity_is_read_from_name_number_or_itself(value: object) -> None:
    assert ErrorSeverity.parse(value) is ErrorSeverity.ERROR


@pytest.mark.parametrize("value", ["eror", None, True, 1.5])
def test_what_is_no_severity_is_refused_with_the_names(value: object) -> None:
    with pytest.raises(ValueError, match="DEBUG, INFO, WARNING, ERROR, CRITICAL"):
        ErrorSeverity.parse(value)


def test_microseconds_are_exact_both_ways() -> None:
    """A float of seconds would lose the last digit."""
    moment = datetime(2026, 11, 24, 10, 54, 12, 402007, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert from_microseconds(to_microseconds(moment)) == moment
    assert from_microseconds(to_microseconds(moment)).tzinfo is UTC


def test_a_naive_moment_is_local_time() -> None:
    naive = datetime(2026, 7, 1, 12, 0)
    assert to_microseconds(naive) == int(naive.timestamp()) * 1_000_000


def test_a_stack_text_puts_its_parts_back() -> None:
    assert Stack(error_type="E", template="a\0b\0c").text(("1", "2")) == "a1b2c"
    assert Stack(error_type="E").text(()) == ""


def test_a_context_is_frozen_and_short_as_text() -> None:
    context = make_context(error_id="abc")
    assert str(context) == "ValueError: no such article [abc]"
    with pytest.raises(AttributeError):
        context.error_id = "other"  # type: ignore[misc]


def test_builtin_types_are_named_without_their_module() -> None:
    assert ExceptionDetail(type="ValueError", module="builtins", message="").qualified_type == "ValueError"
    assert ExceptionDetail(type="Timeout", module="httpx", message="").qualified_type == "httpx.Timeout"


@given(st.floats(0, 253_402_300_799, exclude_max=True))
def test_seconds_are_rounded_as_datetime_does(created: float) -> None:
    assert microseconds_of(created) == to_microseconds(datetime.fromtimestamp(created, UTC))


def test_a_context_that_was_given_microseconds_has_the_timestamp_that_they_make() -> None:
    """And one that was given a timestamp has its microseconds; else the two are one."""
    one = make_context()
    fields = {name: value for name, value in vars(one).items() if name != "timestamp"}
    other = from_fields({**fields, "microseconds": one.microseconds})
    assert other == one
    assert (other.timestamp, other.microseconds) == (one.timestamp, to_microseconds(one.timestamp))
    later = replace(other, timestamp=one.timestamp + timedelta(seconds=1))
    assert later.microseconds == one.microseconds + 1_000_000
    assert "timestamp" in vars(pickle.loads(pickle.dumps(from_fields({**fields, "microseconds": 1}))))
