"""Keys under which secrets stand, and what is none there."""

from __future__ import annotations

import functools
from typing import Any

from llama_logging.patterns import regex
from llama_logging.redaction.own import SEPARATORS, on_more, own_keys

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
        "session",
        "sessionid",
        "sid",
        "ssn",
        "xsrftoken",
    }
)
_KEY_ENDINGS = (
    "password",
    "passwords",
    "passwd",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "secretkeybase",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "accountkey",
    "masterkey",
    "openaikey",
    "anthropickey",
    "stripekey",
    "secretstring",
    "authheader",
    "amzsignature",
    "googsignature",
)
# `password2`, `password_confirmation`: not of tokens, whose number is a count.
_KEY_AGAIN = regex(r"(password|passwd|secret|apikey)s?(?:\d{1,3}|confirm(?:ation)?|repeat(?:ed)?|again|hash)$")
# `db_pass`, and not `bypass`.
_PASS = regex(r"(?i)(?:^|['\[]|(?<!by)[_.-])pass['\]]?$")


@functools.lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether what stands under *key* is not for others to see.

    >>> is_secret("X-Auth-Token"), is_secret("prompt_tokens")
    (True, False)
    """
    # Also as bytes are written, and as WSGI names headers.
    name = key.lower().removeprefix("b'").rstrip("'").translate(SEPARATORS).removeprefix("http")
    return (
        name in _KEYS
        or name.endswith(_KEY_ENDINGS)
        or _KEY_AGAIN.search(name) is not None
        or _PASS.search(key) is not None
        # The last: no thread that adds one, and clears the cache, comes between this and what is cached.
        or name in own_keys
    )


on_more(is_secret.cache_clear)


def is_known_harmless(key: str, value: Any) -> bool:
    """Whether it says nothing, is a count of tests under `pass`, or a folder."""
    if value is None or type(value) is bool or is_folder(key, value):
        return True
    return (type(value) is str and not value) or (type(value) is int and _PASS.search(key) is not None)


def is_folder(key: str, value: object) -> bool:
    """Whether it is where a shell stands."""
    return key in ("PWD", "OLDPWD") and type(value) is str and value.startswith("/")
