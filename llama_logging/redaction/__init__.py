"""Secrets out, by key and by value, before the first byte is written.

By key in data: `{"api_key": ...}` at any depth, whatever the case and the separators. By value in
text: what looks like a credential wherever it stands, and what stands under such a key in data that
was made text.

The time is linear in the length of the text (`python -m benchmarks.hostile` measures it). An ordinary
text is not given to a pattern at all, but for the few signs it has.

credentials  what they look like
cards        numbers of payment cards
keys         under which secrets stand
ends         where a value ends
sql          which parameters of a statement are secrets
encoded      what a text says that is written otherwise
finding      what may find something in a text, by its signs
own          what a user has redacted besides
hostile      texts that a careless pattern of theirs is tried with
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from typing import Any

from llama_logging import plain
from llama_logging.patterns import regex
from llama_logging.redaction.cards import CARD_DIGITS, DIGITS_ALIKE
from llama_logging.redaction.credentials import LONGEST, REDACTED
from llama_logging.redaction.encoded import DEPTH, decoded, is_encoded, may_be_encoded
from llama_logging.redaction.finding import behind_option, suspected
from llama_logging.redaction.keys import is_known_harmless, is_secret
from llama_logging.redaction.own import on_more, own_keys, own_patterns

_SHORT = 200
_KNOWN_SHAPES = 2_048
_LONG = 32_768
"""Characters of a text that is looked into as a whole: a private key with its certificates, or a long token."""
_DIGIT = regex(r"\d")
_NAME = regex(r"[a-zA-Z_. -]*")
# Short texts that hold no secret, their digits made alike.
_harmless: set[bytes] = set()


def redact(text: str) -> str:
    """*text* without what looks like a credential; the same object if there is none.

    >>> redact("postgresql://app:hunter2@db/shop refused, api_key='abc123'")
    'postgresql://[redacted]@db/shop refused, api_key=[redacted]'
    """
    redacted = _without_found(text)
    if (not text.isascii() or "&" in text or "\\" in text or "%" in text) and is_encoded(redacted):
        redacted = _without_encoded(redacted)
    return text if redacted == text else _without_stray_carets(redacted)


def _without_found(text: str) -> str:
    """*text* without what the user's patterns and ours find in it as it stands."""
    for own in own_patterns:
        text = own.sub(REDACTED, text)
    for take_out in suspected(text):
        text = take_out(text)
    return text


def _without_encoded(text: str) -> str:
    """*text*, or what it says if there is a secret in that."""
    read = text
    for _ in range(DEPTH):
        said = decoded(read)
        clear = _without_found(said)
        if clear != said:
            text = clear
        if not is_encoded(clear):
            break
        read = clear
    return text


def _without_stray_carets(text: str) -> str:
    """*text* without the carets below a line that was redacted: they would point at what stood there before."""
    if "^" not in text:
        return text
    pairs = itertools.pairwise(["", *text.split("\n")])
    return "\n".join(line for above, line in pairs if REDACTED not in above or not _points(line))


def _points(line: str) -> bool:
    # The bars stand before the lines of an exception group's members.
    return "^" in line and not line.strip(" |~^")


def clean(value: str, limit: int = plain.MAX_TEXT) -> str:
    """As `plain.text`, without what looks like a credential; nor is a part of one left where the middle is cut."""
    if type(value) is not str:
        value = str.__str__(value)  # a subclass may override the length and the rest
    if len(value) <= limit:
        if len(value) <= _SHORT and value.isascii() and not own_patterns:
            # No pattern tells one digit from another: of messages that differ in these alone one is looked into.
            shape = value.encode().translate(DIGITS_ALIKE)
            return value if shape in _harmless else _look_into(value, shape)
        return redact(plain.text(value, limit))
    half = limit // 2 - 20
    room = half + LONGEST
    if len(value) <= max(2 * room, _LONG):
        return plain.text(redact(value), limit)
    # What was cut off here may have begun as a secret, or ended as one: so much of each end goes as well.
    begin, end = redact(value[:room])[:-LONGEST][:half], redact(value[-room:])[LONGEST:][-half:]
    return plain.text(f"{begin}... {len(value) - len(begin) - len(end)} characters cut ...{end}", limit)


