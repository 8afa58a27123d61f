"""Plays the demo: an outage in the middle of a story, healed while you watch."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

from llama_logging.exceptions import LlamaLoggingError
from llama_logging.visible import wants_colour

TIMEOUT = 60.0
"""Seconds after which the play is broken off; it takes some fifteen."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_NO_MEMORY = "model requires more system memory (8.4 GiB) than is available (2.1 GiB)"

LOGGING_YAML = """\
# The story knows nothing of this file; llama-logging run -c logging.yaml attaches it.
version: 1
disable_existing_loggers: false
formatters:
  console: {{'()': llama_logging.formatters.ConsoleFormatter}}
  json: {{class: llama_logging.formatters.JsonFormatter}}
handlers:
  registry: {{class: llama_logging.handlers.RegistryHandler}}
  recovery:
    class: llama_logging.handlers.RecoveryHandler
    rules:
      - name: ollama-down
        match: {{class: OllamaConnectionError}}
        ladder:
          - wait_and_probe: {{probe: "{server}/api/version", timeout: 1}}
          - ollama.restart: {{base_url: "{server}", start: {start}}}
        mode: act
      - name: generation-failed
        match: {{class: AIGenerationError}}
        ladder:
          - llm.fallback_text: {{text: "{{hero}} rests by the fire until the words come back."}}
  console: {{class: logging.StreamHandler, formatter: console, stream: ext://sys.stderr}}
  file: {{class: logging.FileHandler, formatter: json, filename: story.jsonl, delay: true}}
root: {{level: INFO, handlers: [registry, recovery, console, file]}}
"""


def play(directory: str | None) -> int:
    """Play the demo in *directory*, by default a new one below the current.

    Returns:
        0 if the outage was healed and the fallback stood in, else 1.
    """
    directory = os.path.abspath(directory or f"llama-logging-demo-{time.strftime('%Y%m%d-%H%M%S')}")
    os.makedirs(directory, exist_ok=True)
    shutil.copy(os.path.join(_HERE, "story.py"), directory)
    shutil.copy(os.path.join(_HERE, "ollama_server.py"), directory)
    with _server(directory) as (server, process):
        _write_configuration(directory, server)
        _say(f"A stand-in Ollama server runs at {server}; its files, the story's and the registry are in {directory}")
        _say("The story starts: llama-logging run --configure -c logging.yaml -- story.py")
        story = _Story(directory, server)
        try:
            told = story.follow(process)
        finally:
            story.stop()
    _say("What the registry says: llama-logging summary")
    healed = _ask_registry(directory)
    near = os.path.relpath(directory)
    _say(f"Look around: cd {shlex.quote(directory if near.startswith('..') else near)} && llama-logging list")
    return 0 if told and healed else 1


class _Story:
    """The application, and what happens to its server meanwhile."""

    def __init__(self, directory: str, server: str) -> None:
        self._server = server
        command = [sys.executable, "-m", "llama_logging", "run", "--configure", "-c", "logging.yaml", "--", "story.py"]
        env = {**os.environ, "OLLAMA_HOST": server}
        env.pop("LLAMA_LOGGING_STORE", None)
        self._process = subprocess.Popen(command, cwd=directory, env=env, stdout=subprocess.PIPE)

    def follow(self, server: subprocess.Popen[bytes]) -> bool:
        """Print the story as it is told, and strike at the right words; True if it came to its end."""
        told = b""
        killed = starved = fed = False
        deadline = time.monotonic() + TIMEOUT
        out = self._process.stdout
        assert out is not None
        while (piece := os.read(out.fileno(), 4096)) and time.monotonic() < deadline:
            told += piece
            sys.stdout.write(piece.decode(errors="replace"))
            sys.stdout.flush()
            second = told.partition(b"Chapter 2")[2]
            if not killed and len(second.split()) > 12:
                killed = True
                server.send_signal(signal.SIGKILL)
                server.wait()
                _say("SIGKILL for the server, in mid-sentence")
            if not starved and b"Chapter 3" in told:
                starved = True
                self._fault("POST", {"fault": "status", "status": 500, "error": _NO_MEMORY, "path": "/api/generate"})
                _say("The server is out of memory from here on: nothing to restart, a fallback must do")
            if not fed and b"Chapter 4" in told:
                fed = True
                self._fault("DELETE")
        return b"The end." in told

    def stop(self) -> None:
        """Stop the story, and the server that its recovery has started."""
        with contextlib.suppress(OSError, LlamaLoggingError):
            self._fault("POST", {"fault": "exit", "path": "/api/version"})
            urllib.request.urlopen(f"{self._server}/api/version", timeout=2).close()
        self._process.kill() if self._process.poll() is None else None
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def _fault(self, method: str, fault: dict[str, object] | None = None) -> None:
        body = None if fault is None else json.dumps(fault).encode()
        request = urllib.request.Request(f"{self._server}/_control/faults", body, method=method)
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError as error:
            raise LlamaLoggingError(f"the stand-in server at {self._server} does not answer: {error}") from error


@contextlib.contextmanager
def _server(directory: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(_server_command(directory, "0"), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        if "http://" not in line:
            raise LlamaLoggingError("the stand-in server did not start")
        yield line.rpartition(" ")[2].strip(), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _server_command(directory: str, port: str) -> list[str]:
    program, state = os.path.join(directory, "ollama_server.py"), os.path.join(directory, "server")
    return [sys.executable, program, "serve", "--port", port, "--state", state, "--token-delay", "0.06"]


def _write_configuration(directory: str, server: str) -> None:
    start = _server_command(directory, server.rpartition(":")[2])
    with open(os.path.join(directory, "logging.yaml"), "w", encoding="utf-8") as file:
        file.write(LOGGING_YAML.format(server=server, start=json.dumps(start)))


def _ask_registry(directory: str) -> bool:
    """Print the summary, and the recoveries; True if there was a real one and a fallback."""
    command = [sys.executable, "-m", "llama_logging"]
    env = {key: value for key, value in os.environ.items() if key != "LLAMA_LOGGING_STORE"}
    subprocess.run([*command, "summary"], cwd=directory, env=env, check=False)
    listed = subprocess.run([*command, "list", "--json"], cwd=directory, env=env, capture_output=True, check=False)
    _say("What recovery did: llama-logging show ID")
    statuses = set()
    for group in json.loads(listed.stdout or "[]"):
        shown = subprocess.run(
            [*command, "show", group["last_error_id"], "--json"],
            cwd=directory,
            env=env,
            capture_output=True,
            check=False,
        )
        for attempt in json.loads(shown.stdout)["recovery_attempts"]:
            statuses.add(attempt["status"])
            print(f"  {group['error_type']}: {attempt['strategy']} {attempt['status']}: {attempt['detail']}")
    return {"recovered", "fallback"} <= statuses


def _say(text: str) -> None:
    colour, plain = ("\x1b[1;36m", "\x1b[0m") if wants_colour(sys.stdout) else ("", "")
    print(f"\n{colour}>> {text}{plain}", flush=True)
