from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from llama_logging.config.mistakes import collecting
from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.rules import Rule, parse_rules
from llama_logging.recovery.strategies import SHIPPED, load
from llama_logging.recovery.strategy import Strategy
from tests.conftest import make_context


def parse(*rules: Any, mode: str | None = None) -> tuple[tuple[Rule, ...], list[str]]:
    with collecting() as problems:
        parsed = parse_rules(Options("RecoveryHandler", {}, ()), list(rules), mode)
    return parsed, [str(problem) for problem in problems]


def rule(match: dict[str, Any], **more: Any) -> Rule:
    (parsed,), problems = parse({"match": match, "ladder": [{"fallback_value": {"value": 1}}], **more})
    assert problems == []
    return parsed


def outage() -> ErrorContext:
    """As the ollama package raises it: a built-in error, the real one hidden by `from None`."""
    hidden = ExceptionDetail(
        type="ConnectError",
        module="httpx",
        message="[Errno 111] Connection refused",
        bases=("httpx.ConnectError", "httpx.TransportError", "Exception"),
        relation="suppressed",
        attributes={"errno": 111, "status_code": 503, "sqlstate": "08006"},
    )
    shown = ExceptionDetail(
        type="ConnectionError",
        module="builtins",
        message="Failed to connect to Ollama.",
        bases=("ConnectionError", "OSError", "Exception"),
    )
    return make_context(exceptions=(shown, hidden), logger_name="app.story", severity=ErrorSeverity.ERROR)


@pytest.mark.parametrize(
    "match",
    [
        {"class": "ConnectionError"},
        {"class": ["KeyError", "OSError"]},
        {"chain": "httpx.ConnectError"},
        {"chain": ["*.TransportError"]},
        {"chain": ["ConnectError"]},
        {"message": "(?i)failed to connect"},
        {"message": "refused"},
        {"status": 503},
        {"status": [500, 503]},
        {"errno": 111},
        {"errno": ["ECONNREFUSED"]},
        {"sqlstate": "08006"},
        {"sqlstate": ["57P", "08"]},
        {"logger": "app.*"},
        {"level": "ERROR"},
        {"not": {"class": "KeyError"}},
        {"class": "OSError", "not": {"class": "OSError", "status": 404}},
        {"class": "OSError", "logger": ["web", "app.*"], "level": "warning"},
    ],
)
def test_a_rule_matches(match: dict[str, Any]) -> None:
    assert rule(match).match(outage())


@pytest.mark.parametrize(
    "match",
    [
        {"class": "httpx.ConnectError"},
        {"class": "Connect*"},
        {"chain": "KeyError"},
        {"message": "timed out"},
        {"status": 404},
        {"errno": errno.ENOSPC},
        {"sqlstate": ["57P", "8"]},
        {"logger": "app"},
        {"level": "CRITICAL"},
        {"class": "OSError", "logger": "web"},
        {"class": "OSError", "not": {"chain": "httpx.*"}},
        {"not": {"level": "ERROR"}},
    ],
)
def test_a_rule_does_not_match(match: dict[str, Any]) -> None:
    assert not rule(match).match(outage())


def test_an_exception_that_derives_from_none_we_know_matches_no_class() -> None:
    """As a class may have it that was imported, or that is no Exception."""
    bare = make_context(exceptions=(ExceptionDetail(type="Odd", module="app", message=""),), error_type="Odd")
    assert not rule({"class": "Odd"}).match(bare)
    assert rule({"not": {"class": "Odd"}}).match(bare)


def test_a_stack_trace_in_a_message_never_triggers_a_recovery() -> None:
    assert not rule({"class": "OSError"}).applies(replace(outage(), mechanism="text"))


def test_text_alone_never_triggers_a_recovery() -> None:
    """Anybody can have a message logged; only an exception is evidence."""
    forged = make_context(exceptions=(), error_message="Failed to connect to Ollama", error_type="LogMessage")
    assert not rule({"message": "Ollama"}).applies(forged)
    assert not rule({"level": "DEBUG", "logger": "*"}).applies(forged)


