from __future__ import annotations

from dataclasses import replace

import pytest

from llama_logging.capture.fingerprint import (
    VERSION,
    fingerprint,
    is_wordless,
    main_of,
    normalise,
    of_exceptions,
    of_message,
    renewed,
)
from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from tests.conftest import make_context


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


def test_what_packages_did_among_themselves_does_not_matter() -> None:
    """Where the application's own call is known: else each update of one would make new groups."""
    raised, library = error(frame()), frame(module="urllib3", in_app=False)
    cause = error(library, type="OSError", relation="cause")
    assert of_exceptions([raised, cause]) == ("ValueError", "app.f: f()", "cause OSError")
    assert of_exceptions([error(library), cause])[1:] == ("urllib3.f: f()", "cause OSError", "urllib3.f: f()")


def test_what_an_installed_package_has_compiled_or_generated_does_not_matter() -> None:
    """Other calls of its package tell that it is one; a script has none."""
    library = frame(module="sqlalchemy.orm.session", in_app=False)
    for file in ("<sqlalchemy generated _flush>", "lib/sqlalchemy/engine/_util_cy.py"):
        generated = frame(module="sqlalchemy.orm.session", function="_flush", file=file)
        assert of_exceptions([error(frame(), library, generated)]) == of_exceptions([error(frame())])
        assert of_exceptions([error(frame(), generated)]) != of_exceptions([error(frame())])
        main = [frame(module="__main__", file="<stdin>"), frame(module="__main__", in_app=False)]
        assert of_exceptions([error(*main)])[1] == "__main__.f: f()"


def test_a_template_is_the_same_wherever_it_lies() -> None:
    """Jinja has its path as the name of its module."""
    one, other = (frame(module=f"/srv/releases/{release}/a.html", file="/srv/a.html") for release in "12")
    assert of_exceptions([error(one)]) == of_exceptions([error(other)]) == ("ValueError", "a.html.f: f()")


def test_a_digest_in_the_name_of_a_module_does_not_matter() -> None:
    """Airflow's names for a DAG have that of its path, which is another for each version of a bundle."""
    one, other = (f"unusual_prefix_{release * 40}_shop" for release in "9e")
    assert of_exceptions([error(frame(module=one), type="NoPrice", module=one)]) == (
        "unusual_prefix_<n>_shop.NoPrice",
        "unusual_prefix_<n>_shop.f: f()",
    )
    assert of_message(one, "sold out", rendered=False) == of_message(other, "sold out", rendered=False)
    then = ("ValueError", f"{one}.f: f()")
    context = make_context(exceptions=(error(frame(module=one)),), grouping=then, fingerprint=fingerprint(then))
    assert renewed(context).grouping == ("ValueError", "unusual_prefix_<n>_shop.f: f()")


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


def test_the_groups_in_a_group_are_looked_into() -> None:
    """A TaskGroup within a TaskGroup; what their members came from is not a member."""
    inner = error(frame(source="raise"), type="ExceptionGroup", relation="member", bases=("BaseExceptionGroup",))
    leaf = error(frame(), relation="member")
    assert of_exceptions(group(inner, leaf)) == of_exceptions([error(frame())])
    assert main_of(group(inner, leaf)) == 2
    for relation in ("cause", "context", "suppressed"):
        assert of_exceptions(group(leaf, error(type="KeyError", relation=relation))) == of_exceptions([error(frame())])


def test_an_error_that_came_of_a_group_is_no_group() -> None:
    caused = [error(frame()), *group(error(relation="member", type="KeyError"))]
    assert of_exceptions(caused)[0] == "ValueError"
    assert main_of(caused) == 0


def test_how_one_exception_came_of_another_belongs_to_it() -> None:
    """Those that are hidden by `from None`, too."""
    for relation in ("cause", "context", "suppressed"):
        assert of_exceptions([error(), error(type="KeyError", relation=relation)])[1] == f"{relation} KeyError"


def test_no_exception_is_no_input() -> None:
    assert (of_exceptions([]), main_of([])) == ((), 0)


