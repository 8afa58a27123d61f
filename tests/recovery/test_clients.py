"""The clients that people use, against the stand-in server, in code that knows nothing of recovery but `outcome()`."""

from __future__ import annotations

import gc
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from llama_logging.handlers import RecoveryHandler
from llama_logging.recovery.outcome import Outcome, outcome
from llama_logging.tried import OutcomeStatus
from tests.stand_in import Ollama

GIB = 2**30
FALLBACK = "The story-teller is asleep."
TIMEOUT = 1.5
"""Seconds the clients wait."""
PROMPT = "Tell of a llama."

Ask = Callable[[str], str]


@cache
def through_ollama(url: str) -> Ask:
    client = pytest.importorskip("ollama").Client(url, timeout=TIMEOUT)
    return lambda model: str(client.generate(model, PROMPT).response)


@cache
def through_ollamas_stream(url: str) -> Ask:
    client = pytest.importorskip("ollama").Client(url, timeout=TIMEOUT)
    return lambda model: "".join(piece.response for piece in client.generate(model, PROMPT, stream=True))


@cache
def through_openai(url: str) -> Ask:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="x", timeout=TIMEOUT, max_retries=0)
    messages = [{"role": "user", "content": PROMPT}]

    def ask(model: str) -> str:
        return str(client.chat.completions.create(model=model, messages=messages).choices[0].message.content)

    return ask


@cache
def through_httpx(url: str) -> Ask:
    client = httpx.Client(base_url=url, timeout=TIMEOUT)

    def ask(model: str) -> str:
        answer = client.post("/api/generate", json={"model": model, "prompt": PROMPT, "stream": False})
        return str(answer.raise_for_status().json()["response"])

    return ask


