"""A stand-in Ollama server: a real HTTP process, with faults that can be ordered.

    python ollama_server.py serve --port 11434

It speaks `/`, `/api/version`, `/api/tags`, `/api/ps`, `/api/show`, `/api/generate`, `/api/chat` (both
also as NDJSON streams), `/api/pull` and `/api/delete`. `POST /_control/faults` orders a fault, as
`{"fault": "status", "status": 500, "error": "...", "path": "/api/generate", "times": 3}`; `DELETE`
there ends all. It imports nothing outside the standard library, so it also runs as a copy.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "0.6.3"
MODELS = "llama3.2:latest,qwen2.5:0.5b"

OPENINGS = ("Once, when the snow was late", "That very night", "Before the sun was up", "Far above the last village")
DOINGS = (
    "Luna the llama counted the stars and found one missing",
    "a small wind asked the way to the sea",
    "the old condor laughed until his feathers shook",
    "somebody had left a lantern burning on the path",
    "the mountain hummed a song it had forgotten",
)
ENDINGS = ("and nobody was afraid any more.", "so she went on, softly.", "which is how it has been ever since.")


class State:
    """What the server knows; installed models and the number of starts survive in *directory*."""

    def __init__(self, directory: str | None, models: list[str], token_delay: float) -> None:
        self.directory = directory
        self.token_delay = token_delay
        self.models = models
        self.loaded: set[str] = set()
        self.faults: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        if directory is not None:
            os.makedirs(directory, exist_ok=True)
            self.models = self._read("models.json", models)
            self._write("boots.json", self._read("boots.json", 0) + 1)
            self._write("pid.json", os.getpid())

    def installed(self, model: str) -> str | None:
        """The full name of *model*, if it is installed: `llama3.2` is `llama3.2:latest`."""
        full = model if ":" in model else f"{model}:latest"
        return full if full in self.models else None

    def install(self, model: str, *, present: bool) -> None:
        """Add or remove *model*, for good."""
        full = model if ":" in model else f"{model}:latest"
        with self.lock:
            self.models = [name for name in self.models if name != full] + ([full] if present else [])
            self._write("models.json", self.models)

    def note(self, entry: dict[str, Any]) -> None:
        """Keep a request, one JSON object a line."""
        if self.directory is not None:
            with self.lock, open(os.path.join(self.directory, "requests.jsonl"), "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def take_fault(self, path: str) -> dict[str, Any] | None:
        """The fault that was ordered for *path*, counted down."""
        with self.lock:
            for fault in self.faults:
                if fault.get("path") in (None, path) and path.startswith("/api"):
                    if fault.get("times") is not None:
                        fault["times"] -= 1
                        if fault["times"] <= 0:
                            self.faults.remove(fault)
                    return fault
        return None

    def _read(self, name: str, default: Any) -> Any:
        try:
            with open(os.path.join(self.directory or "", name), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return default

    def _write(self, name: str, value: object) -> None:
        if self.directory is not None:
            with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                json.dump(value, file)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are kept in requests.jsonl."""

    def setup(self) -> None:
        """Send each piece of a stream at once, not when the last was acknowledged."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    do_HEAD = do_POST = do_DELETE = do_GET

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        try:
            self.body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            self.send({"error": "invalid request body"}, 400)
            return
        self.fault = self.state.take_fault(self.path)
        self.state.note({"method": self.command, "path": self.path, "fault": self.fault, "at": time.time()})
        early = EARLY_FAULTS.get((self.fault or {}).get("fault", ""))
        if early is not None and early(self, self.fault or {}):
            return
        method = "GET" if self.command == "HEAD" else self.command
        route = ROUTES.get((method, self.path))
        if route is None:
            self.send({"error": "404 page not found"}, 404)
        else:
            route(self)

    def send(self, value: Any, status: int = 200) -> None:
        """Answer with *value* as JSON; text goes as it is."""
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def stream(self, pieces: Iterator[Any]) -> None:
        """Answer with NDJSON, chunk by chunk; a late fault strikes after so many."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        fault = self.fault or {}
        late = LATE_FAULTS.get(fault.get("fault", ""))
        for number, piece in enumerate(pieces):
            if late is not None and number == int(fault.get("after", 3)):
                late(self, fault)
                return
            self.chunk(json.dumps(piece).encode() + b"\n")
        self.chunk(b"")

    def chunk(self, data: bytes) -> None:
        """One chunk; the empty one ends the answer."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def leave(self) -> None:
        """Close the connection, whatever the client still expects."""
        self.close_connection = True


def generate(handler: Handler) -> None:
    """`/api/generate`."""
    _speak(handler, str(handler.body.get("prompt", "")), lambda word: {"response": word})


def chat(handler: Handler) -> None:
    """`/api/chat`."""
    messages = handler.body.get("messages") or [{}]
    _speak(
        handler, str(messages[-1].get("content", "")), lambda word: {"message": {"role": "assistant", "content": word}}
    )


def _speak(handler: Handler, prompt: str, wrap: Callable[[str], dict[str, Any]]) -> None:
    body, state = handler.body, handler.state
    model = state.installed(str(body.get("model", "")))
    if model is None:
        handler.send({"error": f"model '{body.get('model', '')}' not found"}, 404)
        return
    (state.loaded.discard if body.get("keep_alive") == 0 else state.loaded.add)(model)
    words = story(prompt)[: int((body.get("options") or {}).get("num_predict", 1000))] if prompt else []
    base = {"model": model, "created_at": _now(), "done": False}
    end = {
        **base,
        **wrap(""),
        "done": True,
        "done_reason": "stop" if words else "load",
        "total_duration": 1000 * len(words),
        "prompt_eval_count": len(prompt.split()),
        "eval_count": len(words),
    }
    if body.get("stream", True):
        handler.stream(_paced(state, ({**base, **wrap(word)} for word in words), end))
    else:
        handler.send({**end, **wrap("".join(words))})


def story(prompt: str) -> list[str]:
    """Some sentences, the same for the same prompt, as words that carry their spaces."""
    chance = random.Random(prompt)
    doings = chance.sample(DOINGS, 3)
    sentences = [f"{chance.choice(OPENINGS)}, {doing}, {chance.choice(ENDINGS)}" for doing in doings]
    first, *others = " ".join(sentences).split(" ")
    return [first, *(f" {word}" for word in others)]


def pull(handler: Handler) -> None:
    """`/api/pull`."""
    name = str(handler.body.get("model") or handler.body.get("name") or "")
    statuses = ["pulling manifest", "pulling 8eeb52dfb3bb", "verifying sha256 digest", "writing manifest", "success"]
    handler.state.install(name, present=True)
    if handler.body.get("stream", True):
        handler.stream({"status": status} for status in statuses)
    else:
        handler.send({"status": statuses[-1]})


def delete(handler: Handler) -> None:
    """`/api/delete`."""
    name = str(handler.body.get("model") or handler.body.get("name") or "")
    known = handler.state.installed(name) is not None
    handler.state.install(name, present=False)
    handler.send({} if known else {"error": f"model '{name}' not found"}, 200 if known else 404)


def show(handler: Handler) -> None:
    """`/api/show`."""
    name = str(handler.body.get("model") or handler.body.get("name") or "")
    known = handler.state.installed(name) is not None
    details = {"details": {"family": "llama"}, "model_info": {"general.architecture": "llama"}}
    handler.send(details if known else {"error": f"model '{name}' not found"}, 200 if known else 404)


def control(handler: Handler) -> None:
    """`/_control/faults`: list, order, end."""
    state = handler.state
    if handler.command == "POST":
        if handler.body.get("fault") not in {**EARLY_FAULTS, **LATE_FAULTS}:
            handler.send({"error": f"unknown fault; one of {sorted({**EARLY_FAULTS, **LATE_FAULTS})}"}, 400)
            return
        state.faults.append(handler.body)
    elif handler.command == "DELETE":
        state.faults.clear()
    handler.send({"faults": state.faults, "pid": os.getpid()})


ROUTES: dict[tuple[str, str], Callable[[Handler], None]] = {
    ("GET", "/"): lambda handler: handler.send("Ollama is running"),
    ("GET", "/api/version"): lambda handler: handler.send({"version": VERSION}),
    ("GET", "/api/tags"): lambda handler: handler.send({"models": [_model(name) for name in handler.state.models]}),
    ("GET", "/api/ps"): lambda handler: handler.send(
        {"models": [_model(name) for name in sorted(handler.state.loaded)]}
    ),
    ("POST", "/api/show"): show,
    ("POST", "/api/generate"): generate,
    ("POST", "/api/chat"): chat,
    ("POST", "/api/pull"): pull,
    ("DELETE", "/api/delete"): delete,
    **{(method, "/_control/faults"): control for method in ("GET", "POST", "DELETE")},
}


def _status(handler: Handler, fault: dict[str, Any]) -> bool:
    handler.send({"error": fault.get("error", "server busy, please try again.")}, int(fault.get("status", 503)))
    return True


def _delay(handler: Handler, fault: dict[str, Any]) -> bool:
    time.sleep(float(fault.get("seconds", 1)))
    return False


def _hang(handler: Handler, fault: dict[str, Any]) -> bool:
    handler.connection.settimeout(60)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)  # until the client leaves
    handler.leave()
    return True


def _reset(handler: Handler, fault: dict[str, Any]) -> bool:
    # Lingering for 0 seconds makes close() send RST instead of FIN.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.leave()
    handler.connection.close()
    return True


def _close(handler: Handler, fault: dict[str, Any]) -> bool:
    handler.leave()
    return True


def _exit(handler: Handler, fault: dict[str, Any]) -> bool:
    if "after" in fault:
        return False  # in mid-stream, then
    os._exit(1)


def _stream_error(handler: Handler, fault: dict[str, Any]) -> None:
    error = {"error": fault.get("error", "an error was encountered while running the model")}
    handler.chunk(json.dumps(error).encode() + b"\n")
    handler.chunk(b"")


def _garbage(handler: Handler, fault: dict[str, Any]) -> None:
    handler.chunk(b'{"response": "brok\n')
    handler.chunk(b"")


EARLY_FAULTS: dict[str, Callable[[Handler, dict[str, Any]], bool]] = {
    "status": _status,
    "delay": _delay,
    "hang": _hang,
    "reset": _reset,
    "close": _close,
    "exit": _exit,
}
"""Strike before the answer; True if there is to be none."""

LATE_FAULTS: dict[str, Callable[[Handler, dict[str, Any]], object]] = {
    "cut": lambda handler, fault: handler.leave(),
    "stream_error": _stream_error,
    "garbage": _garbage,
    "exit": lambda handler, fault: os._exit(1),
}
"""Strike after so many pieces of a stream (`after`, default 3)."""


class Server(ThreadingHTTPServer):
    """One thread for each connection; a client that leaves is nothing to tell of."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that left."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="A stand-in Ollama server.")
    serve = parser.add_subparsers(required=True).add_parser("serve", help="serve until SIGTERM")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=11434, help="0: any that is free; default 11434")
    serve.add_argument("--state", metavar="DIR", help="where models, starts and requests are kept")
    serve.add_argument("--models", default=MODELS, help="installed at the first start")
    serve.add_argument("--start-delay", type=float, default=0.0, metavar="SECONDS")
    serve.add_argument("--token-delay", type=float, default=0.0, metavar="SECONDS")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(args.start_delay)
    Handler.state = State(args.state, args.models.split(","), args.token_delay)
    server = Server((args.host, args.port), Handler)
    print(f"listening on http://{args.host}:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


def _paced(state: State, pieces: Iterator[Any], end: Any) -> Iterator[Any]:
    for piece in pieces:
        time.sleep(state.token_delay)
        yield piece
    yield end


def _model(name: str) -> dict[str, Any]:
    return {"name": name, "model": name, "size": 2_019_393_189, "details": {"family": "llama", "format": "gguf"}}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


if __name__ == "__main__":
    sys.exit(main())
