"""Numbers of payment cards, as they are printed and as they are stored."""

from __future__ import annotations

import re

from llama_logging.patterns import regex
from llama_logging.redaction.credentials import REDACTED

# Every second digit from the right is doubled, and the digits of that added.
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
# Visa; Mastercard; American Express; Diners Club and JCB; Discover, UnionPay, Maestro and others under 50, 56 to 69.
_ISSUED = regex(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}|3[0689]\d{12,17}|35\d{14,17}|(?:50|5[6-9]|6\d)\d{11,17}"
)
_CARD_AS_PRINTED = regex(r"(?<!\d)(?:\d{13,18}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5})(?!\d)")
DIGITS_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
CARD_DIGITS = b"0" * 13


def _luhn(digits: str) -> bool:
    """Whether *digits* add up as those of a card do: ISO/IEC 7812-1, annex B."""
    codes = digits.encode() if digits.isascii() else str(int(digits)).encode()
    single = codes[-1::-2]
    return (sum(single) - 48 * len(single) + sum(codes[-2::-2].translate(_DOUBLED))) % 10 == 0


def _is_card(digits: str) -> bool:
    """Whether an issuer gives out such numbers: of ids and epochs one in ten would add up, too."""
    return _ISSUED.fullmatch(digits if digits.isascii() else str(int(digits))) is not None and _luhn(digits)


def card(match: re.Match[str]) -> str:
    """What is left of digits that may be a card's."""
    whole = match[0]
    digits = whole.replace(" ", "").replace("-", "")
    if _is_card(digits):
        return REDACTED
    if len(digits) == len(whole):
        return whole
    # Another number may stand before or behind it.
    inner = _CARD_AS_PRINTED.search(whole)
    if inner is None or len(inner[0]) == len(whole):
        return whole
    return _CARD_AS_PRINTED.sub(_card_as_printed, whole)


def _card_as_printed(match: re.Match[str]) -> str:
    found = match[0]
    return REDACTED if _is_card(found.replace(" ", "").replace("-", "")) else found
