import pytest

from llama_logging.prediction.templates import LONGEST, template


def test_a_message_with_arguments_is_its_own_template() -> None:
    assert template("db", "%d rows of 100 in %s", True) == "db: %d rows of 100 in %s"


def test_a_message_with_a_percent_sign_is_not_masked() -> None:
    assert template("db", "%d of 100", False) == "db: %d of 100"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user 81 logged in", "user 9123 logged in"),
        ("took 0.31 s", "took 12.5 s"),
        ("GET https://a.example/x?y=1 failed", "GET http://b.example failed"),
        ("cannot open /var/lib/a.db", "cannot open /tmp/b"),
        ("job 123e4567-e89b-12d3-a456-426614174000 done", "job 00000000-e89b-12d3-a456-426614174000 done"),
        ("at 0x7f00aa", "at 0x11"),
        ("no file 'a b'", "no file 'c'"),
        ('said "yes"', 'said "no, 7"'),
    ],
)
def test_what_varies_is_masked(one: str, other: str) -> None:
    assert template("app", one, False) == template("app", other, False)


@pytest.mark.parametrize(("one", "other"), [("user logged in", "user logged out"), ("GET failed", "PUT failed")])
def test_what_differs_in_words_stays_apart(one: str, other: str) -> None:
    assert template("app", one, False) != template("app", other, False)


def test_of_a_message_the_first_line_counts() -> None:
    assert template("app", "failed\nbecause of 7", False) == "app: failed"


@pytest.mark.parametrize("text", ["'" * 100_000, "/a" * 50_000, "1." * 50_000, "a://" * 30_000, "%s" * 50_000])
def test_a_template_is_bounded_whatever_the_message(text: str) -> None:
    assert len(template("app", text, False)) <= LONGEST + len("app: ")
