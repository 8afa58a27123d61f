from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging.formatters import ConsoleFormatter, JsonFormatter
from llama_logging.handlers import RegistryHandler
from llama_logging.pipeline import open_registry
from llama_logging.redaction import REDACTED, is_secret, redact, redact_data, safe_pattern
from llama_logging.stores import urls

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\nqqq\n-----END RSA PRIVATE KEY-----"

SECRETS = {
    "postgresql://app:hunter2@db:5432/shop": "hunter2",
    "redis://:p4ssw0rd@cache": "p4ssw0rd",
    "Authorization: Bearer abcdef0123456789": "abcdef0123456789",
    "authorization: basic dXNlcjpwYXNz=": "dXNlcjpwYXNz",
    f"token {JWT} expired": "dozjgNryP4J3",
    PEM: "MIIEpAIBAAKCAQEA7bq",
    "key AKIAIOSFODNN7EXAMPLE is not valid": "AKIAIOSFODNN7EXAMPLE",
    "Incorrect API key provided: sk-proj-abcdefghijklmnop": "sk-proj-abcdefghijklmnop",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_abcdefghijklmnop",
    "xoxb-123456789012-abcdefghijkl": "xoxb-123456789012",
    "AIzaSyA-1234567890abcdefghijklmnopqrstuv": "AIzaSyA-1234567890",
    "hf_abcdefghijklmnopqrstuvwxyz": "hf_abcdefghijkl",
    "login failed: password=hunter2, user=bob": "hunter2",
    "{'api_key': 'abc-def-ghi'}": "abc-def-ghi",
    'DB_PASSWORD="battery horse"': "horse",
    "GET /cb?access_token=zyx987&state=1": "zyx987",
    "client_secret: s3cr3tvalue": "s3cr3tvalue",
    "paid with 4111 1111 1111 1111": "4111 1111 1111 1111",
    "card 5500-0000-0000-0004 declined": "5500-0000-0000-0004",
    "pwd=letmein;": "letmein",
}

