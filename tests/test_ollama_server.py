from __future__ import annotations

import http.client
import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from llama_logging.demo import ollama_server
from llama_logging.demo.ollama_server import CONTEXT_LENGTH, MODELS
from tests.conftest import Start


def test_it_looks_like_ollama(start: Start) -> None:
    server = start()
    assert server.ask("GET", "/") == (200, "Ollama is running")
    assert server.ask("HEAD", "/api/version")[0] == 200
    assert server.ask("GET", "/api/version") == (200, [{"version": ollama_server.VERSION}])
    names = [model["name"] for model in server.ask("GET", "/api/tags")[1][0]["models"]]
    assert names == ["llama3.2:latest", "qwen2.5:0.5b"]
    assert server.ask("POST", "/api/show", {"model": "llama3.2"})[0] == 200
    assert server.ask("GET", "/api/nothing")[0] == 404


def test_it_generates_whole_and_in_pieces(start: Start) -> None:
    server = start()
    _, (whole,) = server.generate(stream=False)
    _, pieces = server.generate()
    assert whole["done"]
    assert len(pieces) > 10
    assert [piece["done"] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert "".join(piece["response"] for piece in pieces) == whole["response"]
    _, (short,) = server.generate(stream=False, options={"num_predict": 1})
    assert short["eval_count"] == 1
    messages = [{"role": "user", "content": "a llama"}]
    _, talk = server.ask("POST", "/api/chat", {"model": "qwen2.5:0.5b", "messages": messages})
    assert "".join(piece["message"]["content"] for piece in talk) == whole["response"]


def test_models_are_loaded_and_unloaded(start: Start) -> None:
    server = start()
    server.generate(prompt="", stream=False)
    assert [model["name"] for model in server.ask("GET", "/api/ps")[1][0]["models"]] == ["llama3.2:latest"]
    server.generate(keep_alive=0, stream=False)
    assert server.ask("GET", "/api/ps")[1] == [{"models": []}]


def test_a_model_that_is_missing_can_be_pulled_for_good(start: Start) -> None:
    server = start()
    assert server.generate(model="mistral") == (404, {"error": "model 'mistral' not found"})
    assert server.ask("POST", "/api/pull", {"model": "mistral"})[1][-1] == {"status": "success"}
    port = server.url.rpartition(":")[2]
    server.kill()
    again = start(port=port)
    assert again.generate(model="mistral")[0] == 200
    assert again.ask("DELETE", "/api/delete", {"model": "mistral"})[0] == 200
    assert again.generate(model="mistral")[0] == 404


def test_starts_and_requests_are_kept(start: Start, own_place: Path) -> None:
    start().kill()
    start().generate()
    assert json.loads((own_place / "server" / "boots.json").read_text()) == 2
    requests = [json.loads(line) for line in (own_place / "server" / "requests.jsonl").read_text().splitlines()]
    assert [request["path"] for request in requests] == ["/api/generate"]


def test_it_ends_cleanly_on_sigterm(start: Start) -> None:
    assert start().kill(signal.SIGTERM) == 0


def test_a_body_that_is_no_json_is_refused(start: Start) -> None:
    server = start()
    request = urllib.request.Request(server.url + "/api/generate", b"{", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request)
    caught.value.close()


@pytest.mark.parametrize(
    ("fault", "options", "error"),
    [
        ("reset", {}, ConnectionResetError),
        ("close", {}, http.client.RemoteDisconnected),
        ("hang", {}, TimeoutError),
        ("cut", {"after": 2}, http.client.IncompleteRead),
        ("exit", {"after": 2}, (http.client.IncompleteRead, ConnectionResetError)),
        ("garbage", {}, json.JSONDecodeError),
    ],
)
def test_connections_fail_as_ordered(start: Start, fault: str, options: Any, error: Any) -> None:
    server = start()
    server.fault(fault, path="/api/generate", **options)
    timeout = 0.5 if error is TimeoutError else 30
    with pytest.raises(error):
        server.ask("POST", "/api/generate", {"model": "llama3.2", "prompt": "a llama"}, timeout=timeout)
    if fault == "exit":
        assert server.process.wait(30) == 1
    else:
        assert server.generate()[0] == 200


def test_answers_fail_as_ordered(start: Start) -> None:
    server = start()
    server.fault("status", status=500, error="model requires more system memory")
    assert server.generate() == (500, {"error": "model requires more system memory"})
    server.fault("stream_error", after=1, error="out of memory")
    assert server.generate()[1][-1] == {"error": "out of memory"}
    server.fault("delay", seconds=0.01)
    assert server.generate()[0] == 200
    assert server.ask("POST", "/_control/faults", {"fault": "nonsense"})[0] == 400


def test_a_fault_lasts_until_it_is_ended(start: Start) -> None:
    server = start()
    server.fault("status", times=None, path="/api/generate")
    assert [server.generate()[0] for _ in range(3)] == [503] * 3
    assert server.ask("GET", "/api/version")[0] == 200
    assert server.ask("DELETE", "/_control/faults")[0] == 200
    assert server.generate()[0] == 200


def test_openais_half_speaks_too(start: Start) -> None:
    server = start()
    messages = [{"role": "user", "content": "a llama"}]
    _, (whole,) = server.ask("POST", "/v1/chat/completions", {"model": "llama3.2", "messages": messages})
    assert whole["choices"][0]["message"]["content"] == server.generate(stream=False)[1][0]["response"]
    assert [model["id"] for model in server.ask("GET", "/v1/models")[1][0]["data"]] == MODELS.split(",")
    missing = server.ask("POST", "/v1/chat/completions", {"model": "mistral", "messages": messages})
    assert (missing[0], missing[1]["error"]["message"]) == (404, "model 'mistral' not found")


def test_a_prompt_that_is_too_long_is_cut_silently_unless_that_is_refused(start: Start) -> None:
    server = start()
    long = {"prompt": "word " * 5_000, "stream": False}
    assert server.generate(**long)[1][0]["prompt_eval_count"] == CONTEXT_LENGTH
    assert server.generate(**long, options={"num_ctx": 8_192})[1][0]["prompt_eval_count"] == 5_000
    assert server.generate(**long, truncate=False)[0] == 400


def test_memory_is_taken_and_given_back(start: Start) -> None:
    server = start()
    server.like(memory=3 * 2**30)
    assert server.generate(prompt="", stream=False)[0] == 200
    refused = server.generate(model="qwen2.5:0.5b", prompt="", stream=False)
    assert refused[0] == 500
    assert refused[1]["error"].startswith("model requires more system memory (2.2 GiB) than is available (0.8 GiB)")
    server.generate(prompt="", keep_alive=0, stream=False)
    assert server.generate(model="qwen2.5:0.5b", prompt="", stream=False)[0] == 200


def test_a_queue_has_an_end_and_a_key_is_asked_for(start: Start) -> None:
    server = start()
    server.like(queue=0)
    assert server.generate()[0] == 503
    server.like(queue=None, key="sk-1")
    assert server.generate() == (401, {"error": "unauthorized"})


def test_it_is_restarted_by_command_and_lasting_faults_go_on(start: Start) -> None:
    server = start()
    server.fault("died", times=None, path="/api/generate")
    server.fault("busy", times=None, path="/api/chat", until="never")
    subprocess.run(server.command("restart"), check=True)
    server.wait()
    assert server.generate()[0] == 200
    assert server.ask("POST", "/api/chat", {"model": "llama3.2"})[0] == 503
    assert server.commands() == ["restart"]


@pytest.mark.parametrize(
    ("until", "path", "body"),
    [
        ("pull", "/api/pull", {"model": "mistral"}),
        ("unload", "/api/generate", {"model": "qwen2.5:0.5b", "keep_alive": 0}),
    ],
)
def test_a_fault_lasts_until_something_is_done(start: Start, until: str, path: str, body: Any) -> None:
    server = start()
    server.fault("memory", model="llama3.2", times=None, until=until)
    assert [server.generate()[0] for _ in range(2)] == [500, 500]
    server.ask("POST", path, body)
    assert server.generate()[0] == 200


def test_a_stream_may_stall_or_be_reset_in_the_middle(start: Start) -> None:
    server = start()
    body = {"model": "llama3.2", "prompt": "a llama"}
    server.fault("stall", path="/api/generate", after=2)
    with pytest.raises(TimeoutError):
        server.ask("POST", "/api/generate", body, timeout=0.3)
    server.fault("reset", path="/api/generate", after=2)
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        server.ask("POST", "/api/generate", body)
