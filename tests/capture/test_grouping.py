from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llama_logging.capture import fingerprint
from llama_logging.capture.capturing import capture
from llama_logging.capture.grouping import (
    GroupingRule,
    parse_grouping,
    regrouped,
    rule_that_joins,
    rule_that_splits,
    taken_in,
)
from llama_logging.config.mistakes import collecting
from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry
from llama_logging.stores import urls
from tests.conftest import Run, make_context

TIMEOUT = ExceptionDetail(type="Timeout", module="shop", message="after 5 s", bases=("shop.Timeout", "OSError"))
REFUSED = ExceptionDetail(type="Refused", module="shop", message="port 80", bases=("shop.Refused", "OSError"))


def rules(*given: dict[str, Any]) -> tuple[GroupingRule, ...]:
    return parse_grouping(Options("RegistryHandler", {}, (), strict=True), list(given))


def error(detail: ExceptionDetail = TIMEOUT, **changes: Any) -> ErrorContext:
    """An error of its own group: as every exception type is."""
    grouping = (detail.type, "shop.pay: call()")
    values = {"exceptions": (detail,), "error_type": detail.type, "grouping": grouping, "fingerprint": detail.type}
    return make_context(**{**values, "error_message": detail.message, **changes})


def test_the_first_rule_that_matches_makes_the_fingerprint() -> None:
    found = rules(
        {"match": {"class": "Refused"}, "fingerprint": ["refused"]},
        {"match": {"class": "OSError"}, "fingerprint": ["network"]},
        {"match": {"logger": "*"}, "fingerprint": ["anything"]},
    )
    assert regrouped(error(), found).grouping == ("rule network",)
    assert regrouped(error(REFUSED), found).grouping == ("rule refused",)
    assert regrouped(error(), found).fingerprint != regrouped(error(REFUSED), found).fingerprint


def test_an_error_that_no_rule_matches_stays_as_it_is() -> None:
    context = error()
    assert regrouped(context, rules({"match": {"class": "KeyError"}, "fingerprint": ["x"]})) is context


def test_what_a_rule_no_longer_says_is_taken_back() -> None:
    """Rules change; the stack's own fingerprint is still known."""
    found = regrouped(error(), rules({"match": {"class": "Timeout"}, "fingerprint": ["network"]}))
    assert regrouped(found, ()).grouping == error().grouping


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("{type} in {module}.{function}", "rule Timeout in shop.cart.add"),
        ("{level} {logger}", "rule CRITICAL shop"),
        ("{message}", "rule after <n> s"),
        ("of {tags.tenant}{tags.none}", "rule of a"),
        ("{type} {code}", "rule Timeout "),
    ],
)
def test_parts_name_what_the_error_says(part: str, line: str) -> None:
    context = error(severity=ErrorSeverity.CRITICAL, tags={"tenant": "a"})
    assert regrouped(context, rules({"match": {"class": "Timeout"}, "fingerprint": [part]})).grouping == (line,)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [({"errno": 104, "status_code": 503}, "503"), ({"sqlstate": "57P01", "retry-after": "3"}, "57P01"), ({}, "")],
)
def test_a_part_may_be_the_code_that_the_error_carries(attributes: dict[str, int | str], code: str) -> None:
    """Of one place an HTTP client's errors are one group, whatever the status."""
    context = replace(error(), attributes=(attributes,) if attributes else ())
    found = rules({"match": {"class": "Timeout"}, "fingerprint": ["{code}"]})
    assert regrouped(context, found).grouping == (f"rule {code}",)
    rule = rule_that_splits(context, replace(context, attributes=({"status": 404},)))
    assert rule is not None
    assert rule["fingerprint"] == ["{default}", "{code}"]


def test_a_wrapper_has_the_code_of_what_it_wraps() -> None:
    """A pipeline's own error is raised from that of the client in it."""
    wrapped = replace(error(exceptions=(TIMEOUT, REFUSED)), attributes=({}, {"status_code": 404}))
    assert regrouped(wrapped, rules({"match": {"class": "Timeout"}, "fingerprint": ["{code}"]})).grouping == (
        "rule 404",
    )