@pytest.mark.parametrize(
    "value", ["0x7f00aa", "42", "5ad0c3de-1f4b-4c6a-9f3e-aabbccddeeff", "AABBCCDD-1f4b-4c6a-9f3e-aabbccddeeff"]
)
def test_numbers_addresses_and_uuids_are_taken_out_whole(value: str) -> None:
    assert normalise(f"user {value} not found") == "user <n> not found"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("etag d41d8cd98f00b204e9800998ecf8427e", "etag 0cc175b9c0f1b6a831c399e269772661", "etag <n>"),
        ("no commit fbdcae1", "no commit 1d2c3b4", "no commit <n>"),
        ("document 5f3a9c0b1d2e4f5a6b7c8d9e", "document abcdef0b1d2e4f5a6b7c8d9e", "document <n>"),
        ("job 01J8ZQ4X7K failed", "job ABR0DVF1CFSX2R failed", "job <n> failed"),
        ("job 7k2m9 failed", "job 12x34yz5abc failed", "job <n> failed"),
        ("request req_0a1b2c3d4e failed", "request req_cafe12345 failed", "request req_<n> failed"),
        ("client fe80::1a2b:3c4d gone", "client 2001:db8:85a3:0:0:8a2e:370:7334 gone", "client <n> gone"),
        ("client 10.0.0.1:80 gone", "client 192.168.17.254:8080 gone", "client <n> gone"),
        ("cannot open /tmp/tmp8tu75q1x/a.csv", "cannot open /tmp/tmpabcdefgh/a.csv", "cannot open /tmp/<n>/a.csv"),
        ("no user bob@shop.example", "no user eve.x+y@mail.shop.example", "no user <n>"),
        ("no user +a@b.co", "no user bob@x.y", "no user <n>"),
        ("took 3s", "took 1.08e-05s", "took <n>"),
        ("got 3KB", "got 2.5MB", "got <n>"),
        ("the 1st time", "the 22nd time", "the <n> time"),
        ("at 2026-11-26T10:30:00Z", "at 2026-01-02T03:04:05.123Z", "at <n>-<n>-<n>"),
        ("at 2026-11-26 10:30:00", "at 2026-01-02 03:04:05.123", "at <n>-<n>-<n> <n>"),
        ("ids [1, 2, 3]", "ids [7]", "ids [<n>]"),
        ("GET /a?user=bob&x=1", "GET /a?x=y", "GET /a<n>"),
        ("User(name='bob', n=1)", 'User(name="al", n=2)', "User(name=<n>, n=<n>)"),
        ("row {'name': 'bob'}", "row {'name': 'al'}", "row {'name': <n>}"),
        ('row {"name": "bob"}', 'row {"name": "al"}', 'row {"name": <n>}'),
    ],
)  # fmt: skip
def test_what_varies_is_taken_out(one: str, other: str, alike: str) -> None:
    """Of a message without arguments, as f-strings make them; what Sentry takes out, too."""
    assert (normalise(one), normalise(other)) == (alike, alike)


@pytest.mark.parametrize(
    "words",
    [
        "no such file: 'a.csv'", "a facade of deadbeef was added", "std::cafe::bad a:b:c", "is it here? no",
        "tmp folder, x = 'bob', tmpfile_of_all, user@localhost, a?b, {'a': bob}", "No module named 'cache'",
    ],
)  # fmt: skip
def test_words_are_left(words: str) -> None:
    assert normalise(words) == words


@pytest.mark.parametrize(
    ("template", "wordless"),
    [
        ("", True),
        ("%s", True),
        ("%(a b)-5.2f%% 1_2: %*d", True),
        ("%s a", False),
        ("é %s", False),
        ("100% sure", False),
    ],
)
def test_a_template_may_have_no_words(template: str, wordless: bool) -> None:
    assert is_wordless(template) is wordless


def test_what_a_name_begins_with_is_left() -> None:
    """Names have a number at their end, or a word behind it."""
    said = normalise("OAuth2Error of S3Client on worker12 in eu-west-1: 404Error, utf8 in int32, x.1.csv")
    assert said == "OAuth<n>Error of S<n>Client on worker<n> in eu-west-<n>: <n>Error, utf<n> in int<n>, x.<n>.csv"


