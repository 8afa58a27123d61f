"""A stand-in Ollama server: a real HTTP process, with faults that can be ordered.

    python ollama_server.py serve --port 11434 --state DIR
    python ollama_server.py restart DIR          as `systemctl restart ollama` would; start and stop too

It speaks `/`, `/api/version`, `/api/tags`, `/api/ps`, `/api/show`, `/api/generate`, `/api/chat` (both
also as NDJSON streams), `/api/pull`, `/api/delete`, and OpenAI's `/v1/models` and
`/v1/chat/completions`. Models take memory, and longer contexts take more; a prompt longer than the
context is cut silently, as Ollama does it.

`POST /_control/faults` orders a fault: a name of FAULTS or TEXTS, and as wanted

    path    which path, or a list of paths; without it every one but `/_control`
    model   only for this model
    times   how often; without it until it is ended by `DELETE /_control/faults`,
    until   or by `restart` (which ends those without `until` too), `unload`, `pull`; `never`: it outlives restarts
    after   for those that strike in mid-answer: after so many pieces

as `{"fault": "memory", "generation": "2026", "path": "/api/generate", "times": 3}`. `POST
/_control/server` sets what the server is like: `{"memory": 3e9, "queue": 1, "key": "..."}`. Requests
are kept in DIR/requests.jsonl, what was done to the server in DIR/control.jsonl. Nothing outside the
standard library is imported, so that it also runs as a copy.
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
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "0.6.3"
MODELS = "llama3.2:latest,qwen2.5:0.5b"
CONTEXT_LENGTH = 4_096
GIB = 2**30

OPENINGS = ("Once, when the snow was late", "That very night", "Before the sun was up", "Far above the last village")
DOINGS = (
    "Luna the llama counted the stars and found one missing",
    "a small wind asked the way to the sea",
    "the old condor laughed until his feathers shook",
    "somebody had left a lantern burning on the path",
    "the mountain hummed a song it had forgotten",
)
ENDINGS = ("and nobody was afraid any more.", "so she went on, softly.", "which is how it has been ever since.")

TEXTS = {
    "memory": {
        "0.6": (500, "model requires more system memory (8.4 GiB) than is available (2.1 GiB)"),
        "2026": (500, "cudaMalloc failed: out of memory"),
    },
    "busy": {
        "0.6": (503, "server busy, please try again.  maximum pending requests exceeded"),
        "2026": (429, "Server overloaded, please retry shortly"),
    },
    "died": {
        "0.6": (500, "llama runner process has terminated: signal: killed"),
        "2026": (500, "model runner has unexpectedly stopped, this may be due to resource limitations"),
    },
    "load_timeout": {
        "0.6": (500, "timed out waiting for llama runner to start: "),
        "2026": (500, "timed out waiting for llama-server to start: "),
    },
    "too_long": {
        "0.6": (400, "the input length exceeds the context length"),
        "2026": (400, "the prompt is longer than the context length currently available (4096 tokens)"),
    },
    "tool_call": {
        "0.6": (500, "error parsing tool call: raw='{\"name\"', err=unexpected end of JSON input"),
        "2026": (500, "error parsing tool call: raw='{\"name\"', err=unexpected end of JSON input"),
    },
    "unauthorized": {"0.6": (401, "unauthorized"), "2026": (401, "unauthorized")},
}
"""What a real server says, before and since 2026 (ollama/ollama at fb30760)."""


class State:
    """What the server knows; models, the number of starts and lasting faults survive in *directory*."""

    def __init__(self, directory: str | None, models: list[str], token_delay: float) -> None:
        self.directory = directory
        self.token_delay = token_delay
        self.models = models
        self.like: dict[str, Any] = {"memory": None, "queue": None, "key": None, "size": 2 * GIB, "pull_delay": 0.0}
        self.loaded: dict[str, float] = {}
        self.faults: list[dict[str, Any]] = []
        self.speaking = 0
        self.lock = threading.Lock()
        if directory is not None:
            os.makedirs(directory, exist_ok=True)
            self.models = self._read("models.json", models)
            self.faults = self._read("faults.json", [])
            self.like = self._read("server.json", self.like)
            self._write("boots.json", self._read("boots.json", 0) + 1)
            self._write("pid.json", os.getpid())

    def installed(self, model: str) -> str | None:
        """The full name of *model*, if it is installed: `llama3.2` is `llama3.2:latest`."""
        return _full(model) if _full(model) in self.models else None

    def install(self, model: str, *, present: bool) -> None:
        """Add or remove *model*, for good."""
        with self.lock:
            self.models = [name for name in self.models if name != _full(model)] + ([_full(model)] if present else [])
            self._write("models.json", self.models)
        if present:
            self.end_faults("pull")

    def load(self, model: str, length: int) -> str:
        """Take the memory that *model* needs with a context of that length.

        Returns:
            Why there is not enough; empty if it is loaded.
        """
        needed = float(self.like["size"]) + length * 2**16
        with self.lock:
            room = None if self.like["memory"] is None else float(self.like["memory"])
            taken = sum(size for name, size in self.loaded.items() if name != model)
            if room is not None and needed > room - taken:
                has = f"{needed / GIB:.1f} GiB) than is available ({(room - taken) / GIB:.1f} GiB"
                return f"model requires more system memory ({has})"
            self.loaded[model] = needed
        return ""

    def unload(self, model: str) -> None:
        """Give its memory back."""
        with self.lock:
            self.loaded.pop(model, None)
        self.end_faults("unload")

    def order(self, fault: dict[str, Any]) -> None:
        """Have *fault* strike from now on."""
        with self.lock:
            self.faults.append(fault)
            self._write("faults.json", [fault for fault in self.faults if fault.get("until") == "never"])

    def end_faults(self, until: str | None = None) -> None:
        """End the faults that last *until* this; all of them without."""
        with self.lock:
            self.faults[:] = [fault for fault in self.faults if until is not None and fault.get("until") != until]
            self._write("faults.json", [fault for fault in self.faults if fault.get("until") == "never"])

    def become(self, like: dict[str, Any]) -> None:
        """Be like this from now on, over restarts too."""
        with self.lock:
            self.like = {**self.like, **like}
            self._write("server.json", self.like)

    def note(self, entry: dict[str, Any]) -> None:
        """Keep a request, one JSON object a line."""
        if self.directory is not None:
            with self.lock:
                _append(self.directory, "requests.jsonl", entry)

    def take_fault(self, path: str, model: str) -> dict[str, Any] | None:
        """The fault that was ordered for *path* and *model*, counted down."""
        with self.lock:
            for fault in self.faults if not path.startswith("/_control") else ():
                paths = fault.get("path") or [path]
                meant = path in ([paths] if isinstance(paths, str) else paths)
                if meant and ("model" not in fault or _full(fault["model"]) == _full(model)):
                    if fault.get("times") is not None:
                        fault["times"] -= 1
                        if fault["times"] <= 0:
                            self.faults.remove(fault)
                    return fault
        return None

    @contextlib.contextmanager
    def queued(self) -> Iterator[bool]:
        """A place in the queue of those that want to speak; False if there is none."""
        with self.lock:
            free = self.like["queue"] is None or self.speaking < self.like["queue"]
            self.speaking += free
        try:
            yield free
        finally:
            with self.lock:
                self.speaking -= free

    def _read(self, name: str, default: Any) -> Any:
        return _read(self.directory or "", name, default)

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
            self.refuse("invalid request body", 400)
            return
        self.fault = self.state.take_fault(self.path, str(self.body.get("model", ""))) or {}
        if not self.path.startswith("/_control"):
            about = {key: self.body[key] for key in ("model", "keep_alive", "options") if key in self.body}
            self.state.note({"method": self.command, "path": self.path, **about, "fault": self.fault or None})
        early = EARLY_FAULTS.get(self.fault.get("fault", ""))
        if early is not None and early(self, self.fault):
            return
        key = self.state.like["key"]
        method = "GET" if self.command == "HEAD" else self.command
        route = ROUTES.get((method, self.path))
        if route is None:
            self.refuse("404 page not found", 404)
        elif key and self.headers.get("Authorization") != f"Bearer {key}" and not self.path.startswith("/_control"):
            self.refuse("unauthorized", 401)
        else:
            route(self)

    def refuse(self, error: str, status: int) -> None:
        """Answer with an error, in the form of this half of the API."""
        if self.path.startswith("/v1"):
            self.send({"error": {"message": error, "type": "api_error", "param": None, "code": None}}, status)
        else:
            self.send({"error": error}, status)

    def send(self, value: Any, status: int = 200, kind: str = "") -> None:
        """Answer with *value* as JSON; text goes as it is."""
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind or ("text/plain" if isinstance(value, str) else "application/json"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        late = LATE_FAULTS.get(self.fault.get("fault", "")) if status == 200 else None
        if late is not None:
            # What was announced never comes whole.
            self.wfile.write(data[: len(data) // 2])
            late(self, self.fault)
        elif self.command != "HEAD":
            self.wfile.write(data)

    def stream(self, pieces: Iterator[Any], kind: str = "application/x-ndjson", form: bytes = b"%b\n") -> None:
        """Answer piece by piece, each a chunk of its own; a late fault strikes after so many."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        late = LATE_FAULTS.get(self.fault.get("fault", ""))
        for number, piece in enumerate(pieces):
            if late is not None and number == int(self.fault.get("after", 3)):
                late(self, self.fault)
                return
            self.chunk(form % (piece.encode() if isinstance(piece, str) else json.dumps(piece).encode()))
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
    _speak(handler, _asked(handler), lambda word: {"message": {"role": "assistant", "content": word}})