def test_default_stands_for_all_that_would_be_there_without_the_rule() -> None:
    found = rules({"match": {"class": "Timeout"}, "fingerprint": ["{default}", "{tags.tenant}"]})
    assert regrouped(error(tags={"tenant": "a"}), found).grouping == (*error().grouping, "rule a")


def test_what_the_code_says_comes_before_the_rules() -> None:
    context = replace(error(), grouping=("explicit mine",), fingerprint="v1:mine")
    assert regrouped(context, rules({"match": {"class": "Timeout"}, "fingerprint": ["network"]})) is context


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"match": {"class": "A"}, "fingerprint": ["{typ}"]}, "did you mean 'type'"),
        ({"match": {"class": "A"}, "fingerprint": ["{} of it"]}, "unknown {}"),
        ({"match": {"class": "A"}, "fingerprint": ["x {default}"]}, "must stand alone"),
        ({"match": {"class": "A"}, "fingerprint": []}, "at least one part"),
        ({"match": {"class": "A"}}, "'fingerprint' is needed"),
        ({"match": {"clas": "A"}, "fingerprint": ["x"]}, "did you mean 'class'"),
        ({"match": {}, "fingerprint": ["x"]}, "at least one of"),
        ("network", "expected a mapping"),
    ],
)
def test_a_mistake_is_told_and_only_its_rule_left_out(rule: Any, told: str) -> None:
    with collecting() as problems:
        options = Options("RegistryHandler", {}, ())
        found = parse_grouping(options, [rule, {"match": {"class": "OSError"}, "fingerprint": ["network"]}])
    assert told in "; ".join(map(str, problems))
    assert all("grouping[0]" in problem.path for problem in problems)
    assert [rule.parts for rule in found] == [("network",)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (error(), error(REFUSED)),
        (error(), error(grouping=("Timeout", "shop.get: call()"), fingerprint="other")),
        (make_context(fingerprint="a", error_type="LogMessage"), make_context(fingerprint="b", logger_name="app")),
    ],
)
def test_a_rule_is_found_that_joins_two_groups(one: ErrorContext, other: ErrorContext) -> None:
    rule = rule_that_joins(one, other)
    assert rule is not None
    assert len({regrouped(each, rules(rule)).fingerprint for each in (one, other)}) == 1


def saying(message: str, **changes: Any) -> ErrorContext:
    """A Timeout of a group of its own."""
    detail = replace(TIMEOUT, message=message)
    return error(detail, grouping=("Timeout", message), fingerprint=message, **changes)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("no answer from db 1 (in 5 s)", "no answer from db 27", "^no answer from db "),
        ("no answer from alpha", "no answer from beta", "^no answer from "),
        ("after 5 s", "the line is [busy]", r"^(?:after |the line is \[busy\])"),
        ("{x} is gone", "{x} is gone", r"^\{x\} is gone"),
        ("'apple'", "'pear'", "^(?:'apple'|'pear')"),
        ("5", "6", None),
    ],
)
def test_the_rule_that_joins_knows_both_by_how_their_messages_begin(one: str, other: str, message: str | None) -> None:
    pair = saying(one), saying(other, function="remove")
    rule = rule_that_joins(*pair)
    assert rule is not None
    assert rule["match"].get("message") == message
    assert (rule["match"]["class"], rule["match"]["logger"]) == (["Timeout"], ["shop"])
    assert len({regrouped(each, rules(rule)).fingerprint for each in pair}) == 1


def test_the_rule_that_joins_leaves_other_groups_as_they_are_if_it_can() -> None:
    one, other = saying("no answer from alpha"), saying("no answer from beta")
    apart = [saying("disk is full"), saying("no answer from beta", logger_name="app"), error(REFUSED)]
    rule = rule_that_joins(one, other, apart)
    assert rule is not None
    assert rule["match"]["message"] == "^no answer from "
    assert taken_in(rule, one, apart) == []
    near = saying("no answer from gamma")
    rule = rule_that_joins(one, other, [*apart, near])
    assert rule is not None
    assert rule["match"]["message"] == "^(?:no answer from alpha|no answer from beta)"
    assert taken_in(rule, one, [*apart, near]) == []
    alike = saying("no answer from beta", function="remove")
    rule = rule_that_joins(one, other, [*apart, alike])
    assert rule is not None
    assert taken_in(rule, one, [*apart, alike]) == [alike]