@cache
def through_requests(url: str) -> Ask:
    session = pytest.importorskip("requests").Session()

    def ask(model: str) -> str:
        body = {"model": model, "prompt": PROMPT, "stream": False}
        answer = session.post(f"{url}/api/generate", json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return str(answer.json()["response"])

    return ask


@cache
def through_langchain(url: str) -> Ask:
    langchain = pytest.importorskip("langchain_ollama")

    @cache
    def chat(model: str) -> Any:
        return langchain.ChatOllama(base_url=url, model=model, client_kwargs={"timeout": TIMEOUT})

    return lambda model: str(chat(model).invoke(PROMPT).content)


CLIENTS = (
    through_ollama,
    through_ollamas_stream,
    through_openai,
    through_httpx,
    through_requests,
    through_langchain,
)
STREAMS = (through_ollamas_stream, through_langchain)


@dataclass(frozen=True)
class Case:
    """What goes wrong, and what is to be done about it.

    Attributes:
        faults: What is ordered for every way to generate.
        like: What the server is like.
        model: Which one is asked for.
        done: The commands that may be run.
        pulled: The models that may be pulled.
        end: How the recovery ends.
        clients: Those that raise at it; the others get an answer.
        nameless: Those whose exception does not say which server it was: there the configuration has to.
    """

    faults: tuple[dict[str, Any], ...] = ()
    like: dict[str, Any] = field(default_factory=dict)
    model: str = "llama3.2"
    done: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    end: OutcomeStatus = OutcomeStatus.RECOVERED
    clients: tuple[Any, ...] = CLIENTS
    nameless: tuple[Any, ...] = ()


def fault(name: str, **more: Any) -> tuple[dict[str, Any], ...]:
    return ({"name": name, "path": ["/api/generate", "/api/chat", "/v1/chat/completions"], "times": 1, **more},)


CASES = {
    "not running": Case(faults=fault("exit"), done=["restart"]),
    "model missing": Case(model="mistral", pulled=["mistral"]),
    "queue full": Case(faults=fault("busy", times=2)),
    "overloaded": Case(faults=fault("busy", generation="2026", times=2)),
    "memory taken by another model": Case(like={"memory": 3 * GIB, "loaded": ["qwen2.5:0.5b"]}),
    "memory never enough": Case(like={"memory": GIB}, done=["restart"], end=OutcomeStatus.FALLBACK),
    "runner died once": Case(faults=fault("died")),
    "runner died for good": Case(faults=fault("died", generation="2026", times=None), done=["restart"]),
    "wedged": Case(faults=fault("hang", times=None), done=["restart"]),
    "load timeout": Case(faults=fault("load_timeout")),
    "context too long": Case(faults=fault("too_long", times=None), end=OutcomeStatus.FALLBACK),
    "unauthorized": Case(faults=fault("unauthorized", times=None), end=OutcomeStatus.FALLBACK),
    "connection reset": Case(faults=fault("reset")),
    "connection closed before the answer": Case(faults=fault("close")),
    "cut in mid-answer": Case(faults=fault("cut"), nameless=(through_requests,)),
    "error in mid-stream": Case(faults=fault("stream_error"), clients=STREAMS),
    "broken line in the stream": Case(faults=fault("garbage"), clients=STREAMS),
    "answer that is no JSON": Case(faults=fault("bad_json")),
    "proxy's page": Case(faults=fault("html")),
}


PAIRS = [
    pytest.param(name, client, id=f"{name}, {client.__name__}")
    for name, case in CASES.items()
    for client in CLIENTS
    if client in case.clients
]

# The clients keep connections open, some for ever.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def closed() -> Iterator[None]:
    """What the clients leave open is closed within this file."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for client in CLIENTS:
            client.cache_clear()
        gc.collect()


def healing(ollama: Ollama, **more: Any) -> logging.Logger:
    """A logger whose errors are healed by the preset, as a logging.yaml would have it."""
    preset = {
        "use": "ollama",
        "base_url": ollama.url,
        "restart": ollama.command("restart"),
        "model": "llama3.2",
        "models": ["mistral"],
        "patience": 1,
        "fallback": FALLBACK,
        "mode": "act",
        **more,
    }
    logger = logging.getLogger("app.story")
    logger.propagate = False
    logger.addHandler(RecoveryHandler(rules=[preset], strict=True))
    return logger


def tell(ask: Ask, model: str, logger: logging.Logger) -> tuple[str, Outcome | None]:
    """As an application does it: ask, and ask once more if that is worth it."""
    try:
        return ask(model), None
    except Exception:
        logger.exception("generation failed")
        result = outcome()
        return (ask(model) if result.wait(30) else str(result.value)), result


@pytest.mark.parametrize(("name", "client"), PAIRS)
def test_what_can_be_healed_is_and_nothing_more_is_done(
    name: str, client: Callable[[str], Ask], ollama: Ollama
) -> None:
    case, ask = CASES[name], client(ollama.url)
    log = healing(ollama, **({"match": {"logger": "app.*"}} if client in case.nameless else {}))
    if name == "connection closed before the answer":
        ask("llama3.2")  # so that it is a connection that was kept
        (ollama.folder / "requests.jsonl").unlink()
    ollama.like(**case.like)
    for one in case.faults:
        ollama.fault(**one)
    text, result = tell(ask, case.model, log)
    assert result is not None, text
    assert result.status is case.end, result
    ollama.wait()
    assert ollama.commands() == case.done
    assert [entry["model"] for entry in ollama.requests("/api/pull")] == case.pulled
    if case.end is OutcomeStatus.RECOVERED:
        assert len(text.split()) > 10
    else:
        assert text == FALLBACK
        assert result.advice
        assert case.done or len(ollama.asked()) == 1, "nothing was tried"


HOSTILE = (
    "--help",
    "$(touch pwned)",
    "; touch pwned",
    "../../etc/passwd",
    "mistral/../../x",
    "é",
)


@pytest.mark.parametrize("model", HOSTILE)
def test_no_name_that_an_error_brings_reaches_a_command_or_a_download(
    model: str, ollama: Ollama, own_place: Path
) -> None:
    log = healing(ollama, models=["*"], fallback="")
    _, result = tell(through_httpx(ollama.url), model, log)
    assert result is not None
    assert result.status is OutcomeStatus.ADVICE
    assert (ollama.commands(), ollama.requests("/api/pull"), list(own_place.glob("**/pwned"))) == ([], [], [])


def test_a_restart_runs_what_was_configured_to_the_letter(ollama: Ollama, own_place: Path) -> None:
    """Whatever the error says: nothing of it is in the command's words or environment."""
    program = "import json, os, sys; open('said.json', 'w').write(json.dumps([sys.argv[1:], dict(os.environ)]))"
    log = healing(ollama, restart=[sys.executable, "-c", program, "ollama", "{model}", "$HOME"])
    error = "$(touch pwned) {model} marked-by-the-server"
    ollama.fault("status", status=500, error=error, path="/api/generate", times=None)
    assert tell(through_httpx(ollama.url), "llama3.2", log)[0] == FALLBACK
    said = (own_place / "said.json").read_text()
    assert '["ollama", "{model}", "$HOME"]' in said
    assert "marked-by-the-server" not in said


def test_ten_thousand_forged_messages_do_nothing(ollama: Ollama) -> None:
    log = healing(ollama)
    for number in range(2_500):
        log.error("httpx.ConnectError: [Errno 111] Connection refused %d", number)
        log.error("Failed to connect to Ollama. Please check that Ollama is downloaded, running and accessible.")
        log.critical(
            'Traceback (most recent call last):\n  File "x.py", line 1\nhttpx.ConnectError: Connection refused'
        )
        log.error("model 'mistral' not found, try pulling it first (status code: 404)")
    assert outcome().status is OutcomeStatus.UNMATCHED
    assert (ollama.asked(), ollama.commands()) == ([], [])
