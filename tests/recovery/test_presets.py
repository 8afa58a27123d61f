from __future__ import annotations

from typing import Any

import pytest

from llama_logging.config.mistakes import collecting
from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from llama_logging.demo.ollama_server import TEXTS
from llama_logging.recovery.presets.ollama import MEMORY_ADVICE
from llama_logging.recovery.rules import Rule, parse_rules
from llama_logging.recovery.strategy import Deadline
from tests.conftest import make_context


def parse(**given: Any) -> tuple[tuple[Rule, ...], list[str]]:
    with collecting() as problems:
        parsed = parse_rules(Options("RecoveryHandler", {}, ()), [{"use": "ollama", **given}], None)
    return parsed, [str(problem) for problem in problems]


def rule_for(context: ErrorContext, **given: Any) -> str:
    rules, problems = parse(**given)
    assert problems == []
    return next((rule.name for rule in rules if rule.applies(context)), "")


def error(
    name: str, message: str = "", bases: tuple[str, ...] = (), modules: tuple[str, ...] = (), **attributes: Any
) -> ErrorContext:
    module, _, type_ = name.rpartition(".")
    frames = tuple(Frame(module=name, function="f", file="f.py", line=1, source="", in_app=False) for name in modules)
    detail = ExceptionDetail(
        type=type_,
        module=module or "builtins",
        message=message,
        bases=(name, *bases, "Exception"),
        frames=frames,
        attributes=attributes,
    )
    return make_context(exceptions=(detail,))


def joined(*contexts: ErrorContext) -> ErrorContext:
    """The error of the first, whose cause is the next."""
    return make_context(exceptions=tuple(context.exceptions[0] for context in contexts))


RESPONSE, HERE = "ollama._types.ResponseError", "127.0.0.1:11434"
AIOHTTP = ("aiohttp.client_exceptions.ClientOSError", "aiohttp.client_exceptions.ClientConnectionError", "OSError")
TIMEOUT = ("httpx.TimeoutException", "httpx.TransportError")
BY_LITELLM = error("litellm.exceptions.InternalServerError", "", ("openai.APIStatusError",), status_code=500)
MADE_UP = "docs.litellm.ai:443"
OF_OLLAMA = "litellm.BadRequestError: Ollama_chatException - KeyError: 'message', Got unexpected response from Ollama: "
MALFORMED = error("json.decoder.JSONDecodeError", "Expecting value")
RULES = {
    "memory": "memory",
    "busy": "busy",
    "died": "runner-died",
    "load_timeout": "load-timeout",
    "too_long": "context-too-long",
    "tool_call": "tool-call",
    "unauthorized": "auth",
}


@pytest.mark.parametrize("generation", ["0.6", "2026"])
@pytest.mark.parametrize("what", TEXTS)
def test_the_texts_of_both_generations_are_known(what: str, generation: str) -> None:
    status, text = TEXTS[what][generation]
    given = error(RESPONSE, f"{text} (status code: {status})", status_code=status)
    assert rule_for(given) == f"ollama-{RULES[what]}"