@pytest.mark.parametrize(
    "changes",
    [{"tags": {"tenant": "b"}}, {"error_message": "refused"}, {"logger_name": "app"}, {"severity": ErrorSeverity.INFO}],
)
def test_a_rule_is_found_that_splits_a_group(changes: dict[str, Any]) -> None:
    one, other = error(), error(**changes)
    rule = rule_that_splits(one, other)
    assert rule is not None
    assert len({regrouped(each, rules(rule)).fingerprint for each in (one, other)}) == 2


def test_no_rule_is_offered_where_none_helps() -> None:
    explicit = replace(error(), grouping=("explicit mine",), fingerprint="v1:mine")
    assert rule_that_joins(explicit, error()) is None
    assert rule_that_splits(error(), error()) is None


def registered() -> list[ErrorContext]:
    store = open_registry(urls.default())
    try:
        return store.errors()
    finally:
        store.close()


def log(error: BaseException, *handlers: logging.Handler) -> ErrorContext:
    logger = logging.getLogger("app.grouping")
    for handler in handlers:
        logger.addHandler(handler)
    try:
        raise error
    except BaseException:
        logger.exception("failed")
    return registered()[0]


def test_the_handler_groups_by_the_rules_of_the_yaml() -> None:
    handler = RegistryHandler(grouping=[{"match": {"class": "OSError"}, "fingerprint": ["network", "{type}"]}])
    assert log(ConnectionError("a"), handler).grouping == ("rule network", "rule ConnectionError")
    assert log(KeyError("a")).grouping[0] == "KeyError"


class Declined(Exception):
    __fingerprint__: tuple[str, ...] = ("payment", "declined")


def test_an_exception_may_say_its_fingerprint() -> None:
    """Its class, or the object itself; a logging call's word counts more."""
    assert log(Declined("card 1"), RegistryHandler()).grouping == ("explicit payment", "explicit declined")
    special = Declined("card 2")
    special.__fingerprint__ = ("stolen",)
    assert log(special).grouping == ("explicit stolen",)


class Speaking(Exception):
    def __str__(self) -> str:
        return "spoken"


def test_a_rule_that_reads_the_message_gets_the_whole_one(own_place: object) -> None:
    """The early version of an error, without what its own code says, was in another group."""
    handler = RegistryHandler(grouping=[{"match": {"message": "spoken"}, "fingerprint": ["{message}"]}])
    context = log(Speaking("silent"), handler)
    assert context.grouping == ("rule spoken",)
    store = open_registry(urls.default())
    assert [(group.fingerprint, group.count) for group in store.groups()] == [(context.fingerprint, 1)]
    store.close()


POOLS = """
import logging, multiprocessing
from concurrent.futures import ProcessPoolExecutor
from llama_logging.handlers import RegistryHandler
log = logging.getLogger("jobs")
def resize(number): raise ValueError(f"bad image {number}")
def mail(number): raise ValueError(f"bad address {number}")
def report(result):
    try:
        result()
    except ValueError:
        log.exception("job failed")
if __name__ == "__main__":
    logging.getLogger().addHandler(RegistryHandler())
    jobs = [(resize, 1), (mail, 2), (resize, 3)]
    with ProcessPoolExecutor(2) as pool:
        for job, number in jobs:
            report(pool.submit(job, number).result)
    with multiprocessing.Pool(2) as pool:
        for job, number in jobs:
            report(pool.apply_async(job, (number,)).get)
"""