GOOD = [{"fallback_value": {"value": 1}}]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"ladder": ["call"]}, "rules[0]: the option 'match' is needed"),
        ({"match": {}, "ladder": ["x"]}, "rules[0].match: needs at least one of class"),
        ({"match": {"clas": "X"}, "ladder": ["x"]}, "rules[0].match.clas: unknown option, did you mean 'class'?"),
        ({"match": {"class": "X"}}, "rules[0]: the option 'ladder' is needed"),
        ({"match": {"class": "X"}, "ladder": []}, "rules[0].ladder: needs at least one strategy"),
        ({"match": {"class": "X"}, "ladder": ["olama.restart"]}, "did you mean 'ollama.restart'?"),
        ({"match": {"class": "X"}, "ladder": ["sudo"]}, "rules[0].ladder[0]: unknown strategy 'sudo'"),
        ({"match": {"class": "X"}, "ladder": [{"call": {"function": "no.such"}}]}, "cannot import 'no.such'"),
        ({"match": {"class": "X"}, "ladder": [{"call": {"func": "os.getpid"}}]}, "call.func: unknown option"),
        ({"match": {"class": "X"}, "ladder": [{"ollama.restart": {}}]}, "needs `start: [ollama, serve]`"),
        ({"match": {"class": "X"}, "ladder": [{"ollama.restart": {"start": "ollama serve"}}]}, "list of words"),
        ({"match": {"class": "X"}, "ladder": [{"wait_and_probe": {"probe": "gopher://x"}}]}, "unknown probe"),
        ({"match": {"class": "X"}, "ladder": [{"wait_and_probe": {"probe": "h:1"}}]}, "expected http://..., tcp://"),
        (
            {"match": {"class": "X"}, "ladder": ["queue.Queue"]},
            "derives from llama_logging.recovery.strategy.Strategy, and has a name",
        ),
        ({"match": {"class": "X"}, "ladder": [f"{__name__}.Unfinished"]}, "abstract class Unfinished"),
        ({"match": {"class": "X"}, "ladder": [f"{__name__}.Stumbling"]}, "RuntimeError: no such shop"),
        ({"match": {"class": "X"}, "ladder": [f"{__name__}.Mistaken"]}, "configure gave dict and not a Strategy"),
        ({"match": {"message": "("}, "ladder": ["x"]}, "not a regular expression"),
        ({"match": {"errno": "ENOSUCH"}, "ladder": ["x"]}, "rules[0].match.errno"),
        # Without what is wrong it would act on what it is to leave alone.
        ({"match": {"class": "X", "message": "("}, "ladder": GOOD}, "rules[0].match.message: not a regular expression"),
        ({"match": {"class": "X", "mesage": "y"}, "ladder": GOOD}, "rules[0].match.mesage: unknown option"),
        ({"match": {"class": "X", "level": "FATL"}, "ladder": GOOD}, "rules[0].match.level: unknown severity"),
        ({"match": {"level": "DEBUG"}, "ladder": GOOD}, "rules[0].match: it would match every error"),
        ({"match": {"class": "X", "not": {}}, "ladder": ["x"]}, "rules[0].match.not: needs at least one of"),
        ({"match": {"class": "X", "not": {"clas": "Y"}}, "ladder": ["x"]}, "rules[0].match.not.clas: unknown option"),
        ({"match": {"class": "X", "not": "Y"}, "ladder": ["x"]}, "rules[0].match.not: expected a mapping"),
        ({"match": {"sqlstate": 40001}, "ladder": ["x"]}, "rules[0].match.sqlstate: expected SQLSTATEs"),
        ({"match": {"sqlstate": "dead"}, "ladder": ["x"]}, "rules[0].match.sqlstate: expected SQLSTATEs"),
        ("everything", "rules[0]: expected a mapping"),
        ({"match": {"class": "X"}, "ladder": [7]}, "rules[0].ladder[0]: expected a strategy's name"),
    ],
)
def test_a_mistake_is_named_with_its_place(given: Any, problem: str) -> None:
    good = {"name": "good", "match": {"class": "X"}, "ladder": GOOD}
    rules, problems = parse(given, good)
    assert problem in "\n".join(problems)
    assert [rule.name for rule in rules] == ["good"]


def test_what_would_never_be_run_is_told_of() -> None:
    tell = {"notify": {"webhook": "http://hooks.example/x"}}
    wait = {"wait_and_probe": {"probe": "tcp://127.0.0.1:1"}}
    restart = {"command": {"argv": ["true"]}}
    _, problems = parse({"match": {"class": "X"}, "ladder": [wait], "escalate": [tell]})
    assert "rules[0].escalate: nothing in the ladder is destructive" in problems[0]
    assert parse({"match": {"class": "X"}, "ladder": [wait, restart], "escalate": [tell]})[1] == []


WRONG = {"match": {"class": "X"}, "ladder": [{"advice": {"txt": "x"}}], "mode": "akt"}
TOLD = "RecoveryHandler: rules[0].ladder[0].advice"


