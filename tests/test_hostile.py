"""What an attacker would have logged: the texts of the benchmark, without its clock."""

from __future__ import annotations

import pytest

from benchmarks.hostile import HOSTILE, measure, repeated, subjects
from llama_logging.capture.fingerprint import normalise
from llama_logging.redaction import redact
from llama_logging.redaction.credentials import PATTERNS, REDACTED
from llama_logging.redaction.encoded import is_encoded
from llama_logging.redaction.finding import suspected

SIZE = 20_000


@pytest.mark.parametrize("seed", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_comes_to_an_end(seed: str) -> None:
    """Of all that is timed; a careless pattern would run into the test's own time limit."""
    text = repeated(seed, SIZE)
    assert len(text) == SIZE
    for _, function in subjects():
        function(text)
    assert len(normalise(text)) <= 2 * len(text)


def test_the_end_of_a_text_in_quotes_is_looked_for_once() -> None:
    """Else this would take minutes: each is followed by none of what is looked for behind it."""
    text = repeated(r"('a', \\'x", 500_000)
    assert redact(text) is text


def test_no_pattern_is_left_out() -> None:
    assert {"redact", "normalise", *PATTERNS} <= {name for name, _ in subjects()}


def test_every_pattern_finds_something_hostile() -> None:
    """So that the table tries each where it has most to do, and none has become dead."""
    for name, pattern in PATTERNS.items():
        assert any(pattern.search(repeated(seed, SIZE)) for seed in HOSTILE.values()), name


@pytest.mark.parametrize("seed", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_suspected_holds_nothing(seed: str) -> None:
    """The cheap signs let no text pass in which a pattern would find something."""
    text = repeated(seed, 2_000)
    if not suspected(text) and not is_encoded(text):
        found = [name for name, pattern in PATTERNS.items() if pattern.search(text)]
        # Bytes that are no digits to a card, or letters that only a pattern takes for another, are no secrets.
        assert found in ([], ["card"]), found
        assert redact(text) is text


@pytest.mark.parametrize(
    ("seed", "secret"),
    [
        ("cards", "4111"),
        ("URLs with user info", "a:b"),
        ("PEM", "MIIE"),
        ("PEM without end", "BEGIN"),
        ("bearer tokens", "abcdefg1"),
        ("JWT", "eyJ"),
        ("OpenAI keys", "sk-"),
        ("AWS keys", "AKIA"),
        ("passwords", "abc"),
        ("passwords quoted", "abc"),
        ("secret keys of JSON", '"b"'),
    ],
)
def test_each_of_many_secrets_is_taken_out(seed: str, secret: str) -> None:
    text = HOSTILE[seed] * 500
    assert secret in text
    assert secret not in redact(text)
    assert REDACTED in redact(text)


def test_the_benchmark_measures_them_all() -> None:
    results = measure(size=200)
    assert set(results) == set(HOSTILE)
    assert all(set(found) == {name for name, _ in subjects()} for found in results.values())
