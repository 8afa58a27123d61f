"""The contract of a strategy, for every one that is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llama_logging.exceptions import ConfigError
from llama_logging.recovery.strategies import SHIPPED, load
from llama_logging.recovery.strategy import Remedy
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import attempt, failed, make, napping, tried

CLOSED = "tcp://127.0.0.1:1"


def harm(*_: object) -> None:
    """Fail: what helped nobody yet."""
    raise RuntimeError("no luck")


def never() -> bool:
    """All is not well."""
    return False


HARM = "tests.recovery.test_strategies.harm"
NEVER = "tests.recovery.test_strategies.never"

GIVEN: dict[str, dict[str, Any]] = {
    "wait_and_probe": {"probe": CLOSED},
    "wait_for_dependency": {"address": "127.0.0.1:1"},
    "db.reconnect": {"dispose": HARM, "check": NEVER},
    "process.restart": {"factory": HARM, "health": NEVER},
    "reload_config": {"reload": HARM, "check": NEVER},
    "sqlite.busy": {"database": "no-such.db"},
    "disk.free": {"roots": "/no-such-folder", "patterns": "*.tmp"},
    "memory.relief": {"caches": HARM},
    "fd.relief": {"close": HARM},
    "dns.refresh": {"host": "no.such.host.invalid"},
    "tls.recheck": {"address": "127.0.0.1:1"},
    "token.refresh": {"refresh": HARM},
    "systemd.restart": {"unit": "no-such.service", "probe": NEVER},
    "docker.restart": {"container": "no-such", "probe": NEVER},
    "k8s.rollout": {"workload": "deployment/no-such", "probe": NEVER},
    "command": {"argv": ["no-such-command"], "probe": NEVER},
    "flag.toggle": {"flag": "contract", "value": 1, "lasting": 1},
    "notify": {"function": HARM},
    "advice": {"text": "buy more memory"},
    "ollama.smaller_model": {"base_url": "http://127.0.0.1:1", "models": ["large", "small"]},
    "ollama.reduce_context": {"base_url": "http://127.0.0.1:1", "num_ctx": 8192},
    "ollama.pull": {"base_url": "http://127.0.0.1:1", "models": ["none"]},
    "llm.fallback_model": {"models": [{"model": "none", "base_url": "http://127.0.0.1:1"}]},
    "ollama.restart": {"base_url": "http://127.0.0.1:1", "start": ["no-such-command"]},
    "call": {"function": HARM},
    "fallback_value": {"value": 1},
}
"""What those cannot do without that have options which are needed; all of it is of no use."""

MAY_RAISE = {"call"}
"""They run the application's own code, and what that raises is its failure."""


@pytest.fixture(autouse=True)
def no_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is installed here is ever run by these tests."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.mark.parametrize("name", SHIPPED)
def test_it_says_what_it_is_and_what_it_would_do(name: str) -> None:
    cls: Any = load(name)
    strategy = make(name, **GIVEN.get(name, {}))
    assert strategy.name == name
    assert type(strategy.destructive) is bool
    assert all(text.strip() for text in (cls.__doc__, cls.configure.__doc__, cls.recover.__doc__, strategy.intent))
    assert type(strategy.scope) is type(strategy.intent) is str
    assert (strategy.scope, strategy.intent) == (strategy.scope, strategy.intent)


@pytest.mark.parametrize("name", SHIPPED)
def test_an_option_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="colour: unknown option"):
        make(name, **GIVEN.get(name, {}), colour="red")


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, option) for name in SHIPPED for option in load(name).option_names],  # type: ignore[union-attr]
)
def test_a_wrong_value_is_named_with_its_option(name: str, option: str) -> None:
    if option in ("value", "hints"):
        return  # whatever YAML can say
    with pytest.raises(ConfigError, match=option):
        make(name, **{**GIVEN.get(name, {}), option: {"neither": ["here", "nor", "there"]}})


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in MAY_RAISE])
def test_a_failed_attempt_is_an_answer_within_the_deadline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only sleeping moves: it sleeps no longer than it may, and not for ever."""
    deadline = napping(monkeypatch, 7)
    remedy = tried(make(name, **GIVEN.get(name, {})), failed("x", attributes={"errno": 5}), deadline)
    assert isinstance(remedy, Remedy)
    assert remedy.status in (
        OutcomeStatus.FAILED,
        OutcomeStatus.RECOVERED,
        OutcomeStatus.FALLBACK,
        OutcomeStatus.ADVICE,
    )
    assert remedy.detail
    assert deadline._clock() <= 7


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in MAY_RAISE])
def test_it_may_be_tried_again_and_when_no_time_is_left(name: str) -> None:
    strategy = make(name, **GIVEN.get(name, {}))
    assert attempt(strategy, timeout=0).status == attempt(strategy, timeout=0).status
