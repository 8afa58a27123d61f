from __future__ import annotations

from llama_logging.context import ExceptionDetail, Frame
from llama_logging.fingerprint import fingerprint, main_of, normalise, of_exceptions, of_message


def frame(**changes: object) -> Frame:
    values: dict[str, object] = {
        "module": "app", "function": "f", "file": "/app.py", "line": 1, "source": "f()", "in_app": True, **changes,
    }  # fmt: skip
    return Frame(**values)  # type: ignore[arg-type]


def error(*frames: Frame, **changes: object) -> ExceptionDetail:
    values: dict[str, object] = {
        "type": "ValueError",
        "module": "builtins",
        "message": "m",
        "frames": frames,
        **changes,
    }
    return ExceptionDetail(**values)  # type: ignore[arg-type]


def test_line_numbers_and_messages_do_not_matter() -> None:
    assert of_exceptions([error(frame(line=1))]) == of_exceptions([error(frame(line=99), message="other")])


def test_type_and_source_do() -> None:
    one = of_exceptions([error(frame())])
    assert one != of_exceptions([error(frame(), type="TypeError")])
    assert one != of_exceptions([error(frame(source="g()"))])


def test_installed_packages_do_not_matter_unless_alone() -> None:
    library = frame(module="requests", in_app=False)
    assert of_exceptions([error(frame(), library)]) == of_exceptions([error(frame())])
    assert of_exceptions([error(library)]) != of_exceptions([error()])


def test_a_recursion_is_one_error_however_deep() -> None:
    assert of_exceptions([error(*[frame()] * 10)]) == of_exceptions([error(*[frame()] * 500)])


def test_the_cause_belongs_to_it() -> None:
    assert of_exceptions([error(), error(type="KeyError", relation="cause")]) == ("ValueError", "cause KeyError")


def group(*members: ExceptionDetail) -> list[ExceptionDetail]:
    bases = ("ExceptionGroup", "BaseExceptionGroup", "Exception")
    return [error(frame(source="raise"), type="ExceptionGroup", bases=bases), *members]


def test_a_group_of_one_kind_is_that_kind() -> None:
    """However many tasks failed, and whatever they were working on."""
    one = error(frame(), relation="member")
    other = error(frame(line=7), relation="member", message="other")
    assert of_exceptions(group(one, other, one)) == of_exceptions(group(one)) == of_exceptions([error(frame())])
    assert main_of(group(one, other)) == 1


def test_a_group_of_several_kinds_is_one_of_each_in_any_order() -> None:
    one, other = error(frame(), relation="member"), error(frame(), relation="member", type="KeyError")
    assert of_exceptions(group(one, other, one)) == of_exceptions(group(other, one))
    assert of_exceptions(group(one, other)) != of_exceptions(group(one))
    assert of_exceptions(group(one, other))[0] == "ExceptionGroup"
    assert main_of(group(one, other)) == 0


def test_messages_group_by_template_or_without_their_numbers() -> None:
    assert of_message("app", "user %s not found", rendered=False) == ("logger app", "message user %s not found")
    assert of_message("app", "user 17 not found", rendered=True) == of_message("app", "user 4 not found", rendered=True)


def test_the_normaliser_is_linear() -> None:
    """200 KB of what makes a careless pattern quadratic is cut before it is searched."""
    for hostile in ("a." * 100_000, "0x" * 100_000, "-".join(["deadbeef"] * 20_000)):
        assert len(normalise(hostile)) <= 2048


def test_a_fingerprint_is_versioned_and_stable() -> None:
    """It is stored: another value for the same inputs would orphan every group."""
    assert fingerprint(["ValueError", "app.main: int(text)"]) == "v1:290fb60c1e70c043"
