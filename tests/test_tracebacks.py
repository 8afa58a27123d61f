from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_logging import tracebacks
from llama_logging.tracebacks import MAX_EXCEPTIONS, MAX_FRAMES, describe


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        if cause is not None:
            raise error from cause
        raise error
    except Exception as caught:
        return caught


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    raise ValueError("bottom")


def chained() -> Exception:
    try:
        try:
            dict[str, int]()["key"]
        except KeyError as error:
            raise ValueError("second\nline") from error
    except ValueError:
        try:
            raise TypeError("third")
        except TypeError as error:
            return error
    raise AssertionError


def suppressed() -> BaseException:
    try:
        try:
            raise OSError(111, "refused")
        except OSError:
            raise ConnectionError("no answer") from None
    except ConnectionError as error:
        return error


def recursion() -> BaseException:
    try:
        deep(50)
    except ValueError as error:
        return error
    raise AssertionError


def noted() -> BaseException:
    error = raised(ValueError("with notes"))
    error.add_note("one\ntwo")
    return error


def syntax() -> BaseException:
    try:
        compile("a = (\n  1 +* 2)", "nowhere.py", "exec")
    except SyntaxError as error:
        return error
    raise AssertionError


EXCEPTIONS = {
    "plain": lambda: raised(ValueError("x")),
    "empty message": lambda: raised(ValueError()),
    "no traceback": lambda: ValueError("never raised"),
    "chained": chained,
    "suppressed": suppressed,
    "recursion": recursion,
    "notes": noted,
    "syntax": syntax,
    "cause of itself": lambda: raised(error := ValueError("me"), error),
    "group": lambda: raised(ExceptionGroup("several", [chained(), raised(KeyError("k"))])),
    "cause is a group": lambda: raised(ValueError("x"), ExceptionGroup("g", [ValueError("a")])),
}


@pytest.mark.parametrize("make", EXCEPTIONS.values(), ids=EXCEPTIONS)
def test_the_text_is_the_standard_librarys(make: Any) -> None:
    error = make()
    text, _ = describe(error)
    assert str(text) == "".join(traceback.format_exception(error))


# Lone surrogates and NUL are shown as escapes, which the standard library does not do.
MESSAGES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=200, deadline=None)
@given(st.recursive(MESSAGES, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8), st.booleans())
def test_the_text_of_generated_chains_is_the_standard_librarys(tree: Any, from_cause: bool) -> None:
    def build(node: Any) -> BaseException:
        if isinstance(node, str):
            return raised(ValueError(node))
        children = [build(child) for child in node]
        try:
            try:
                raise children[0]
            except BaseException as inner:
                if from_cause:
                    raise RuntimeError("outer") from inner
                raise RuntimeError("outer")  # noqa: B904 - the implicit context is what is tested
        except RuntimeError as error:
            return error

    error = build(tree)
    assert str(describe(error)[0]) == "".join(traceback.format_exception(error))


def test_what_repeats_is_kept_apart_from_what_differs() -> None:
    """Two errors of one place share the template."""
    errors = []
    for number in range(2):
        try:
            raise ValueError(f"number {number}")
        except ValueError as error:
            errors.append(describe(error)[0])
    assert errors[0].template == errors[1].template
    assert [text.parts for text in errors] == [("ValueError: number 0\n",), ("ValueError: number 1\n",)]


def test_frames_tell_where() -> None:
    _, (error, *_) = describe(recursion())
    assert error.frames[-1].function == "deep"
    assert error.frames[-1].module == __name__
    assert error.frames[-1].source == 'raise ValueError("bottom")'
    assert error.frames[-1].in_app


def test_a_chain_is_data_too() -> None:
    _, details = describe(suppressed())
    assert [(error.type, error.relation) for error in details] == [
        ("ConnectionError", "raised"),
        ("ConnectionRefusedError", "suppressed"),
    ]
    assert details[1].attributes == {"errno": 111}
    assert details[1].bases == ("ConnectionRefusedError", "ConnectionError", "OSError", "Exception")


def test_statuses_are_found_on_the_exception_and_its_response() -> None:
    class Response:
        status_code = 503

    class HTTPError(Exception):
        response = Response()

    _, (error,) = describe(HTTPError())
    assert error.attributes == {"status_code": 503}


def test_bombs_are_bounded() -> None:
    error: BaseException = ValueError("end")
    for number in range(20_000):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    text, details = describe(error)
    assert len(details) == MAX_EXCEPTIONS
    assert len(str(text)) < 10_000

    group: Exception = ValueError("leaf")
    for _ in range(4):
        group = ExceptionGroup("bomb", [group] * 15)
    text, details = describe(group)
    assert len(details) <= MAX_EXCEPTIONS
    assert len(str(text)) <= tracebacks.MAX_TEXT + 1000


def test_a_deep_recursion_keeps_its_first_and_last_frames() -> None:
    try:
        deep(500)
    except ValueError as error:
        _, (detail,) = describe(error)
    assert len(detail.frames) == MAX_FRAMES
    assert detail.frames[0].function == "test_a_deep_recursion_keeps_its_first_and_last_frames"


def hostile(how: Any) -> BaseException:
    class Hostile(Exception):
        def __str__(self) -> str:
            result: str = how()
            return result

        __repr__ = __str__

    return raised(Hostile())


def exit_now() -> str:
    raise SystemExit(3)


@pytest.mark.parametrize("how", [exit_now, lambda: 1 / 0, lambda: 7, lambda: (_ for _ in ()).throw(KeyboardInterrupt)])
def test_an_exception_whose_str_raises_is_described_all_the_same(how: Any) -> None:
    text, (error,) = describe(hostile(how))
    assert error.type.endswith("Hostile")
    assert error.message == "<exception str() failed>"
    assert "in raised" in str(text)


def test_lying_attributes_do_no_harm() -> None:
    class Liar(Exception):
        @property
        def errno(self) -> int:
            raise SystemExit

        @property
        def __cause__(self) -> None:  # type: ignore[override]
            raise RuntimeError

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    _, (error,) = describe(raised(Liar("x")))
    assert error.message == "x"
    assert error.attributes == {}


@pytest.mark.parametrize(
    ("file", "expected"),
    [(__file__, True), (traceback.__file__, False), ("/x/site-packages/a.py", False), ("<frozen os>", False)],
)
def test_in_app_is_what_is_not_installed(file: str, expected: bool) -> None:
    assert tracebacks.in_app(file) is expected
