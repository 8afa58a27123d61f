"""Secrets out, by key and by value, before the first byte is written.

By key in data: `{"api_key": ...}` at any depth, whatever the case and the separators. By value in
text: what looks like a credential wherever it stands. Every pattern has bounded or possessive-like
quantifiers and starts only where a word can start, so the time is linear in the length of the text
(`python -m benchmarks.redaction` measures it on hostile inputs).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

REDACTED = "[redacted]"

# Compared with the key in lower case without separators. Not "tokens": a language model counts those.
_KEYS = frozenset(
    {
        "auth",
        "authorization",
        "cookie",
        "cookies",
        "setcookie",
        "credential",
        "credentials",
        "csrf",
        "csrftoken",
        "dsn",
        "jwt",
        "passphrase",
        "pwd",
        "session",
        "sessionid",
        "sid",
        "ssn",
        "xsrftoken",
    }
)
_KEY_ENDINGS = (
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
)
_SEPARATORS = str.maketrans("", "", "-_. ")

# Cheap signs, each with a character to look for first; a text with none of them holds nothing that a
# pattern below would find.
_SIGNS = (
    (":", ("://", "passw", "passphrase", "pwd", "secret", "key", "token", "authorization")),
    ("=", ("passw", "passphrase", "pwd", "secret", "key", "token", "authorization")),
    ("-", ("-----begin", "sk-", "xox", "glpat-")),
    ("_", ("gh", "hf_")),
    ("", ("bearer", "basic", "eyj", "akia", "asia", "aiza")),
)
_MANY_DIGITS = re.compile(r"\d{4}[ -]?\d{4}[ -]?\d{4}")


def _card(match: re.Match[str]) -> str:
    digits = [int(character) for character in match[0] if character.isdigit()]
    # Luhn, ISO/IEC 7812-1 annex B: every second digit from the right is doubled, its digits added.
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return REDACTED if (sum(doubled) + sum(digits[-1::-2])) % 10 == 0 else match[0]


_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # The user info of a URL.
    (re.compile(r"(?<=://)[^\s/@]{1,256}@"), f"{REDACTED}@"),
    (re.compile(r"-----BEGIN [A-Z ]{0,40}KEY-----.*?(?:-----END [A-Z ]{0,40}KEY-----|\Z)", re.DOTALL), REDACTED),
    # `Authorization: Basic dXNlcjpw`; a digit or = is asked for, or "basic authentication" would be one.
    (re.compile(r"(?i)\b(bearer|basic)\s{1,3}(?=\S{0,256}[\d=])[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), REDACTED),
    (
        re.compile(
            r"(?<![\w-])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}"
            r"|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|glpat-[\w-]{16,})"
        ),
        REDACTED,
    ),
    # `password = x`, `"api_key": "x"`, `token=x`; a bare `token: x` is what parsers say.
    (
        re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|pwd|secret|authorization|(?:api|access|secret|private|signing)[_-]?key"
            r"|(?:auth|access|refresh|api|bearer|id)[_-]?token|token(?==))['\"]?\s{0,3}[=:]\s{0,3})"
            r"(?:\"[^\"\n]{1,512}\"|'[^'\n]{1,512}'|(?!\[redacted\])[^\s'\",;&)}\]]{3,512})"
        ),
        rf"\g<1>{REDACTED}",
    ),
    (re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])"), _card),
)


def redact(text: str) -> str:
    """*text* without what looks like a credential; the same object if there is none.

    >>> redact("postgresql://app:hunter2@db/shop refused, api_key='abc123'")
    'postgresql://[redacted]@db/shop refused, api_key=[redacted]'
    """
    redacted = text
    for own in _own_patterns:
        redacted = own.sub(REDACTED, redacted)
    if not _is_suspect(text):
        return text if redacted == text else redacted
    for pattern, replacement in _PATTERNS:
        redacted = pattern.sub(replacement, redacted)
    return text if redacted == text else redacted


def _is_suspect(text: str) -> bool:
    lowered = text.lower()
    for first, signs in _SIGNS:
        if first in lowered:
            for sign in signs:
                if sign in lowered:
                    return True
    return _MANY_DIGITS.search(text) is not None


def redact_data(value: Any) -> Any:
    """Plain data (see `plain.plain`) without secrets, by key and by value.

    >>> redact_data({"user": {"Api-Key": "abc"}, "max_tokens": 5})
    {'user': {'Api-Key': '[redacted]'}, 'max_tokens': 5}
    """
    if type(value) is str:
        return redact(value)
    if type(value) is dict:
        return {
            redact(key): REDACTED if is_secret(key) and item not in (None, "", True, False) else redact_data(item)
            for key, item in value.items()
        }
    if type(value) is list:
        return [redact_data(item) for item in value]
    return value


def is_secret(key: str) -> bool:
    """Whether what stands under *key* is not for others to see.

    >>> is_secret("X-Auth-Token"), is_secret("prompt_tokens")
    (True, False)
    """
    name = key.lower().translate(_SEPARATORS)
    return name in _KEYS or name in _own_keys or name.endswith(_KEY_ENDINGS)


def also(patterns: Iterable[re.Pattern[str]] = (), keys: Iterable[str] = ()) -> None:
    """Redact these too, from now on and in the whole process."""
    _own_patterns.extend(pattern for pattern in patterns if pattern not in _own_patterns)
    _own_keys.update(key.lower().translate(_SEPARATORS) for key in keys)


def safe_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern, and try it on text that makes a careless one run for ever.

    Raises:
        ValueError: If it is no regular expression, matches the empty text, or takes longer than 5 ms
            on a few kilobytes: an attacker chooses what is logged.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if pattern.search(""):
        raise ValueError(f"{text!r} matches the empty text")
    for seed in sorted({*"a0 -.=:/", *(character for character in text if character.isalnum())}):
        # Growing: an exponential one is found out at some twenty characters, while it still ends.
        for length in (8, 12, 16, 20, 24, 28, 64, 512, 4096):
            hostile = seed * length + "\0"
            if _seconds(pattern, hostile) > SLOW and min(_seconds(pattern, hostile) for _ in range(3)) > SLOW:
                raise ValueError(f"{text!r} takes too long on text such as {seed * 8!r}...: bound it, as in {{1,64}}")
    return pattern


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    began = time.perf_counter()
    pattern.sub(REDACTED, text)
    return time.perf_counter() - began


SLOW = 0.005
"""Seconds that a pattern of the user's may take on one hostile text."""

_own_patterns: list[re.Pattern[str]] = []
_own_keys: set[str] = set()
