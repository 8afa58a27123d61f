"""A configuration as JSON, kept for the next start: to import PyYAML takes twice as long as to start Python."""

from __future__ import annotations

import os

from llama_logging.runtime.state import absolute, is_planted, make_folder, state_folder

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_LONGEST_NAME = 200


def ready(path: str) -> str:
    """What is in the YAML at *path*, as JSON; empty where JSON is not the same.

    Raises:
        ConfigError: If it cannot be read; see `config.parse`.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = "" if is_planted(path) else file.read()
    except (OSError, UnicodeDecodeError):
        text = ""  # what is wrong with it is told below
    kept = _place(path)
    # What it was made of stands behind it: no clock and no name has to be believed.
    made, _, made_of = _recall(kept).partition("\n")
    if text and made_of == text:
        return made

    import json

    from llama_logging.config.files import load, parse
    from llama_logging.redaction import redact, redact_data

    data = parse(text, path) if text else load(path)
    try:
        made = json.dumps(data)
        if json.loads(made) != data:
            return ""
    except (TypeError, ValueError):
        return ""
    if redact(text) == text and redact_data(data) == data:  # a password is not written down once more
        _keep(kept, f"{made}\n{text}")
    return made


def _place(path: str) -> str:
    name = absolute(path).replace(os.sep, "%")[-_LONGEST_NAME:]
    return os.path.join(state_folder(), "configurations", name)


def _recall(kept: str) -> str:
    """What is in the file *kept*; empty if anybody else could have written it."""
    if not hasattr(os, "geteuid"):
        return ""
    try:
        with open(os.open(kept, os.O_RDONLY | _FLAGS), encoding="utf-8", errors="replace") as file:
            status = os.fstat(file.fileno())
            return file.read() if status.st_uid == os.geteuid() and not status.st_mode & 0o077 else ""
    except OSError:
        return ""


def _keep(kept: str, content: str) -> None:
    made = f"{kept}.{os.getpid()}"
    try:
        make_folder(os.path.dirname(kept), 0o700)
        fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(made, kept)
    except OSError:
        pass  # the next start reads the YAML, too