def completions(handler: Handler) -> None:
    """`/v1/chat/completions`."""
    _speak(handler, _asked(handler), None)


def _asked(handler: Handler) -> str:
    messages = handler.body.get("messages") or [{}]
    return str(messages[-1].get("content", ""))


def _speak(handler: Handler, prompt: str, wrap: Callable[[str], dict[str, Any]] | None) -> None:
    body, state = handler.body, handler.state
    model = state.installed(str(body.get("model", "")))
    if model is None:
        handler.refuse(f"model '{body.get('model', '')}' not found", 404)
        return
    if body.get("keep_alive") == 0 and not prompt:
        state.unload(model)
        handler.send({"model": model, "created_at": _now(), "response": "", "done": True, "done_reason": "unload"})
        return
    options = body.get("options") or {}
    length = int(options.get("num_ctx") or CONTEXT_LENGTH)
    if len(prompt.split()) > length and body.get("truncate") is False:
        handler.refuse(TEXTS["too_long"]["0.6"][1], 400)
        return
    with state.queued() as free:
        problem = state.load(model, length) if free else ""
        if not free or problem:
            handler.refuse(problem or TEXTS["busy"]["0.6"][1], 500 if problem else 503)
            return
        # Silently: the first words are lost, and `prompt_eval_count` alone tells (ollama/ollama#4967).
        read = min(len(prompt.split()), length)
        limit = int(options.get("num_predict") or body.get("max_tokens") or 1000)
        words = story(prompt)[:limit] if prompt else []
        if body.get("keep_alive") == 0:
            state.unload(model)  # before the last word: who has read that may look
        (_say_as_ollama if wrap else _say_as_openai)(handler, model, read, words, wrap or (lambda word: {}))