def test_a_rule_is_left_out_at_the_first_mistake_that_it_has_no_use_with(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options("RecoveryHandler", {}, ())
    assert [rule.name for rule in parse_rules(options, [WRONG, {**WRONG, "ladder": ["retry"]}], None)] == ["rules[1]"]
    assert capsys.readouterr().err.splitlines()[:2] == [
        f"llama_logging: {TOLD}.txt: unknown option, did you mean 'text'?",
        f"llama_logging: {TOLD}: the option 'text' is needed",
    ]


def test_strict_raises_at_the_first_mistake_and_names_its_place_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(Options("RecoveryHandler", {}, (), strict=True), [WRONG], None)
    assert str(caught.value) == f"{TOLD}.txt: unknown option, did you mean 'text'?"


def test_wrong_values_of_a_rule_fall_back_to_the_defaults() -> None:
    (parsed,), problems = parse(
        {"match": {"class": "X"}, "ladder": ["llm.fallback_text"], "mode": "akt", "deadline": "soon", "colour": "red"}
    )
    assert (parsed.mode, parsed.deadline) == (None, 30.0)
    assert [problem.partition(":")[0] for problem in problems] == [
        "rules[0].colour",
        "rules[0].mode",
        "rules[0].deadline",
    ]


def test_destructive_strategies_observe_unless_told_to_act() -> None:
    ladder = [{"wait_and_probe": {"probe": "tcp://h:1"}}, {"ollama.restart": {"start": ["ollama", "serve"]}}]
    for mode, expected in ((None, [False, True]), ("act", [False, False]), ("observe", [True, True])):
        (parsed,), problems = parse({"match": {"class": "X"}, "ladder": ladder, "mode": mode})
        assert problems == []
        assert [parsed.observes(step.strategy) for step in parsed.ladder] == expected


def test_a_mode_for_all_rules_and_yamls_bare_off() -> None:
    base = {"match": {"class": "X"}, "ladder": ["llm.fallback_text"]}
    rules, _ = parse(base, {**base, "mode": False}, mode="act")
    assert [parsed.mode for parsed in rules] == ["act", "off"]


def test_the_scope_is_what_the_ladder_acts_on() -> None:
    ladder = [{"ollama.restart": {"base_url": "http://h:1", "start": ["x"]}}]
    assert rule({"class": "X"}).scope == ""
    (parsed,), _ = parse({"match": {"class": "X"}, "ladder": ladder})
    assert parsed.scope == "ollama@h:1"


def test_a_function_is_a_strategy_by_its_dotted_path() -> None:
    (parsed,), problems = parse({"match": {"class": "X"}, "ladder": ["tests.recovery.test_rules.outage"]})
    assert problems == []
    assert parsed.ladder[0].strategy.intent == "call tests.recovery.test_rules.outage"
    assert parsed.ladder[0].name == "tests.recovery.test_rules.outage"


class Unfinished(Strategy):
    """A class of another package that is a strategy in part."""

    name: ClassVar[str] = "unfinished"

    @classmethod
    def configure(cls, options: Options) -> Self:
        return cls()


class Stumbling(Unfinished):
    @classmethod
    def configure(cls, options: Options) -> Self:
        raise RuntimeError("no such shop")


class Mistaken(Unfinished):
    @classmethod
    def configure(cls, options: Options) -> Any:
        return {}


def test_every_shipped_strategy_says_what_it_is() -> None:
    for name in SHIPPED:
        cls: Any = load(name)
        assert cls.name == name
        assert cls.configure.__doc__
        assert cls.recover.__doc__


def test_another_package_may_offer_a_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point, as a function or as a class; one that cannot be imported is told of."""
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[llama_logging.strategies]\n"
        "shop.restock = shop_recovery:restock\n"
        "shop.wait = llama_logging.recovery.strategies.wait_and_probe:WaitAndProbe\n"
        "shop.gone = shop_recovery:gone\n"
    )
    (tmp_path / "shop_recovery.py").write_text("def restock(context):\n    return 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    match = {"class": "X"}
    ladder = ["shop.restock", {"shop.wait": {"probe": "tcp://127.0.0.1:1"}}]
    (parsed,), problems = parse({"match": match, "ladder": ladder})
    assert problems == []
    assert [step.strategy.intent for step in parsed.ladder] == [
        "call shop_recovery.restock",
        "wait until tcp://127.0.0.1:1 answers",
    ]
    _, problems = parse({"match": match, "ladder": ["shop.gone"]})
    assert "has no attribute 'gone'" in str(problems[0])
