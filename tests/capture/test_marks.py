"""What an exception carries of ours is in nobody's way: not where it is printed, copied, compared, or sent."""

from __future__ import annotations

import copy
import functools
import gc
import logging
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from llama_logging import error_id, tagged
from llama_logging.capture import marks
from llama_logging.handlers import RecoveryHandler, RegistryHandler

log = logging.getLogger("app")


class Plain(Exception):
    """Is pickled as exceptions are."""


class Restored(Exception):
    """Hands on all its attributes as they are, as the state of the copy."""

    def __reduce__(self) -> Any:
        return type(self), self.args, self.__dict__


class ByName(Exception):
    """Hands all its attributes to its constructor, as some do to be pickled."""

    def __init__(self, *, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status

    def __reduce__(self) -> Any:
        return functools.partial(type(self), **self.__dict__), ()


class Speaking(Exception):
    """Prints all its attributes, and compares them."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in (name for name in vars(self)))

    def __eq__(self, other: object) -> bool:
        return type(other) is Speaking and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class Telling(Exception):
    """Has a property of all its attributes."""

    @property
    def details(self) -> dict[str, object]:
        """For an answer in JSON."""
        return dict(self.__dict__)


class Begun(Exception):
    """Begins anew with what it is restored from."""

    def __init__(self, *, status: int = 0) -> None:
        super().__init__()
        self.status = status

    def __setstate__(self, state: Any) -> None:
        self.__init__(**state)  # type: ignore[misc]


class Packed(Exception):
    """Leaves it to a function to unpack its attributes."""

    def __init__(self, **details: object) -> None:
        super().__init__()
        self.__dict__ = details

    def __reduce__(self) -> Any:
        return unpacked, (type(self), self.__dict__)


def unpacked(cls: type[Packed], details: dict[str, object]) -> Packed:
    """What comes of it, if there is nothing else."""
    assert details.keys() == {"status"}
    return cls(**details)


class Closed(Exception):
    """Takes no attribute that it does not know."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Slotted(Exception):
    """Has no room for anything."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


OWN = [lambda: ByName(status=503), lambda: Packed(status=503), Begun, lambda: Speaking(7), Telling, Closed, Slotted]
"""Exceptions that look at all they have."""


@pytest.fixture(autouse=True)
def attached() -> Iterator[None]:
    """Everything that marks an exception."""
    rules = [{"match": {"class": "Exception"}, "ladder": [{"fallback_value": {"value": "instead"}}]}]
    handlers = RegistryHandler(), RecoveryHandler(rules=rules)
    for handler in handlers:
        log.addHandler(handler)
    yield
    for handler in handlers:
        log.removeHandler(handler)


def logged(make: Any) -> Exception:
    """An exception that was raised, passed a block with tags, and was logged."""
    try:
        with tagged(tenant="a"):
            raise make()
    except Exception as error:
        log.exception("failed")
        return error


@pytest.mark.parametrize("make", OWN)
def test_a_class_that_looks_at_all_attributes_finds_its_own(make: Any) -> None:
    error, fresh = logged(make), make()
    assert (vars(error), str(error), error == fresh) == (vars(fresh), str(fresh), make() == fresh)
    for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (vars(other), str(other)) == (vars(fresh), str(fresh))


@pytest.mark.parametrize("make", [Plain, Restored, *OWN[:-1]])
@pytest.mark.parametrize("times", [1, 3])
def test_it_is_one_error_all_the_same(make: Any, times: int) -> None:
    for _ in range(times):  # what is known of its place and form plays no part
        error = logged(make)
        first = error_id(error)
        try:
            raise RuntimeError("wrapped") from error
        except RuntimeError as wrapped:
            log.exception("again")
            known = error_id(wrapped), error_id(error)
        assert known == (first, first)
        assert first


def test_what_is_known_of_an_exception_goes_with_it() -> None:
    errors = [Closed() for _ in range(3)]
    for number, error in enumerate(errors):
        marks.put(error, "number", number)
    assert [marks.get(error, "number") for error in errors] == [0, 1, 2]
    ids = set(map(id, errors))
    assert ids <= marks._apart.keys()
    del errors, error
    gc.collect()
    assert not ids & marks._apart.keys()


def test_a_receiver_needs_no_package_of_ours() -> None:
    """A worker has this package, and who waits for its answer has not."""
    error = logged(lambda: ValueError("no such article"))
    assert vars(error).keys() == {"__llama_logging_tags__", "__llama_logging_error__", "__llama_outcome__"}
    code = "import pickle, sys; print(repr(pickle.load(sys.stdin.buffer)), 'llama_logging' in sys.modules)"
    # Isolated, and without site-packages: there is none.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], input=pickle.dumps(error), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "ValueError('no such article') False"
    assert len(pickle.dumps(error)) < 300


@pytest.mark.parametrize("make", [Plain, Restored])
def test_a_receiver_that_has_it_knows_the_error_again(make: Any) -> None:
    error = logged(make)
    assert hasattr(error, "__llama_outcome__")
    came = pickle.loads(pickle.dumps(error))
    assert error_id(came) == error_id(error) != ""