@pytest.mark.parametrize("grouping", ["", "grouping=[{'match': {'class': 'KeyError'}, 'fingerprint': ['k']}]"])
def test_what_failed_in_a_worker_is_grouped_by_where_it_did(own_place: Path, run: Run, grouping: str) -> None:
    """All results of a pool are asked for at one place: of the worker there is a text alone.

    Also where there are rules, though none is for it; and what is grouped anew stays so.
    """
    (own_place / "jobs.py").write_text(POOLS.replace("RegistryHandler()", f"RegistryHandler({grouping})"))
    assert run("jobs.py").code == 0
    store = open_registry(urls.parse("sqlite:///llama_logging.db"))
    groups = sorted((group.count, group.error_message.rpartition(" ")[0]) for group in store.groups())
    error = store.errors(limit=1)[0]
    inputs = error.grouping
    store.close()
    assert regrouped(fingerprint.renewed(error), ()) == error
    assert groups == [(1, "bad address"), (1, "bad address"), (2, "bad image"), (2, "bad image")]
    assert inputs[-2:] == (
        "worker ValueError",
        'worker jobs.resize: def resize(number): raise ValueError(f"bad image {number}")',
    )


def test_rules_for_other_errors_leave_what_failed_in_a_worker_where_it_is() -> None:
    """With any rule at all, what `explain` tells of a worker was no longer part of the fingerprint."""

    def failed(function: str) -> ErrorContext:
        calls = f'  File "/srv/jobs.py", line 5, in {function}\n    raise x\n'
        said = f'\n"""\nTraceback (most recent call last):\n{calls}ValueError: 1\n"""'
        cause = ExceptionDetail(type="_RemoteTraceback", module="pool", message=said, relation="cause")
        return error(exceptions=(TIMEOUT, cause))

    by_status = rules({"match": {"class": "HTTPError"}, "fingerprint": ["{default}", "{code}"]})
    split = rules({"match": {"class": "Timeout"}, "fingerprint": ["{default}", "{type}"]})
    worker = ("worker ValueError", "worker jobs.resize: raise x")
    assert regrouped(failed("resize"), by_status).grouping == (*error().grouping, *worker)
    assert regrouped(failed("resize"), split).grouping == (*error().grouping, *worker, "rule Timeout")


def logged(error: BaseException, message: str, *arguments: object) -> ErrorContext:
    exc_info: Any = (type(error), error, error.__traceback__)
    record = logging.LogRecord("app.jobs", logging.ERROR, "/srv/jobs.py", 7, message, arguments, exc_info, "run")
    context = capture(record)
    assert context is not None
    return context


def test_what_was_never_raised_is_grouped_by_what_was_logged() -> None:
    """By its type alone, all such errors of a type would be one, in all services that share a registry."""
    first, again, other = (
        logged(RuntimeError(f"no {number}"), message, number)
        for number, message in enumerate(("job %d failed", "job %d failed", "no answer from %d"))
    )
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.grouping == ("RuntimeError", "logger app.jobs", "message job %d failed")
    assert (first.source_module, first.source_function, first.source_line) == ("jobs", "run", 7)
    assert first.stack is again.stack
    assert regrouped(fingerprint.renewed(first), ()) == first


def test_an_application_that_is_installed_is_grouped_and_placed_by_its_own_calls(cli: Run, own_place: Path) -> None:
    installed = own_place / "site-packages"
    installed.mkdir()
    (installed / "lib.py").write_text("def one(): raise LookupError\ndef other():\n    raise LookupError\n")
    (installed / "acme.py").write_text("""
import logging, lib
for call in (lib.one, lib.other):
    try:
        call()
    except LookupError:
        logging.exception("cannot check out")
""")
    (own_place / "logging.yaml").write_text("""
version: 1
handlers: {registry: {class: llama_logging.handlers.RegistryHandler, in_app: [acme]}}
root: {handlers: [registry]}
""")
    done = cli("run", "--", sys.executable, "-m", "acme", PYTHONPATH=str(installed))
    assert done.code == 0, done.err
    errors = [json.loads(line) for line in cli("tail", "--json").out.splitlines()]
    assert {(Path(error["source_file"]).name, error["source_line"]) for error in errors} == {("acme.py", 5)}
    assert len({error["fingerprint"] for error in errors}) == 1


@pytest.mark.parametrize("wrong", ["acme-shop", ["acme-shop"], [7]])
def test_what_names_no_package_is_told(wrong: object, capsys: pytest.CaptureFixture[str]) -> None:
    RegistryHandler(in_app=wrong)
    assert "RegistryHandler: in_app" in capsys.readouterr().err