@pytest.mark.parametrize(
    ("context", "name"),
    [
        (error(RESPONSE, "model 'x' not found", status_code=404), "model-missing"),
        (
            error("openai.NotFoundError", 'model "x" not found, try pulling it first', server="localhost:11434"),
            "model-missing",
        ),
        (error("requests.exceptions.HTTPError", "404", server=HERE, response="model 'x' not found"), "model-missing"),
        (error(RESPONSE, "CUDA error: out of memory", status_code=-1), "memory"),
        (error(RESPONSE, "unable to load full model on GPU"), "memory"),
        (error(RESPONSE, "llama-server process no longer running: 2"), "runner-died"),
        (error(RESPONSE, "llm busy - no slots available", status_code=500), "busy"),
        (error(RESPONSE, "something new", status_code=500), "failed"),
        (error("httpx.HTTPStatusError", "502", server=HERE, status_code=502), "overloaded"),
        (error("openai.APITimeoutError", "", ("openai.APIConnectionError",), server=HERE), "timeout"),
        (error("httpx.ReadTimeout", "timed out", TIMEOUT, ("ollama._client",)), "timeout"),
        (error("httpx.ConnectError", "refused", ("httpx.TransportError",), server=HERE), "connection"),
        (
            error("aiohttp.client_exceptions.ClientConnectorError", "", AIOHTTP, server="localhost:11434", errno=111),
            "connection",
        ),
        (error("aiohttp.client_exceptions.ClientResponseError", "503", server=HERE, status=503), "overloaded"),
        (error("urllib.error.HTTPError", "500", ("urllib.error.URLError",), server=HERE, code=500), "failed"),
        (error("json.decoder.JSONDecodeError", "Unterminated", modules=("ollama._client",)), "malformed-answer"),
        (error("json.decoder.JSONDecodeError", "Expecting value", server=HERE), "malformed-answer"),
        (joined(BY_LITELLM, error("json.decoder.JSONDecodeError", server=HERE)), "malformed-answer"),
        (joined(BY_LITELLM, error("httpx.ReadTimeout", "", TIMEOUT, server=HERE)), "timeout"),
        (
            error("litellm.exceptions.BadRequestError", f"{OF_OLLAMA}{TEXTS['died']['0.6'][1]}", server=MADE_UP),
            "runner-died",
        ),
        (error("litellm.llms.ollama.common_utils.OllamaError", TEXTS["memory"]["0.6"][1], server=MADE_UP), "memory"),
        (
            error("dspy.utils.exceptions.LMServerError", f"[ollama_chat/x] {TEXTS['busy']['0.6'][1]}", status=503),
            "busy",
        ),
        (error("dspy.utils.exceptions.LMTransportError", "[ollama/x] read failed"), "connection"),
        (
            joined(
                error("dspy.utils.exceptions.LMTransportError", "[ollama_chat/x] read timed out"),
                error("dspy._vendor.lm15.transports._exceptions.ReadTimeout"),
            ),
            "timeout",
        ),
        (
            joined(
                error(
                    "dspy.utils.exceptions.LMServerError",
                    "[ollama/x] 500",
                    ("dspy.utils.exceptions.LMError",),
                    status=500,
                ),
                error(
                    "dspy.utils.exceptions.AdapterParseError", "Adapter ChatAdapter failed to parse the LM response."
                ),
            ),
            "failed",
        ),
        (joined(BY_LITELLM, error("httpx.ReadError", "", ("httpx.TransportError",), server=HERE)), "connection"),
        (joined(error("httpx.HTTPStatusError", "500", server=HERE, status_code=500), MALFORMED), "failed"),
        (joined(error("httpx.ConnectError", "", ("httpx.TransportError",), server=HERE), MALFORMED), "connection"),
        (error("app.OllamaConnectionError", "no answer"), "connection"),
        (error(RESPONSE, "input exceeds the available context size", status_code=400), "context-too-long"),
    ],
)
def test_an_error_is_known_through_every_client(context: ErrorContext, name: str) -> None:
    assert rule_for(context) == f"ollama-{name}"


@pytest.mark.parametrize(
    "context",
    [
        error("httpx.ConnectError", "refused", ("httpx.TransportError",), server="payments.example:443"),
        error("requests.exceptions.HTTPError", "503", server="127.0.0.1:8080", status_code=503),
        error("redis.exceptions.ConnectionError", "refused"),
        error("json.decoder.JSONDecodeError", "Expecting value", modules=("app.settings",)),
        error("RuntimeError", "CUDA error: out of memory"),
        error("dspy.utils.exceptions.LMServerError", "[openai/x] out of memory", status=500),
        error(
            "litellm.exceptions.InternalServerError", "OpenAIException - out of memory", status_code=500, server=MADE_UP
        ),
        error("ollama._types.RequestError", "must provide a model"),
    ],
)
def test_what_is_not_ollamas_is_none_of_its_business(context: ErrorContext) -> None:
    assert rule_for(context) == ""


def test_which_errors_are_ollamas_may_be_said() -> None:
    timeout = error("aiohttp.client_exceptions.ServerTimeoutError", "")
    assert rule_for(timeout) == ""
    assert rule_for(timeout, match={"logger": "shop"}) == "ollama-timeout"
    assert rule_for(timeout, match={"logger": "story"}) == ""
    behaved = error("pydantic_ai.exceptions.UnexpectedModelBehavior", "Exceeded maximum output retries (1)")
    assert rule_for(behaved, match={"logger": "shop"}) == "ollama-malformed-answer"
    parsed = error("dspy.utils.exceptions.AdapterParseError", "Adapter JSONAdapter failed to parse the LM response.")
    assert rule_for(parsed, match={"logger": "shop"}) == "ollama-malformed-answer"


