"""The stand-in Ollama server as tests use it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from llama_logging.demo import ollama_server

LIKE = {
    "memory": None,
    "queue": None,
    "key": None,
    "size": 2 * 2**30,
    "pull_delay": 0.0,
    "models": ["llama3.2", "qwen2.5:0.5b"],
    "loaded": [],
}
"""What it is like at first."""


class Ollama:
    """A stand-in server that runs, and a client for it."""

    def __init__(self, folder: Path, *options: str, port: str = "0") -> None:
        command = [sys.executable, ollama_server.__file__, "serve", "--port", port, "--state", str(folder), *options]
        self.folder = folder
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().rpartition(" ")[2].strip()

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 5) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read().decode()
                return answer.status, [json.loads(line) for line in text.splitlines()] if "{" in text else text
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def generate(self, **body: Any) -> tuple[int, Any]:
        return self.ask("POST", "/api/generate", {"model": "llama3.2", "prompt": "a llama", **body})

    def fault(self, name: str, **more: Any) -> None:
        assert self.ask("POST", "/_control/faults", {"fault": name, "times": 1, **more})[0] == 200

    def like(self, **settings: Any) -> None:
        assert self.ask("POST", "/_control/server", settings)[0] == 200

    def command(self, word: str) -> list[str]:
        """As `systemctl WORD ollama` is for a real one."""
        return [sys.executable, ollama_server.__file__, word, str(self.folder)]

    def renew(self) -> None:
        """Make it as it was at first; start it if it does not run."""
        for _ in range(100):
            try:
                self.ask("DELETE", "/_control/faults", timeout=20)
                break
            except OSError:
                subprocess.run(self.command("start"), check=True)
                self.wait()
        self.like(**LIKE)
        for name in ("requests.jsonl", "control.jsonl"):
            (self.folder / name).unlink(missing_ok=True)

    def wait(self) -> None:
        """Wait until it answers."""
        for _ in range(200):
            try:
                self.ask("GET", "/_control/faults")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the stand-in server does not start")

    def asked(self) -> list[dict[str, Any]]:
        """What it was asked for."""
        return self._noted("requests.jsonl")

    def requests(self, path: str) -> list[dict[str, Any]]:
        """What it was asked for there."""
        return [entry for entry in self.asked() if entry["path"] == path]

    def commands(self) -> list[str]:
        """What was done to it."""
        return [entry["command"] for entry in self._noted("control.jsonl")]

    def _noted(self, name: str) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]
        except FileNotFoundError:
            return []

    def kill(self, signal_: int = signal.SIGKILL) -> int:
        self.process.send_signal(signal_)
        code = self.process.wait(10)
        self.close()
        return code

    def close(self) -> None:
        """End it, and whatever was started in its place."""
        subprocess.run(self.command("stop"), check=True)
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
