"""What stands below what on the page of an error, and what is left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llama_logging.context import ErrorContext
from tests.conftest import captured, make_context

pytest.importorskip("starlette", reason="the dashboard's packages are not installed")

from llama_logging.answers.family import tree
from llama_logging.context import ExceptionDetail, Frame
from llama_logging.web.pages.group import FRAMES, _raised

NOTHING: dict[str, object] = {}


def shown(context: ErrorContext) -> list[tuple[int, str, str]]:
    exceptions = context.exceptions
    return [
        (depth, relation, exceptions[index].type) for index, depth, relation in tree(exceptions, context.stack_trace)
    ]


def chained(*kinds: type[Exception]) -> Exception:
    """The last of them, raised from the one before, and so on."""
    try:
        if len(kinds) > 1:
            raise kinds[-1]("it") from chained(*kinds[:-1])
        raise kinds[-1]("it")
    except Exception as error:
        return error


def raised(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def test_causes_stand_below_what_they_have_caused() -> None:
    assert shown(captured(raised(chained(KeyError, ValueError, RuntimeError)))) == [
        (0, "", "RuntimeError"),
        (1, "caused by", "ValueError"),
        (2, "caused by", "KeyError"),
    ]


def test_a_group_may_say_any_number_of_members() -> None:
    """Of so many digits that Python takes them for no number."""
    group = ExceptionDetail(
        type="ExceptionGroup",
        module="builtins",
        message=f"all ({'9' * 5000} sub-exceptions)",
        bases=("ExceptionGroup", "BaseExceptionGroup", "Exception"),
    )
    member = ExceptionDetail(type="KeyError", module="builtins", message="'a'", relation="member")
    assert [depth for _, depth, _ in tree((group, member), "")] == [0, 1]


def test_what_was_being_handled_is_told_from_a_cause() -> None:
    def fail() -> object:
        try:
            return NOTHING["x"]
        except KeyError:
            raise ValueError("no") from None

    def fail_again() -> object:
        try:
            return NOTHING["x"]
        except KeyError:
            raise ValueError("no")  # noqa: B904  that it names none is the point

    assert "hidden" in shown(captured(fail))[1][1]
    assert shown(captured(fail_again))[1] == (1, "raised while handling", "KeyError")


def test_members_stand_below_their_group_and_their_causes_below_them() -> None:
    inner = ExceptionGroup("inner", [chained(ZeroDivisionError, ValueError), OSError("no")])
    outer = ExceptionGroup("outer", [inner, chained(LookupError, KeyError), TypeError("x")])
    assert shown(captured(raised(outer))) == [
        (0, "", "ExceptionGroup"),
        (1, "member 1 of 3", "ExceptionGroup"),
        (2, "member 1 of 2", "ValueError"),
        (3, "caused by", "ZeroDivisionError"),
        (2, "member 2 of 2", "OSError"),
        (1, "member 2 of 3", "KeyError"),
        (2, "caused by", "LookupError"),
        (1, "member 3 of 3", "TypeError"),
    ]


def test_of_many_frames_those_in_the_middle_are_left_out_and_counted() -> None:
    frames = tuple(
        Frame(module="app", function=f"f{n}", file="/app.py", line=n, source="", in_app=n % 10 == 0) for n in range(500)
    )
    detail = ExceptionDetail(type="E", module="app", message="", frames=frames)
    calls = _raised(detail, 0, 0, "", {}).calls
    assert len(calls) == FRAMES
    assert (calls[0].frame.function, calls[-1].frame.function) == ("f499", "f0")
    assert sum(call.left_out for call in calls) == 500 - FRAMES
    own = [call for call in calls if not call.hidden]
    assert sum(call.folded for call in own) + _raised(detail, 0, 0, "", {}).folded == FRAMES - len(own)


def test_where_nothing_is_the_applications_own_all_is_shown() -> None:
    frame = Frame(module="lib", function="f", file="/lib.py", line=1, source="", in_app=False)
    detail = ExceptionDetail(type="E", module="lib", message="", frames=(frame,) * 3)
    assert not any(call.hidden for call in _raised(detail, 0, 0, "", {}).calls)
    assert tree(make_context().exceptions, "") == []


def test_a_recursion_is_told_as_in_a_traceback() -> None:
    """Not in sixty lines that are all the same, which push from the page what led to it."""
    again = Frame(module="app", function="again", file="/app.py", line=2, source="", in_app=True)
    library = Frame(module="lib", function="call", file="/lib.py", line=3, source="", in_app=False)
    begun = Frame(module="app", function="begin", file="/app.py", line=9, source="", in_app=True)
    detail = ExceptionDetail(type="E", module="app", message="", frames=(begun, *[library] * 5, *[again] * 900))
    raised = _raised(detail, 0, 0, "", {(0, 905): {"n": 900}})
    assert [(call.frame.function, call.repeated) for call in raised.calls] == [
        ("again", 0), ("again", 0), ("again", 897), ("call", 0), ("call", 0), ("call", 2), ("begin", 0),
    ]  # fmt: skip
    assert raised.calls[0].values == {"n": 900}
    assert raised.calls[-1].folded == 5