def test_another_address_is_another_server() -> None:
    refused = error("httpx.ConnectError", "refused", ("httpx.TransportError",), server="gpu.example:11434")
    assert rule_for(refused) == ""
    assert rule_for(refused, base_url="http://gpu.example:11434") == "ollama-connection"


@pytest.mark.parametrize("name", ["ollama._types.ResponseError", "shop.AIGenerationError"])
def test_a_client_of_ollamas_that_asked_another_server_tells_nothing_of_this_one(name: str) -> None:
    """With two servers the second would never be recovered, but the first be restarted for it."""
    other = error(name, "CUDA error: out of memory", server="gpu.example:11434", status_code=500)
    assert rule_for(other) == ""
    assert rule_for(other, base_url="http://gpu.example:11434") == "ollama-memory"


def ladder(name: str, **given: Any) -> list[str]:
    rules, problems = parse(**given)
    assert problems == []
    (rule,) = (rule for rule in rules if rule.name == f"ollama-{name}")
    return [step.strategy.name for step in rule.ladder]


def test_what_is_not_asked_for_is_not_tried() -> None:
    assert ladder("model-missing") == ["advice"]
    assert ladder("model-missing", models=["llama3*"]) == ["ollama.pull", "advice"]
    assert ladder("memory") == ["ollama.unload", "ollama.restart", "advice"]
    assert ladder("memory", smaller_models=["a", "b"], num_ctx=8192, fallback="Sorry.") == [
        "ollama.unload",
        "ollama.smaller_model",
        "ollama.reduce_context",
        "ollama.restart",
        "llm.fallback_text",
    ]


def test_a_fallback_takes_no_advice_away() -> None:
    (rule,) = (rule for rule in parse(fallback="Sorry.")[0] if rule.name == "ollama-memory")
    remedy = rule.ladder[-1].strategy.recover(error("ollama.ResponseError", "out of memory"), Deadline(1))
    assert (remedy.value, remedy.advice) == ("Sorry.", MEMORY_ADVICE)
    assert remedy.detail == f"handed over 'Sorry.'; {MEMORY_ADVICE}"


def test_a_busy_server_is_never_restarted_and_advice_never_acts() -> None:
    for name in ("busy", "overloaded"):
        assert "ollama.restart" not in ladder(name, mode="act")
    for name in ("auth", "context-too-long"):
        assert ladder(name, mode="act") == ["advice"]


def test_whatever_cannot_be_helped_has_the_fallback() -> None:
    """Also where all there is to do is somebody's: the caller's story goes on, and the advice is said."""
    ends = {rule.name: rule.ladder[-1].strategy.name for rule in parse(fallback="Sorry.")[0]}
    assert set(ends.values()) == {"llm.fallback_text"}


def test_one_server_is_one_scope_and_a_download_another() -> None:
    rules, _ = parse(models=["*"], base_url="http://h:1", mode="act")
    scopes = {rule.name: rule.scope for rule in rules}
    assert scopes["ollama-memory"] == scopes["ollama-timeout"] == "ollama@h:1"
    assert scopes["ollama-model-missing"] == "ollama@h:1/models"
    assert scopes["ollama-auth"] == ""
    assert {rule.mode for rule in rules if rule.scope} == {"act"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"restrat": ["x"]}, "rules[0].restrat: unknown option, did you mean 'restart'?"),
        ({"restart": "systemctl restart ollama"}, "rules[0].restart: expected a list of words"),
        ({"use": "olama"}, "unknown preset 'olama', did you mean 'ollama'?"),
        ({"base_url": "gopher://x"}, "rules[0].base_url: expected an address"),
        ({"mode": "akt"}, "unknown mode 'akt'"),
        ({"match": {"clas": "X"}}, "rules[0].match"),
    ],
)
def test_a_mistake_is_named_with_its_place(given: Any, problem: str) -> None:
    assert problem in "\n".join(parse(**given)[1])