def _look_into(value: str, shape: bytes) -> str:
    """As `clean`, of a short text; its *shape* is remembered if it is harmless whatever the digits are."""
    known = _harmless
    cleaned = redact(plain.text(value))
    if (
        cleaned is value
        and CARD_DIGITS not in shape.translate(None, b" -")
        and not may_be_encoded(value)
        and not any(map(_DIGIT.search, own_keys))
    ):
        if len(known) >= _KNOWN_SHAPES:
            known.clear()
        known.add(shape)
    return cleaned


def clean_data(value: Any, limits: plain.Limits = plain.LIMITS) -> Any:
    """Any value as plain data without secrets, by key and by value."""
    return redact_data(plain.plain(value, limits, clean))


def redact_data(value: Any) -> Any:
    """Plain data (see `plain.plain`) without secrets, by key and by value.

    >>> redact_data({"user": {"Api-Key": "abc"}, "max_tokens": 5})
    {'user': {'Api-Key': '[redacted]'}, 'max_tokens': 5}
    """
    if type(value) is str:
        return redact(value)
    if type(value) is dict:
        named = _named(value) if "value" in value or "Value" in value else ""
        return {
            redact(key): REDACTED if _is_secret_in(key, item, named) else redact_data(item)
            for key, item in value.items()
        }
    if type(value) is list:
        return _redact_pair(value) if len(value) == 2 and _is_lone_pair(value) else _redact_list(value)
    return value


def message_of(record: logging.LogRecord) -> str:
    """What *record* says, without those of its arguments whose names are a secret's: `%(password)s`."""
    arguments = record.args
    if type(arguments) is not dict or type(record) is not logging.LogRecord or type(record.msg) is not str:
        return record.getMessage()
    secret = [
        key
        for key, value in arguments.items()
        if type(key) is str and is_secret(key) and not is_known_harmless(key, value)
    ]
    if secret:
        # In the place of a number, `%(token)d`, there can be no word.
        with contextlib.suppress(TypeError, ValueError):
            return record.msg % {**arguments, **dict.fromkeys(secret, REDACTED)}
    return record.getMessage()


def _redact_list(value: list[Any]) -> list[Any]:
    redacted: list[Any] = []
    option = ""
    for item in value:
        if type(item) is str:
            redacted.append(redact(behind_option(option, item) if option else item))
            option = item if item[:1] == "-" else ""
        else:
            redacted.append(_redact_pair(item) if _is_pair(item) else redact_data(item))
            option = ""
    return redacted


def _is_secret_in(key: str, value: Any, named: str) -> bool:
    """Whether it stands under a secret's name, or beside one: `{"name": "DB_PASSWORD", "value": "x"}`."""
    name = named if named and key.lower() == "value" else key
    return is_secret(name) and not is_known_harmless(name, value)


def _named(value: dict[str, Any]) -> str:
    """What is the name of the value in *value*, if one is."""
    return next((value[key] for key in ("name", "Name", "key", "Key") if type(value.get(key)) is str), "")


def _redact_pair(pair: list[Any]) -> list[Any]:
    return [*redact_data(dict([pair])).popitem()]


def _is_pair(item: Any) -> bool:
    """Whether it is a name and what stands under it, as headers come in lists."""
    return type(item) is list and len(item) == 2 and type(item[0]) is str


def _is_lone_pair(value: list[Any]) -> bool:
    """Whether it is a pair in no list of others, and not two names: `["password", "email"]`."""
    if not _is_pair(value) or not is_secret(value[0]):
        return False
    under = value[1]
    return type(under) is int or (type(under) is str and not _NAME.fullmatch(under) and not is_secret(under))


@on_more
def _forget() -> None:
    global _harmless
    _harmless = set()
