from __future__ import annotations

import http.client
import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from llama_logging.demo import ollama_server
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
    with pytest.raises(error):
        server.ask("POST", "/api/generate", {"model": "llama3.2", "prompt": "a llama"}, timeout=0.5)
    if fault == "exit":
        assert server.process.wait(5) == 1
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