def _say_as_ollama(
    handler: Handler, model: str, read: int, words: Sequence[str], wrap: Callable[[str], dict[str, Any]]
) -> None:
    base = {"model": model, "created_at": _now(), "done": False}
    end = {
        **base,
        **wrap(""),
        "done": True,
        "done_reason": "stop" if words else "load",
        "total_duration": 1000 * len(words),
        "prompt_eval_count": read,
        "eval_count": len(words),
    }
    if handler.body.get("stream", True):
        pieces: list[Any] = [{**base, **wrap(word)} for word in words]
        handler.stream(_paced(handler.state, [*pieces, end]))
    else:
        handler.send({**end, **wrap("".join(words))})


def _say_as_openai(
    handler: Handler, model: str, read: int, words: Sequence[str], _: Callable[[str], dict[str, Any]]
) -> None:
    base = {"id": "chatcmpl-1", "created": int(time.time()), "model": model, "system_fingerprint": "fp_ollama"}
    if handler.body.get("stream"):
        pieces: list[Any] = [
            {
                **base,
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": end}],
            }
            for word, end in [*((word, None) for word in words), ("", "stop")]
        ]
        handler.stream(_paced(handler.state, [*pieces, "[DONE]"]), "text/event-stream", b"data: %b\n\n")
        return
    message = {"role": "assistant", "content": "".join(words)}
    usage = {"prompt_tokens": read, "completion_tokens": len(words), "total_tokens": read + len(words)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    handler.send({**base, "object": "chat.completion", "choices": [choice], "usage": usage})


def story(prompt: str) -> list[str]:
    """Some sentences, the same for the same prompt, as words that carry their spaces."""
    chance = random.Random(prompt)
    doings = chance.sample(DOINGS, 3)
    sentences = [f"{chance.choice(OPENINGS)}, {doing}, {chance.choice(ENDINGS)}" for doing in doings]
    first, *others = " ".join(sentences).split(" ")
    return [first, *(f" {word}" for word in others)]


def pull(handler: Handler) -> None:
    """`/api/pull`, with the progress of its layers."""
    name = str(handler.body.get("model") or handler.body.get("name") or "")
    if not handler.body.get("stream", True):
        handler.state.install(name, present=True)
        handler.send({"status": "success"})
        return
    handler.stream(_pulled(handler.state, name))


def _pulled(state: State, name: str) -> Iterator[Any]:
    total = int(state.like["size"])
    layer = {"status": "pulling 8eeb52dfb3bb", "digest": "sha256:8eeb52dfb3bb", "total": total}
    yield {"status": "pulling manifest"}
    for part in range(5):
        time.sleep(float(state.like["pull_delay"]))
        yield {**layer, "completed": total * part // 4}
    yield {"status": "verifying sha256 digest"}
    state.install(name, present=True)
    yield {"status": "success"}


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


def loaded(handler: Handler) -> None:
    """`/api/ps`."""
    state = handler.state
    handler.send(
        {"models": [{**_model(state, name), "size": int(state.loaded[name])} for name in sorted(state.loaded)]}
    )


def control_faults(handler: Handler) -> None:
    """`/_control/faults`: list, order, end."""
    state = handler.state
    if handler.command == "POST":
        if handler.body.get("fault") not in FAULTS:
            handler.send({"error": f"unknown fault; one of {sorted(FAULTS)}"}, 400)
            return
        state.order(handler.body)
    elif handler.command == "DELETE":
        state.end_faults()
    handler.send({"faults": state.faults, "pid": os.getpid()})


def control_server(handler: Handler) -> None:
    """`/_control/server`: what it is like; `models` are those installed, and `loaded` has some loaded."""
    state, like = handler.state, dict(handler.body)
    if "models" in like:
        state.models = [_full(name) for name in like.pop("models")]
    if "loaded" in like:
        state.loaded = {_full(name): float(state.like["size"]) for name in like.pop("loaded")}
    state.become(like)
    handler.send(state.like)


ROUTES: dict[tuple[str, str], Callable[[Handler], None]] = {
    ("GET", "/"): lambda handler: handler.send("Ollama is running"),
    ("GET", "/api/version"): lambda handler: handler.send({"version": VERSION}),
    ("GET", "/api/tags"): lambda handler: handler.send(
        {"models": [_model(handler.state, name) for name in handler.state.models]}
    ),
    ("GET", "/api/ps"): loaded,
    ("POST", "/api/show"): show,
    ("POST", "/api/generate"): generate,
    ("POST", "/api/chat"): chat,
    ("POST", "/api/pull"): pull,
    ("DELETE", "/api/delete"): delete,
    ("GET", "/v1/models"): lambda handler: handler.send(
        {"object": "list", "data": [{"id": name, "object": "model"} for name in handler.state.models]}
    ),
    ("POST", "/v1/chat/completions"): completions,
    **{(method, "/_control/faults"): control_faults for method in ("GET", "POST", "DELETE")},
    ("POST", "/_control/server"): control_server,
}


def _status(handler: Handler, fault: dict[str, Any]) -> bool:
    handler.refuse(fault.get("error", "server busy, please try again."), int(fault.get("status", 503)))
    return True


def _text(handler: Handler, fault: dict[str, Any]) -> bool:
    status, error = TEXTS[fault["fault"]][str(fault.get("generation", "0.6"))]
    handler.refuse(error, status)
    return True


def _html(handler: Handler, fault: dict[str, Any]) -> bool:
    handler.send("<html><h1>502 Bad Gateway</h1></html>", int(fault.get("status", 502)))
    return True


def _bad_json(handler: Handler, fault: dict[str, Any]) -> bool:
    handler.send('{"model": "llama3.2", "response": "brok', kind="application/json")
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
    if "after" in fault:
        return False  # in mid-stream, then
    _send_rst(handler, fault)
    return True


def _send_rst(handler: Handler, fault: dict[str, Any]) -> None:
    # Lingering for 0 seconds makes close() send RST instead of FIN. The files hold the socket too.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.leave()
    handler.connection.close()


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
    **dict.fromkeys(TEXTS, _text),
    "html": _html,
    "bad_json": _bad_json,
    "delay": _delay,
    "hang": _hang,
    "reset": _reset,
    "close": _close,
    "exit": _exit,
}
"""Strike before the answer; True if there is to be none."""

LATE_FAULTS: dict[str, Callable[[Handler, dict[str, Any]], object]] = {
    "cut": lambda handler, fault: handler.leave(),
    "stall": _hang,
    "reset": _send_rst,
    "stream_error": _stream_error,
    "garbage": _garbage,
    "exit": lambda handler, fault: os._exit(1),
}
"""Strike after so many pieces of a stream (`after`, default 3), or in the middle of an answer."""

FAULTS = {*EARLY_FAULTS, *LATE_FAULTS}


class Server(ThreadingHTTPServer):
    """One thread for each connection; a client that leaves is nothing to tell of."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that left."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(args.start_delay)
    Handler.state = State(args.state, args.models.split(","), args.token_delay)
    server = Server((args.host, args.port), Handler)
    if args.state:
        Handler.state._write("command.json", [*sys.argv[1:], "--port", str(server.server_address[1])])
    print(f"listening on http://{args.host}:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


def act(args: argparse.Namespace) -> int:
    """Start, stop or restart the server of a folder, and write that down."""
    _append(args.directory, "control.jsonl", {"command": args.command})
    if args.command != "start":
        _stop(_read(args.directory, "pid.json", 0))
    if args.command == "stop":
        return 0
    words = [sys.executable, os.path.abspath(__file__), *_read(args.directory, "command.json", [])]
    subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return 0


def _stop(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return  # it has ended, and its parent does not know yet
        except OSError:
            return
        time.sleep(0.02)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="A stand-in Ollama server.")
    commands = parser.add_subparsers(required=True, dest="command")
    serving = commands.add_parser("serve", help="serve until SIGTERM")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=11434, help="0: any that is free; default 11434")
    serving.add_argument("--state", metavar="DIR", help="where models, starts and requests are kept")
    serving.add_argument("--models", default=MODELS, help="installed at the first start")
    serving.add_argument("--start-delay", type=float, default=0.0, metavar="SECONDS")
    serving.add_argument("--token-delay", type=float, default=0.0, metavar="SECONDS")
    serving.set_defaults(run=serve)
    for name in ("start", "stop", "restart"):
        command = commands.add_parser(name, help=f"{name} the server whose folder that is")
        command.add_argument("directory", metavar="DIR")
        command.set_defaults(run=act)
    args = parser.parse_args()
    code: int = args.run(args)
    return code


def _paced(state: State, pieces: Sequence[Any]) -> Iterator[Any]:
    for number, piece in enumerate(pieces):
        time.sleep(state.token_delay if number < len(pieces) - 1 else 0)
        yield piece


def _model(state: State, name: str) -> dict[str, Any]:
    return {"name": name, "model": name, "size": int(state.like["size"]), "details": {"family": "llama"}}


def _full(model: str) -> str:
    return model if ":" in model else f"{model}:latest"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _read(directory: str, name: str, default: Any) -> Any:
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return default


def _append(directory: str, name: str, entry: dict[str, Any]) -> None:
    with open(os.path.join(directory, name), "a", encoding="utf-8") as file:
        file.write(json.dumps({**entry, "at": time.time()}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
