"""Keys under which secrets stand, and what is none there."""

from __future__ import annotations

import functools
import re
from typing import Any

from llama_logging.patterns import regex
from llama_logging.redaction.encoded import decoded
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
        "codeverifier",
        "clientassertion",
        "csrf",
        "csrftoken",
        "cvc",
        "cvc2",
        "cvv",
        "cvv2",
        "dsn",
        "jwt",
        "mdp",
        "mnemonic",
        "otp",
        "otpcode",
        "passphrase",
        "pw",
        "samlassertion",
        "samlresponse",
        "session",
        "sessionid",
        "sid",
        "ssn",
        "totp",
        "totpcode",
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
    "subscriptionkey",
    "functionskey",
    "hmackey",
    "aeskey",
    "fernetkey",
    "symmetrickey",
    "sessionkey",
    "rolekey",
    "cardcvc",
    "cardcvv",
    "backupcodes",
    "recoverycodes",
    "recoveryphrase",
    "seedphrase",
    # Of passwords, in other languages.
    "passwort",
    "kennwort",
    "motdepasse",
    "contrasena",
    "contrase\u00f1a",
    "senha",
    "wachtwoord",
    "haslo",
    "has\u0142o",
    "\u043f\u0430\u0440\u043e\u043b\u044c",
    "\u5bc6\u7801",
    "\u5bc6\u78bc",
    "\u53e3\u4ee4",
    "\u30d1\u30b9\u30ef\u30fc\u30c9",
    "\ube44\ubc00\ubc88\ud638",
)
# Of a pump, or of Erlang, if they are numbers.
_OF_TEXT = frozenset(("pw", "otp"))
# `password2`, `password_confirmation`: not of tokens, whose number is a count.
_KEY_AGAIN = regex(r"(password|passwd|secret|apikey)s?(?:\d{1,3}|confirm(?:ation)?|repeat(?:ed)?|again|hash)$")
# `db_pass`, and not `bypass`.
_PASS = regex(r"(?i)(?:^|['\[]|(?<!by)[_.-])pass['\]]?$")

# What is said of a secret, `password: required`, and what source has in the place of one, in lower case.
_SAID = frozenset(
    {"cannot", "denied", "does", "empty", "expected", "expired", "failed", "false", "field", "forbidden", "has",
     "incorrect", "invalid", "is", "may", "mismatch", "missing", "must", "needed", "nil", "no", "none", "not", "null",
     "optional", "permission", "rejected", "required", "should", "too", "true", "unauthorized", "undefined", "unknown",
     "unset", "was", "wrong", "yes",
     "erforderlich", "falsch", "fehlt", "ung\u00fcltig", "incorrecta", "invalide", "manquant", "obligatoire", "requis"}
)  # fmt: skip
_TYPES = frozenset(("str", "bytes", "SecretStr", "Any"))
_NAME = regex(r"\w+")
_BARE_TOKEN = regex(r"(?<![\w-])token\b")
_CALL = regex(r"[a-zA-Z_][\w.]{0,64}\(\)")
_PLACE = regex(r"<[A-Z][A-Z _-]{1,32}>")
_LONGEST_KIND = 16
# As forms and schemas say what is wrong with a field: three words or more, and a full stop.
_SAID_OF_A_FIELD = r"[A-Z][a-z]{0,16}(?: \(?(?:[a-zA-Z'-]{1,16}|\d{1,5})[,)]?){2,24}\."
_SENTENCE = regex(_SAID_OF_A_FIELD)
_SENTENCES = regex(rf"(?:\s*\\{{0,4}}(?P<quote>['\"]){_SAID_OF_A_FIELD}\\{{0,4}}(?P=quote)\s*,?)+\s*\]")


@functools.lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether what stands under *key* is not for others to see.

    >>> is_secret("X-Auth-Token"), is_secret("prompt_tokens")
    (True, False)
    """
    # Also as bytes are written, and as WSGI names headers.
    name = (
        (key if key.isascii() else decoded(key))
        .lower()
        .removeprefix("b'")
        .rstrip("'")
        .translate(SEPARATORS)
        .removeprefix("http")
    )
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
    """Whether it says nothing or what is wrong, is a count of tests under `pass`, or a folder."""
    if value is None or type(value) is bool or is_folder(key, value):
        return True
    if type(value) is list:
        return bool(value) and all(type(said) is str and _SENTENCE.fullmatch(said) is not None for said in value)
    if type(value) is str:
        return not value
    return type(value) is int and (_PASS.search(key) is not None or key.lower() in _OF_TEXT)


def is_folder(key: str, value: object) -> bool:
    """Whether it is where a shell stands."""
    return key in ("PWD", "OLDPWD") and type(value) is str and value.startswith("/")


def end_of_sentences(text: str, begin: int) -> int:
    """Where a list that began before *begin* ends, if it holds sentences alone; else -1."""
    said = _SENTENCES.match(text, begin)
    return said.end() if said is not None else -1


def is_no_secret(match: re.Match[str], value: str) -> bool:
    """Whether *value*, in no quotes behind what a pattern found, is what is said of a secret, or source."""
    if value.rstrip(".!").lower() in _SAID or value in _TYPES or _CALL.fullmatch(value) or _PLACE.fullmatch(value):
        return True
    if not value.replace("_", "").isalpha():
        return False  # no digit is told from another (see `clean`)
    begin, text = match.start(1), match.string
    name = _NAME.match(text, begin)
    if name is not None and text.endswith(value, 0, name.end()):
        at = name.end() - len(value)
        return at == 0 or not text[at - 1].isalnum()  # `api_key=api_key`
    # A kind of token, as parsers and tokenizers have them: `token=EOF`.
    return value.isupper() and len(value) <= _LONGEST_KIND and _BARE_TOKEN.match(text, begin) is not None
