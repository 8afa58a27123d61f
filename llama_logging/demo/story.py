"""Tells a story with the help of an Ollama server. An ordinary application: it logs, and no more.

It does not import llama_logging. Where a text cannot be generated it looks for what the exception
carries, as it might look for any attribute that some other part of a program left there.
"""

import http.client
import json
import logging
import os
import sys
import time
import urllib.error
import urllib.request

log = logging.getLogger("story")

SERVER = os.environ["OLLAMA_HOST"]
CHAPTERS = ("a llama leaves home", "a storm on the mountain", "a cave full of echoes", "the way back")
TRIES = 5


class OllamaConnectionError(Exception):
    """The server cannot be reached, or went away in mid-sentence."""


class AIGenerationError(Exception):
    """The server is there but does not generate."""


def generate(prompt: str) -> str:
    """Ask for a text, print it word by word, and return it."""
    body = json.dumps({"model": "llama3.2", "prompt": prompt}).encode()
    words, done = [], False
    try:
        with urllib.request.urlopen(f"{SERVER}/api/generate", body, timeout=10) as answer:
            for line in answer:
                piece = json.loads(line)
                if "error" in piece:
                    raise AIGenerationError(piece["error"])
                words.append(piece["response"])
                done = piece["done"]
                print(piece["response"], end="", flush=True)
    except urllib.error.HTTPError as error:
        raise AIGenerationError(json.loads(error.read())["error"]) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise OllamaConnectionError(f"no answer from {SERVER}") from error
    if not done:
        raise OllamaConnectionError("the server went away in mid-sentence")
    return "".join(words)


def chapter(number: int, subject: str) -> None:
    """Tell one chapter, trying again where the server failed."""
    print(f"\n\nChapter {number}: {subject}\n", flush=True)
    time.sleep(0.5)  # a story-teller takes a breath
    for attempt in range(1, TRIES + 1):
        try:
            generate(f"Chapter {number}, try {attempt}: {subject}")
            return
        except OllamaConnectionError:
            log.exception("chapter %d broke off", number, extra={"hero": "Luna", "chapter": number})
            time.sleep(3)
        except AIGenerationError as error:
            log.exception("chapter %d was not generated", number, extra={"hero": "Luna", "chapter": number})
            outcome = getattr(error, "__llama_outcome__", None)
            if outcome is not None and not outcome.wait(10):
                print(outcome.value, flush=True)
                return
    print("(this chapter is missing)", flush=True)


def main() -> int:
    """Tell the story."""
    for number, subject in enumerate(CHAPTERS, 1):
        chapter(number, subject)
    print("\n\nThe end.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