def old(**changes: object) -> ErrorContext:
    """An error that an older version has grouped."""
    return make_context(fingerprint="v0:1", grouping=("as then",), **changes)


def test_what_an_older_version_grouped_is_grouped_as_now() -> None:
    context = renewed(old(exceptions=(error(frame()),)))
    assert context.grouping == context.stack.grouping == of_exceptions([error(frame())])
    assert context.fingerprint == context.stack.fingerprint == fingerprint(context.grouping)


def test_records_that_an_older_version_grouped_are_grouped_by_their_template() -> None:
    """Or by what was logged, without what varies, where there was none."""
    by_template = renewed(old(log_message="user 17", log_template="user %s", logger_name="app"))
    assert by_template.grouping == of_message("app", "user %s", rendered=False)
    assert renewed(old(log_message="user 17", logger_name="app")).grouping == of_message("app", "user 4", rendered=True)


def test_messages_are_grouped_anew_by_what_is_taken_out_by_now() -> None:
    """Under the same version: others keep their key."""
    then = ("logger app", "message no commit <n>d<n>c<n>b<n>")
    context = make_context(
        log_message="no commit 1d2c3b4", logger_name="app", grouping=then, fingerprint=fingerprint(then)
    )
    assert renewed(context).grouping == of_message("app", "no commit 5", rendered=True)
    anew = renewed(context)
    assert renewed(anew) is anew


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({}, False),
        ({"module": "/srv/a.html"}, True),
        ({"file": "<string>"}, True),
        ({"in_app": False}, True),
    ],
)
def test_errors_are_grouped_anew_where_other_calls_count_by_now(changes: dict[str, object], anew: bool) -> None:
    then = ("ValueError", "as then")
    context = make_context(exceptions=(error(frame(**changes)),), grouping=then, fingerprint=fingerprint(then))
    assert (renewed(context).grouping == of_exceptions(context.exceptions)) is anew
    assert (renewed(context) is context) is not anew


@pytest.mark.parametrize("then", [("logger app", "message <Job>"), ("MemoryError", "no commit 7"), ("logger app",)])
def test_what_is_no_message_keeps_its_key(then: tuple[str, ...]) -> None:
    """Objects that were logged, and what could not be captured in full."""
    context = make_context(log_message="no commit 7", logger_name="app", grouping=then, fingerprint=fingerprint(then))
    assert renewed(context) is context


@pytest.mark.parametrize("own", [("a",), ("z",)])
def test_what_a_rule_or_the_application_grouped_stays_there(own: tuple[str, ...]) -> None:
    context = replace(old(), grouping=own, fingerprint="v0:2")
    assert (renewed(context).grouping, renewed(context).fingerprint) == (own, "v0:2")
    assert renewed(context).stack.fingerprint.startswith(VERSION)


@pytest.mark.parametrize("known", ["", f"{VERSION}:1"])
def test_what_this_version_grouped_is_left_alone(known: str) -> None:
    context = make_context(fingerprint=known)
    assert renewed(context) is context


def test_messages_group_by_template_or_without_their_numbers() -> None:
    assert of_message("app", "user %s not found", rendered=False) == ("logger app", "message user %s not found")
    assert of_message("app", "user 17 not found", rendered=True) == of_message("app", "user 4 not found", rendered=True)


def test_the_normaliser_is_linear() -> None:
    """200 KB of what makes a careless pattern quadratic is cut before it is searched."""
    for hostile in ("a." * 100_000, "0x" * 100_000, "-".join(["deadbeef"] * 20_000)):
        assert len(normalise(hostile)) <= 2048
    assert len(normalise("a." * 100_000)) == 2048


def test_a_fingerprint_is_versioned_and_stable() -> None:
    """It is stored: another value for the same inputs would orphan every group."""
    assert fingerprint(["ValueError", "app.main: int(text)"]) == "v1:290fb60c1e70c043"
