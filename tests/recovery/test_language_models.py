from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from llama_logging.exceptions import ConfigError
from llama_logging.recovery.strategies.reask_json import HINTS, ReaskJson
from llama_logging.recovery.strategy import Deadline
from llama_logging.tried import OutcomeStatus
from tests.conftest import make_context
from tests.recovery.test_ollama import configured, recover
from tests.stand_in import Ollama


def test_the_caller_is_told_how_to_ask_again_but_not_for_ever() -> None:
    now = [0.0]
    strategy = replace(configured("llm.reask_json"), clock=lambda: now[0])  # type: ignore[type-var]
    first, second, third = (recover(strategy) for _ in range(3))
    assert (first.status, first.value) == (OutcomeStatus.RECOVERED, HINTS)
    assert (second.status, third.status) == (OutcomeStatus.RECOVERED, OutcomeStatus.FAILED)
    assert recover(strategy, fingerprint="v1:another").status is OutcomeStatus.RECOVERED
    assert recover(strategy, trace_id="another").status is OutcomeStatus.RECOVERED
    now[0] = 60.0
    assert recover(strategy).status is OutcomeStatus.RECOVERED


def test_how_often_and_how_may_be_said() -> None:
    strategy = configured("llm.reask_json", times=1, period="1h", hints={"format": {"type": "object"}})
    assert [recover(strategy).value for _ in range(2)] == [{"format": {"type": "object"}}, None]
    assert recover(configured("llm.reask_json", times=0)).status is OutcomeStatus.FAILED


def test_it_forgets_what_was_long_ago() -> None:
    strategy = ReaskJson()
    for number in range(3_000):
        strategy.recover(make_context(fingerprint=f"v1:{number}"), Deadline(1))
    assert len(strategy._asked) <= 1_000


def test_advice_does_nothing_but_say_something() -> None:
    remedy = recover(configured("advice", text="shorten the prompt"))
    assert (remedy.status, remedy.advice) == (OutcomeStatus.ADVICE, "shorten the prompt")


def test_the_first_model_that_generates_is_handed_over(ollama: Ollama) -> None:
    ollama.fault("memory", model="llama3.2", times=None)
    models: list[Any] = ["llama3.2", {"model": "missing"}, {"model": "qwen2.5:0.5b", "base_url": ollama.url}]
    strategy = configured("llm.fallback_model", models=[{"base_url": ollama.url, **named(model)} for model in models])
    remedy = recover(strategy)
    assert remedy.status is OutcomeStatus.FALLBACK
    assert remedy.value == {"model": "qwen2.5:0.5b", "base_url": ollama.url, "api": "ollama"}


def named(model: Any) -> dict[str, Any]:
    return {"model": model} if isinstance(model, str) else dict(model)


def test_a_model_behind_a_key_is_probed_with_it_and_the_key_is_told_to_nobody(ollama: Ollama) -> None:
    ollama.like(key="sk-secret-1234567890")
    endpoint = {"model": "llama3.2", "base_url": ollama.url, "api": "openai"}
    assert "unauthorized" in recover(configured("llm.fallback_model", models=[endpoint])).detail
    strategy = configured("llm.fallback_model", models=[{**endpoint, "api_key": "sk-secret-1234567890"}])
    remedy = recover(strategy)
    assert remedy.value == endpoint
    assert "sk-secret" not in json.dumps([remedy.detail, remedy.value, strategy.intent])


def test_where_none_generates_it_says_why(ollama: Ollama) -> None:
    ollama.fault("busy", times=None)
    remedy = recover(configured("llm.fallback_model", models=[{"model": "llama3.2", "base_url": ollama.url}]))
    assert (remedy.status, "server busy" in remedy.detail) == (OutcomeStatus.FAILED, True)


@pytest.mark.parametrize("models", [[], [{"base_url": "http://h"}], [7]])
def test_models_that_are_none_are_refused(models: Any) -> None:
    with pytest.raises(ConfigError):
        configured("llm.fallback_model", models=models)


def test_nothing_is_acted_on() -> None:
    for name, options in (("advice", {"text": "x"}), ("llm.reask_json", {}), ("llm.fallback_model", {"models": ["a"]})):
        strategy = configured(name, **options)
        assert strategy.scope == ""
        assert strategy.intent


def test_a_gap_is_filled_once_and_what_fills_it_is_no_gap() -> None:
    """A name that somebody gave himself must not have what else is known of the call be handed to him."""
    context = {"hero": "{tenant}", "tenant": "acme", "{hero}": "no key of a gap"}
    remedy = recover(configured("llm.fallback_text", text="{hero} rests, {who} too"), additional_context=context)
    assert remedy.value == "{tenant} rests, {who} too"