HARMLESS = [
    "basic authentication failed",
    "Unexpected token: foo",
    "max_tokens=512 and prompt_tokens: 26",
    "order 1234567890123456 not found",
    "http://127.0.0.1:11434/api/generate refused",
    "user@example.com is unknown",
    "the secret of the llama is out",
    "key error: 'name'",
    "see https://docs.example/a@b",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_secrets_are_taken_out_of_text(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(f"before {text} after")
    assert REDACTED in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays_the_same_object(text: str) -> None:
    assert redact(text) is text


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SHORTEST = [
    f"eyJ{LETTERS[:8]}.{LETTERS[:8]}",
    "AKIA0123456789ABCDEF",
    "ASIA0123456789ABCDEF",
    f"sk-{LETTERS[:16]}",
    *(f"gh{kind}_{LETTERS[:20]}" for kind in "pousr"),
    f"github_pat_{LETTERS[:20]}",
    f"hf_{LETTERS[:20]}",
    *(f"{kind}_{LETTERS[:10]}" for kind in ("sk_live", "rk_test", "gsk")),
    *(f"xox{kind}-{LETTERS[:10]}" for kind in "abeoprs"),
    f"AIza{LETTERS[:30]}",
    f"glpat-{LETTERS[:16]}",
]


@pytest.mark.parametrize("token", SHORTEST)
def test_a_token_is_known_by_its_beginning_and_its_length(token: str) -> None:
    """All of it goes; what is shorter, or the middle of a word, is something else."""
    assert redact(f"({token})") == f"({REDACTED})"
    assert redact(token) == REDACTED
    for other in (token[:-1], f"x{token}", f"x-{token}"):
        assert redact(f"({other})") == f"({other})"


@pytest.mark.parametrize("key", ["password", "Api-Key", "X-AUTH-TOKEN", "db.password", "client_secret", "Set-Cookie"])
def test_secrets_are_known_by_their_key(key: str) -> None:
    assert is_secret(key)
    assert redact_data({"a": [{key: "x"}]}) == {"a": [{key: REDACTED}]}


@pytest.mark.parametrize("key", ["tokens", "max_tokens", "keyboard", "secretary", "author", "monkey", "passenger"])
def test_other_keys_are_left_alone(key: str) -> None:
    assert not is_secret(key)


@given(st.text())
def test_any_text_is_redacted_without_fail(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "hostile",
    ["a." * 4000, "eyJ-" * 2000, "://" * 2700, "password" * 1000, "Bearer " * 1100, "-----BEGIN KEY-----" * 400,
     "1 " * 4000, "sk-" * 2700, "token=" * 1300, "-" * 8000, "0x" * 4000, "xoxb-" * 1600, "bearer\t" * 1100],
)  # fmt: skip
def test_hostile_text_is_no_harm(hostile: str) -> None:
    """What makes a careless pattern run for minutes; the test's own time limit would end it."""
    for _ in range(20):
        redact(hostile)


def test_patterns_and_keys_of_ones_own(own_place: Path) -> None:
    handler = RegistryHandler(redact=[r"EMP-\d{6}"], redact_keys=["Employee No"])
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "EMP-123456 is locked", None, None)
    record.__dict__["employee_no"] = 7
    handler.handle(record)
    opened = open_registry(urls.default())
    (context,) = opened.errors()
    opened.close()
    assert context.error_message == f"{REDACTED} is locked"
    assert context.additional_context == {"employee_no": REDACTED}


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b$", "([a-z]+)*=", "x+y+z", r"(\d+)*x", "(", "a*", ""])
def test_a_pattern_that_could_hang_the_application_is_refused(pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"takes too long|not a regular|empty text"):
        safe_pattern(pattern)
    RegistryHandler(redact=[pattern])
    assert "RegistryHandler: redact: " in capsys.readouterr().err
    assert redact("aaaa") == "aaaa"


@pytest.mark.parametrize(
    "pattern", [r"EMP-\d{6}", r"(?i)iban\s*:\s*\w+", r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b", "x{1,40}y+z"]
)
def test_an_ordinary_pattern_is_accepted(pattern: str) -> None:
    assert safe_pattern(pattern).pattern == pattern


class Failing(Exception):
    pass


def log_all(logger: logging.Logger) -> None:
    """Log an error that carries every secret in every place there is."""
    for text in SECRETS:
        try:
            try:
                raise KeyError(text)
            except KeyError as cause:
                error = Failing(text)
                error.add_note(text)
                raise error from cause
        except Failing:
            logger.exception("failed: %s", text, extra={"detail": {"nested": [text]}, "password": "planted-by-key"})
        logger.error(text)


def test_no_secret_reaches_a_disk_or_a_screen(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger: Any = logging.getLogger("app.secrets")
    logger.propagate = False
    handlers: list[logging.Handler] = [RegistryHandler(), logging.FileHandler("app.jsonl"), logging.StreamHandler()]
    handlers[1].setFormatter(JsonFormatter())
    handlers[2].setFormatter(ConsoleFormatter(colour=False))
    for handler in handlers:
        logger.addHandler(handler)
    log_all(logger)
    handlers[1].close()
    opened = open_registry(urls.default())
    assert sum(group.count for group in opened.groups()) == 2 * len(SECRETS)
    opened.close()
    seen = capsys.readouterr().err
    for path in own_place.rglob("*"):
        if path.is_file():
            seen += path.read_bytes().decode("utf-8", "replace")
    assert REDACTED in seen
    for secret in [*SECRETS.values(), "planted-by-key"]:
        assert secret not in seen, secret


def test_what_is_on_the_record_is_the_applications(own_place: Path) -> None:
    """Its own handlers get the text that they would have got without us."""
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "x", None, None)
    try:
        raise Failing("password=hunter2")
    except Failing as error:
        record.exc_info = (Failing, error, error.__traceback__)
    RegistryHandler().handle(record)
    assert record.exc_text is not None
    assert record.exc_text.endswith("Failing: password=hunter2")


@pytest.mark.parametrize("text", ['{"password": "hun\\"ter2"}', "password='hun\\'ter2'", 'secret="a\\\\b\\"ter2"'])
def test_a_quote_within_a_secret_does_not_end_it(text: str) -> None:
    assert "ter2" not in redact(text)
