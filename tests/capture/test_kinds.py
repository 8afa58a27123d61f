from __future__ import annotations

import re
from typing import Any

import pytest

from llama_logging.capture.kinds import kind_of
from llama_logging.redaction.own import also


class PlainError(ValueError):
    pass


class StatusError(Exception):
    status_code = 404
    __fingerprint__ = "one"


class SpeakingError(OSError):
    def __str__(self) -> str:
        raise SystemExit


class Pretending(type):
    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit


def test_a_class_is_known_by_its_own_names() -> None:
    kind = kind_of(PlainError)
    assert (kind.type, kind.module) == ("PlainError", __name__)
    assert kind.bases == (f"{__name__}.PlainError", "ValueError", "Exception")
    assert kind_of(PlainError) is kind


@pytest.mark.parametrize(
    ("cls", "says_no_more", "speaks", "names"),
    [
        (PlainError, True, False, ()),
        (OSError, True, False, ("errno",)),
        (StatusError, True, False, ("status_code",)),
        (SpeakingError, True, True, ("errno",)),
        (NameError, False, False, ()),
        (SyntaxError, False, False, ()),
        (UnicodeDecodeError, True, False, ()),
        (SystemExit, True, False, ("code",)),
    ],
)
def test_what_it_has_to_say_is_told_without_asking_it(
    cls: type[BaseException], says_no_more: bool, speaks: bool, names: tuple[str, ...]
) -> None:
    kind = kind_of(cls)
    assert (kind.says_no_more, kind.speaks, kind.names) == (says_no_more, speaks, names)


class SuppressingError(Exception):
    __suppress_context__ = True


@pytest.mark.parametrize(
    ("cls", "pretends"), [(PlainError, False), (SpeakingError, False), (NameError, False), (SuppressingError, True)]
)
def test_one_that_hides_what_it_is_chained_to_is_known(cls: type[BaseException], pretends: bool) -> None:
    assert kind_of(cls).pretends is pretends


def test_a_fingerprint_of_its_own_is_known() -> None:
    assert kind_of(StatusError).fingerprint == "one"
    assert kind_of(PlainError).fingerprint is None


def test_a_metaclass_has_no_say() -> None:
    class OddError(Exception, metaclass=Pretending):
        pass

    kind = kind_of(OddError)
    assert (kind.says_no_more, kind.speaks, kind.names) == (False, False, ())
    assert kind.type.endswith("OddError")


def test_a_class_may_get_another_name() -> None:
    class Error(Exception):
        pass

    assert kind_of(Error).module == __name__
    Error.__qualname__, Error.__module__ = "Shop.Error", "shop"
    assert (kind_of(Error).type, kind_of(Error).module) == ("Shop.Error", "shop")


def test_no_secret_is_in_a_name() -> None:
    """A class may be made of anything."""
    base = type("password=hunter2", (Exception,), {"__module__": "shop"})
    cls = type("Error", (base,), {"__module__": "token=hunter2"})
    assert (kind_of(base).type, kind_of(base).module) == ("password=[redacted]", "shop")
    assert (kind_of(cls).type, kind_of(cls).module) == ("Error", "token=[redacted]")
    assert kind_of(cls).bases[1] == "shop.password=[redacted]"


def test_a_name_that_is_a_secret_from_now_on_is_one() -> None:
    class Emp12Error(Exception):
        pass

    assert kind_of(Emp12Error).type.endswith("Emp12Error")
    also(patterns=[re.compile(r"Emp\d+")])
    assert kind_of(Emp12Error).type.endswith("[redacted]Error")
