r"""Text as its reader takes it: without characters that are not seen, and with what stands for others decoded.

A password behind wide letters, `password&quot;: &quot;x`, `pass\u0077ord`, `password%253Dx`: no pattern
has to know these.
"""

from __future__ import annotations

import re

from llama_logging.patterns import regex

DEPTH = 3
"""How often a text is decoded: HTML within JSON, which a URL has in a parameter."""

# Wide letters and signs are their own, blanks are blanks; the rest is not seen.
_AS_SEEN: dict[int, int | str] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " "),
    **dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF), ""),
}
_NOT_AS_SEEN = regex("[\xa0\xad\u2000-\u200f\u202a-\u202f\u205f-\u2064\u3000\ufeff\uff01-\uff5e]")
# Also what was escaped several times: `&amp;quot;`, `%252526`, a quote behind seven backslashes.
_ENCODED = regex(
    r"&(?:amp;)*+(?:quot|apos|lt|gt|nbsp|#\d{2,3}|#[xX][\da-fA-F]{2});"
    r"|(?<!\\)\\++(?:u[\da-fA-F]{4}|x[aA][\ddD]|(?<=\\{5})(?=['\"n]))|%(?:25)++(?=[2-7][\da-fA-F])"
)
# As what `clean` takes for the same text: whatever the digits are.
_MAY_BE = regex(r"&(?:amp;)*+#|\\[ux]|%\d(?:\d\d|[aA]%\d[fF]%)")
_ENTITIES = {"quot": '"', "apos": "'", "lt": "<", "gt": ">", "nbsp": " "}


def decoded(text: str) -> str:
    r"""*text* as it is read.

    >>> decoded(r"pass\u0077ord&quot;:a%253D"), decoded("api_\u200bkey\uff1da")
    ('password":a%3D', 'api_key=a')
    """
    seen = text if text.isascii() else text.translate(_AS_SEEN)
    return _ENCODED.sub(_decode, seen)


def is_encoded(text: str) -> bool:
    """Whether *text* may say something else: a sign that is cheap to look for."""
    if (
        ("&" in text and ";" in text)
        or "%25" in text
        or ("\\" in text and ("\\u" in text or "\\x" in text or "\\" * 5 in text))
    ):
        return True
    return not text.isascii() and _NOT_AS_SEEN.search(text) is not None


def may_be_encoded(text: str) -> bool:
    """Whether *text*, of ASCII, may say something else with other digits."""
    return _MAY_BE.search(text) is not None


def _decode(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "%":
        return "%"
    if found[0] == "\\":
        digits = found.lstrip("\\")
        return _said(int(digits[1:], 16), found) if digits else "\\"
    name = found[1:-1].replace("amp;", "")
    if name[0] != "#":
        return _ENTITIES[name]
    return _said(int(name[2:], 16) if name[1] in "xX" else int(name[1:]), found)


def _said(code: int, found: str) -> str:
    """The character of *code* as it is seen; what was *found* if that is no sign, and no letter of English."""
    seen = _AS_SEEN.get(code, chr(code) if 0x20 <= code < 0x7F else found)
    return seen if isinstance(seen, str) else chr(seen)
