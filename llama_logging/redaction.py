"""Secrets out, by key and by value, before the first byte is written.

By key in data: `{"api_key": ...}` at any depth, whatever the case and the separators. By value in
text: what looks like a credential wherever it stands, and what stands under such a key in data that
was made text.

The time is linear in the length of the text (`python -m benchmarks.hostile` measures it): each
pattern starts at a literal or at few characters, looks back from there, and runs over a character
once. An ordinary text is not given to a pattern at all, but for the few signs it has.
"""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from llama_logging import plain
from llama_logging.patterns import regex

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

REDACTED = "[redacted]"

_LONGEST = 4_096
"""Characters of a secret; a PEM block of an RSA key of 4,096 bits has 3,272."""
_SHORT = 200
_KNOWN_SHAPES = 2_048

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
)
# `password2`, `password_confirmation`: not of tokens, whose number is a count.
_KEY_AGAIN = regex(r"(password|passwd|secret|apikey)s?(?:\d{1,3}|confirm(?:ation)?|repeat(?:ed)?|again|hash)$")
# `db_pass`, and not `bypass`.
_PASS = regex(r"(?i)(?:^|['\[]|(?<!by)[_.-])pass['\]]?$")
_SEPARATORS = str.maketrans("", "", "-_. []:")


def _luhn(digits: str) -> bool:
    """Whether *digits* add up as those of a card do: ISO/IEC 7812-1, annex B."""
    codes = digits.encode() if digits.isascii() else str(int(digits)).encode()
    single = codes[-1::-2]
    return (sum(single) - 48 * len(single) + sum(codes[-2::-2].translate(_DOUBLED))) % 10 == 0


def _is_card(digits: str) -> bool:
    """Whether an issuer gives out such numbers: of ids and epochs one in ten would add up, too."""
    return _ISSUED.fullmatch(digits if digits.isascii() else str(int(digits))) is not None and _luhn(digits)


def _card(match: re.Match[str]) -> str:
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


def _by_key(match: re.Match[str]) -> str:
    secret = is_secret(match[2]) and not _is_folder(match[2], match[0][len(match[1]) :].lstrip("bBrRuU\\'\""))
    return f"{match[1]}{REDACTED}" if secret else match[0]


def _is_folder(key: str, value: object) -> bool:
    """Whether it is where a shell stands."""
    return key in ("PWD", "OLDPWD") and type(value) is str and value.startswith("/")


# Every second digit from the right is doubled, and the digits of that added.
_DOUBLED = bytes(sum(divmod((code - 48) * 2, 10)) if 48 <= code < 58 else 0 for code in range(256))
# Visa; Mastercard; American Express; Diners Club and JCB; Discover, UnionPay, Maestro and others under 50, 56 to 69.
_ISSUED = regex(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}|3[0689]\d{12,17}|35\d{14,17}|(?:50|5[6-9]|6\d)\d{11,17}"
)
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_CARD_AS_PRINTED = regex(r"(?<!\d)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5})(?!\d)")
_CARD_DIGITS = b"0" * 13
_DIGIT = regex(r"\d")
_LIKE_A_CARD = regex(r"\d[\d -]{12}(?:[\d -]|(?<=\d{13}))")

# What follows a word like "password": the end of its quotes, and `=` or `:`; then the value, in quotes
# or without, before it the type that source code may give it. Not what another name is compared with.
_IS = (
    r"(?:\\{0,4}['\"])?(?:\]|%\d[dD](?==|%))?+\s{0,3}(?!==\s{0,3}[a-zA-Z_.]{1,64}+(?![\w'\"]))"
    r"(?:[=:]{1,2}+>?+|%\d[dD])\s{0,3}+)"
)
_AGAIN = r"(?:[_-]?(?:\d{1,3}|(?i:confirm(?:ation)?|repeat(?:ed)?|again|hash)))?"
# To the end of its quotes: one after a backslash is none, unless the opening one was written so, too; then
# so many backslashes end it.
_ESCAPED = "|".join(
    rf"\\{{{count}}}{quote}[^\n]*?(?<!\\)\\{{{count}}}{quote}" for count in range(1, 5) for quote in "'\""
)
_QUOTED = (
    r"(?:\"\"\"(?:[^\"]|\"(?!\"\")){1,4096}+\"\"\"|'''(?:[^']|'(?!'')){1,4096}+'''|\"\"\"[^\n]++|'''[^\n]++"
    rf"|\"(?:[^\"\n\\]|\\.)+\"|'(?:[^'\n\\]|\\.)+'|{_ESCAPED}|\\{{1,4}}(?:\"[^\"\n]+\"|'[^'\n]+'))"
)
_PREFIX = r"[bBrRfFuU]{0,2}"
_VALUE = (
    r"(?!\[redacted\])(?:[\w.\[\]|]{1,40}(?:\s\|\sNone)?\s{0,3}=\s{0,3})?"
    rf"(?:{_PREFIX}{_QUOTED}|\{{[^{{}}\n'\"]{{1,256}}+\}}|[\[({{]{{1,3}}\s{{0,3}}(?={_PREFIX}\\{{0,4}}['\"])"
    rf"|(?:{_PREFIX}\\{{0,4}}['\"])?(?!\[redacted\])[^\s'\",;&)}}\]]{{3,}})"
)
# What stands behind `--password`, as a word of its own or as the next of a list. Not the next option, a
# variable of the shell, a place to fill in, or the name of the value in a usage.
_WORD = (
    r"(?!\[redacted\]|\\{0,4}['\"]?-|\$[A-Z_{(]|%[s(]|[<{]|[A-Z_]{1,64}+(?!\w)"
    r"|(?:arg(?:ument)?|option|flag|parameter|value|given|needed|required|missing)s?\b)"
    # Prose says "--password is needed": letters alone are a secret at the end, and before the next option.
    rf"(?:{_QUOTED}|(?=[^\s'\",;&)}}\]]{{0,256}}?(?:\d|[a-z][A-Z]|[!#$%*+=?@^~]\w))[^\s'\",;&)}}\]]{{3,}}"
    r"|[a-zA-Z_/-]{3,128}+(?=\s{1,3}-|[\\'\"]|[ \t]{0,3}(?:\n|\Z)))"
)
_PAIR = r"[\w.!#$%&*+^`|~-]{1,128}+"
# `Digest username="a", response="b"`: not the quote behind `Basic dXNlcjpw=`, which ends all of it.
_NAMED = r"[\w-]{1,64}+=(?:\"[^\"\n]*\"|[^\s;,&'\"]++)"
_PARAMETER = r"[ ,\t][\w-]{1,64}+=\\{0,4}\"[^\"\n]*\"(?=[ \t]*+(?:,|[\\'\"]|\n|\Z))"
_QUALIFIED_KEY = "|".join(
    f"(?<=(?i:{word})key)|(?<=(?i:{word})[_-]key)".replace("key", "[kK][eE][yY]")
    for word in (
        "api",
        "access",
        "secret",
        "private",
        "signing",
        "encryption",
        "account",
        "master",
        "openai",
        "anthropic",
        "stripe",
    )
)
_QUALIFIED_TOKEN = "|".join(
    f"(?<=(?i:{word}token))|(?<=(?i:{word}[_-]token))" for word in ("auth", "access", "refresh", "api", "bearer", "id")
)

PATTERNS = {
    name: regex(text)
    for name, text in {
        # Also with a slash in the password, where no port stands before that.
        "user info": r"://(?:[^\s/]+@|(?!\[)[^\s/:@'\"]{0,128}:(?!\d{0,5}(?:[/?#]|\Z))[^\s'\"<>@]{1,256}+@)",
        "PEM": r"-----BEGIN [A-Z ]{0,40}KEY(?: BLOCK)?-----",
        # `Authorization: Basic dXNlcjpw`; a digit or = is asked for, or "basic authentication" would be one.
        "bearer": r"([bB](?<!\w.)(?i:earer|asic)\s{1,3})(?=\S{0,256}[\d=])[A-Za-z0-9._~+/=-]{8,}",
        "JWT": r"eyJ(?<![\w-]...)[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*)?",
        "AWS": r"A(?<![\w-].)(?:KIA|SIA)[0-9A-Z]{16}",
        "sk-": r"sk-(?<![\w-]...)[\w-]{16,}",
        "GitHub": r"g(?<![\w-].)(?:h[pousr]_|ithub_pat_)\w{20,}",
        "Hugging Face": r"hf_(?<![\w-]...)[A-Za-z0-9]{20,}",
        "Stripe, Groq": r"[srg](?<![\w-].)(?:k_(?:live|test)_|sk_)\w{10,}",
        "Slack": r"xox(?<![\w-]...)[abeoprs]-[\w-]{10,}",
        "Google": r"AIza(?<![\w-]....)[\w-]{30,}",
        "GitLab": r"glpat-(?<![\w-]......)[\w-]{16,}",
        # `password = x`, `"api_key": "x"`, `token=x`; a bare `token: x` is what parsers say.
        "password": rf"([pP](?i:ass(?:word|wd|phrase|code)s?){_AGAIN}{_IS}{_VALUE}",
        # Not the folder of a shell.
        "pwd": rf"([pP](?i:wd)(?!(?:(?<=\bPWD)|(?<=\bOLDPWD))['\"]?[=:]\s?['\"]?/){_IS}{_VALUE}",
        "secret": rf"([sS](?i:ecret(?:[_-]?string)?){_AGAIN}{_IS}{_VALUE}",
        # A header has it to the end of its line or of its quotes, whatever the scheme. `authorization: str` is source.
        "authorization": r"([aA](?i:uthorization)(?:\\{0,4}['\"])?\]?\s{0,3}:{1,2}+(?!=)\s{0,3}+)"
        r"(?!\[redacted\]|(?:str|bytes|None|null)\s{0,3}[,)}])"
        rf"(?:[bBrRuU]{{0,2}}{_QUOTED}|(?:{_PARAMETER}|[^\s,'\"\\]++|[^\n\r'\"\\]|\\++(?![rn'\"]))++)",
        "authorization=": r"([aA](?i:uthorization)(?:\\{0,4}['\"])?\]?\s{0,3}:?=(?!=)>?\s{0,3}+)(?!\[redacted\])"
        rf"(?:[bBrRfFuU]{{0,2}}{_QUOTED}|(?:\\{{0,4}}['\"])?"
        rf"(?:(?:AWS4-HMAC-SHA256|OAuth2?|[a-zA-Z-]{{2,24}})[ \t]{{1,3}})?"
        rf"(?:{_NAMED}(?:,[ \t]{{0,3}}{_NAMED})*+"
        r"|[^\s'\",;&)}\]]{3,}))",
        "key": rf"([kK](?i:ey)(?:{_QUALIFIED_KEY}){_IS}{_VALUE}",
        "token": rf"([tT](?i:oken)(?:{_QUALIFIED_TOKEN}|(?<=\w-(?i:token))(?=:)|(?==)|(?=['\"]\]\s{{0,3}}=(?!=))"
        rf"|(?=\s{{1,3}}=(?!=)\s{{0,3}}(?:{_PREFIX}\\{{0,4}}['\"]|[^\s'\"(]{{0,256}}\d))){_IS}{_VALUE}",
        # `Cookie: a=b; c=d`, and as requests prints one of its own.
        "cookie": rf"([cC](?i:ookies?)(?:[ \t]{{0,3}}[=:][ \t]{{0,3}}|(?<=<.{{6}})\s))"
        rf"{_PAIR}=(?:\"[^\"\n]{{0,4096}}\"|[^\s;,'\"]*+)"
        rf"(?:;[ \t]{{0,3}}{_PAIR}(?:=(?:\"[^\"\n]{{0,4096}}\"|[^\s;,'\"]*+))?)*+",
        # Behind a colon it must have a digit: `session_id: str` is source code.
        "session": r"([sS](?i:ess(?:ion)?[_.-]?id)(?:(?==(?!=))|(?=\s{0,3}:\s{0,3}[^\s'\",;&]{0,64}\d))"
        rf"{_IS}{_VALUE}",
        "option": r"(--(?<!-..)(?:[a-zA-Z0-9]{1,24}[_-]){0,3}"
        r"(?i:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|secret|private)[_-]?key)"
        rf"(?:\\{{0,4}}['\"],\s{{0,3}}|\s{{1,3}})){_WORD}",
        # `curl -u user:password`, also as a list; neither the numbers of a user and a group, nor a URL.
        "user": r"(-(?<![\w-].)(?:u|-user|-proxy-user)(?:\\{0,4}['\"],\s{0,3}|[ \t=]{1,3})"
        r"(?:\\{0,4}['\"])?(?!\d+:\d+(?!\w))[^\s:'\"]{1,128}:)(?!\[redacted\]|//)[^\s'\"\\]+",
        # As pydantic tells of a field: its name stands in the line above.
        "field": r"((?:\A|\n|\\{1,4}n)([\w.\[\]-]{1,128})(?:\n|\\{1,4}n) {2}(?! )[^\n]{0,256}?, input_value=)"
        r"(?!\[redacted\])(?:[^\n,]|,(?! input_type=))+",
        # `'session': 'x'`: data that was made text.
        "quoted key": r"(['\"]([^'\"\n\\]{1,64})\\{0,4}['\"]\s{0,3}:\s{0,3})"
        rf"[bBrRuU]{{0,2}}(?!\\{{0,4}}['\"]\[redacted\]){_QUOTED}",
        # `('password', 'x')`: a name and what stands under it, or what a call is given; a list within one, too.
        "pair": r"((?:\(|\[(?:(?<=[\[,]\[)|(?<=,\s\[)))[bBuU]?\\{0,4}['\"]([^'\"\n\\]{1,64})\\{0,4}['\"],\s{0,3})"
        rf"[bBrRuU]{{0,2}}(?!\\{{0,4}}['\"]\[redacted\]){_QUOTED}(?=,?\s{{0,3}}[)\]])",
        # `<password>x</password>`; also with a prefix, attributes, or as CDATA.
        "element": r"(<([\w:.-]{1,64})(?:\s[^<>]{0,256})?>(?:<!\[CDATA\[)?)(?!\[redacted\])[^<]{1,4096}(?=</|\]\]>)",
        # Not `bypass=`, nor the count of a test's passes.
        "pass": rf"([pP](?<![a-zA-Z0-9].)(?i:ass)=(?!=|\s|\d{{1,5}}(?!\w)))"
        rf"(?:{_QUOTED}|(?!\[redacted\])[^\s'\",;&)}}\]]{{3,}})",
        "card": r"\d(?<![\d-].)(?:[ -]?\d){12,18}(?![\d-])",
    }.items()
}
# What goes on behind a value: a literal next to one, and what an operator joins to it, to its end or its bracket.
_NEXT = regex(rf"(?<=['\"])[ \t]{{1,3}}{_PREFIX}{_QUOTED}")
_JOINED = regex(
    r"[ \t]{0,3}(?:\+|or\b|\|\||\?\?|%|=(?!=)|if\b[^'\"\n]{1,80}?\belse\b)[ \t]{0,3}"
    rf"(?:{_PREFIX}{_QUOTED}|[\w.]{{0,64}}+[(\[{{])"
)
_BEHIND = frozenset(" \t+|?%=")
_BRACKET = regex(rf"{_QUOTED}|[()\[\]{{}}\n]")
# How what stands under a quoted key begins.
_QUOTED_BEHIND = regex(r":\s{0,3}[bBrRuU]{0,2}\\{0,4}['\"]")
_PEM_END = regex(r"-----END [A-Z ]{0,40}KEY(?: BLOCK)?-----")


def redact(text: str) -> str:
    """*text* without what looks like a credential; the same object if there is none.

    >>> redact("postgresql://app:hunter2@db/shop refused, api_key='abc123'")
    'postgresql://[redacted]@db/shop refused, api_key=[redacted]'
    """
    redacted = text
    for own in _own_patterns:
        redacted = own.sub(REDACTED, redacted)
    for take_out in suspected(redacted):
        redacted = take_out(redacted)
    return text if redacted == text else _without_stray_carets(redacted)


def _without_stray_carets(text: str) -> str:
    """*text* without the carets below a line that was redacted: they would point at what stood there before."""
    if "^" not in text:
        return text
    pairs = itertools.pairwise(["", *text.split("\n")])
    return "\n".join(line for above, line in pairs if REDACTED not in above or not _points(line))


def _points(line: str) -> bool:
    # The bars stand before the lines of an exception group's members.
    return "^" in line and not line.strip(" |~^")


def suspected(text: str) -> list[TakeOut]:
    """What may find something in *text*, by signs that are cheap to look for."""
    found: list[TakeOut] = []
    lowered = text.lower()
    # Before what takes out a text in quotes alone. Written out: a loop over these would take as long again,
    # for every text that has none of them.
    if (":" in text or "=" in text or "%" in text) and (
        "pass" in lowered
        or "pwd" in lowered
        or "secret" in lowered
        or "key" in lowered
        or "token" in lowered
        or "authorization" in lowered
        or "cookie" in lowered
        or "sess" in lowered
    ):
        found += [take_out for sign, take_out in _ASSIGNED if sign in lowered]
    if "-" in text:
        found += [take_out for sign, take_out in _WITH_HYPHEN if sign in text]
    if ":" in text:
        if "@" in text and "://" in text:
            found.append(_user_info)
        if ("':" in text or '":' in text or " :" in text) and _QUOTED_BEHIND.search(text):
            found.append(_quoted_keys)
    if "," in text and ("'," in text or '",' in text):
        found.append(_pairs)
    if "</" in text:
        found.append(_elements)
    if "_" in text:
        found += [take_out for sign, take_out in _WITH_UNDERSCORE if sign in text]
    if "J" in text and "eyJ" in text:
        found.append(_jwt)
    if "I" in text:
        found += [take_out for sign, take_out in _WITH_I if sign in text]
    if "bearer" in lowered or "basic" in lowered:
        found.append(_bearer)
    # Cheaper than a pattern; what stands between the digits of a card is left out.
    if _CARD_DIGITS in text.encode().translate(_DIGITS_ALIKE, b" -") if text.isascii() else _LIKE_A_CARD.search(text):
        found.append(_cards)
    return found


TakeOut = Callable[[str], str]


def _whole(name: str, replacement: str | Callable[[re.Match[str]], str] = REDACTED) -> TakeOut:
    """Takes out all that the pattern finds."""
    found = PATTERNS[name]
    return lambda text: found.sub(replacement, text)


def _behind(name: str) -> TakeOut:
    """Takes out what the pattern finds behind its group: at a third of the price of a template with a group in it."""
    found = PATTERNS[name]

    def take_out(text: str) -> str:
        pieces = found.split(text)
        if len(pieces) == 1:
            return text
        pieces[1::2] = [piece + REDACTED for piece in pieces[1::2]]
        return "".join(pieces)

    return take_out


def _assigned(name: str) -> TakeOut:
    """Takes out what the pattern finds behind its group, and all that belongs to it."""
    found = PATTERNS[name]

    def take_out(text: str) -> str:
        pieces, position = [], 0
        while (match := found.search(text, position)) is not None:
            pieces += [text[position : match.end(1)], REDACTED]
            position = _end(text, match.end(1), match.end())
        return "".join([*pieces, text[position:]]) if pieces else text

    return take_out


def _end(text: str, begin: int, end: int) -> int:
    """Where what began as a value really ends: `Box('x')`, `get("X") or "y"`, `"a" "b"`."""
    if text[end - 1] not in "'\"":
        value = text[begin:end]
        if value[0] == "<" and ">" not in value:
            line = _line(text, end)
            return text.find(">", end, line) + 1 or line
        if "(" in value or "[" in value or "{" in value:
            depth = sum(map(value.count, "([{")) - sum(map(value.count, ")]}"))
            if depth > 0:
                end = _closed(text, end, depth)
    # Else nothing goes on, and most often nothing does.
    while text[end : end + 1] in _BEHIND and (more := _NEXT.match(text, end) or _JOINED.match(text, end)) is not None:
        end = more.end()
        if text[end - 1] in "([{":
            end = _closed(text, end, 1)
    return end


def _closed(text: str, end: int, depth: int) -> int:
    """Where *depth* brackets are closed; the end of the line if they are not."""
    line = _line(text, end)
    for found in _BRACKET.finditer(text, end, line):
        if found[0] in "([{":
            depth += 1
        elif found[0] in ")]}":
            depth -= 1
            if not depth:
                return found.end()
    return line


def _line(text: str, position: int) -> int:
    """The end of the line at *position*, or of as much of it as a secret may take."""
    end = text.find("\n", position, position + _LONGEST)
    return end if end >= 0 else min(len(text), position + _LONGEST)


def _pem(text: str) -> str:
    """Takes out each private key, to its end or to that of the text."""
    pieces, position = [], 0
    while (begin := PATTERNS["PEM"].search(text, position)) is not None:
        end = _PEM_END.search(text, begin.end())
        pieces += [text[position : begin.start()], REDACTED]
        position = end.end() if end is not None else len(text)
    return "".join([*pieces, text[position:]])


_user_info = _whole("user info", f"://{REDACTED}@")
_quoted_keys, _cards = _whole("quoted key", _by_key), _whole("card", _card)
_pairs, _elements = _whole("pair", _by_key), _whole("element", _by_key)
_jwt, _bearer = _whole("JWT"), _behind("bearer")
_WITH_HYPHEN = (
    ("-----BEGIN", _pem),
    ("sk-", _whole("sk-")),
    ("xox", _whole("Slack")),
    ("glpat-", _whole("GitLab")),
    ("--", _behind("option")),
    ("-u", _behind("user")),
)
_WITH_UNDERSCORE = (
    ("gh", _whole("GitHub")),
    ("github_pat_", _whole("GitHub")),
    ("hf_", _whole("Hugging Face")),
    ("k_", _whole("Stripe, Groq")),
    ("input_value=", _whole("field", _by_key)),
)
_WITH_I = (("IA", _whole("AWS")), ("AIza", _whole("Google")))
_ASSIGNED = (
    ("cookie", _behind("cookie")),
    ("sess", _assigned("session")),
    ("pass=", _assigned("pass")),
    ("passw", _assigned("password")),
    ("passphrase", _assigned("password")),
    ("passcode", _assigned("password")),
    ("pwd", _assigned("pwd")),
    ("secret", _assigned("secret")),
    ("key", _assigned("key")),
    ("token", _assigned("token")),
    ("authorization", _behind("authorization")),
    ("authorization", _behind("authorization=")),
)


def clean(value: str, limit: int = plain.MAX_TEXT) -> str:
    """As `plain.text`, without what looks like a credential; nor is a part of one left where the middle is cut."""
    if type(value) is not str:
        value = str.__str__(value)  # a subclass may override the length and the rest
    if len(value) <= limit:
        if len(value) <= _SHORT and value.isascii() and not _own_patterns:
            # No pattern tells one digit from another: of messages that differ in these alone one is looked into.
            shape = value.encode().translate(_DIGITS_ALIKE)
            return value if shape in _harmless else _look_into(value, shape)
        return redact(plain.text(value, limit))
    half = limit // 2 - 20
    room = half + _LONGEST
    if len(value) <= 2 * room:
        return plain.text(redact(value), limit)
    # What was cut off here may have begun as a secret, or ended as one: so much of each end goes as well.
    begin, end = redact(value[:room])[:-_LONGEST][:half], redact(value[-room:])[_LONGEST:][-half:]
    return plain.text(f"{begin}... {len(value) - len(begin) - len(end)} characters cut ...{end}", limit)


def _look_into(value: str, shape: bytes) -> str:
    """As `clean`, of a short text; its *shape* is remembered if it is harmless whatever the digits are."""
    known = _harmless
    cleaned = redact(plain.text(value))
    if cleaned is value and shape.count(b"0") < len(_CARD_DIGITS) and not any(map(_DIGIT.search, _own_keys)):
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
        return {
            redact(key): REDACTED if is_secret(key) and not _is_known_harmless(key, item) else redact_data(item)
            for key, item in value.items()
        }
    if type(value) is list:
        return [redact_data(item) if not _is_pair(item) else [*redact_data(dict([item])).popitem()] for item in value]
    return value


def _is_pair(item: Any) -> bool:
    """Whether it is a name and what stands under it, as headers come in lists."""
    return type(item) is list and len(item) == 2 and type(item[0]) is str


def _is_known_harmless(key: str, value: Any) -> bool:
    """Whether it says nothing, is a count of tests under `pass`, or a folder."""
    if value is None or value == "" or type(value) is bool or _is_folder(key, value):
        return True
    return type(value) is int and _PASS.search(key) is not None


@functools.lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether what stands under *key* is not for others to see.

    >>> is_secret("X-Auth-Token"), is_secret("prompt_tokens")
    (True, False)
    """
    # Also as bytes are written, and as WSGI names headers.
    name = key.lower().removeprefix("b'").rstrip("'").translate(_SEPARATORS).removeprefix("http")
    return (
        name in _KEYS
        or name in _own_keys
        or name.endswith(_KEY_ENDINGS)
        or _KEY_AGAIN.search(name) is not None
        or _PASS.search(key) is not None
    )


def also(patterns: Iterable[re.Pattern[str]] = (), keys: Iterable[str] = ()) -> None:
    """Redact these too, from now on and in the whole process."""
    global _harmless
    more = [pattern for pattern in patterns if pattern not in _own_patterns]
    more_keys = {key.lower().translate(_SEPARATORS) for key in keys} - _own_keys
    if not more and not more_keys:
        return
    _own_patterns.extend(more)
    _own_keys.update(more_keys)
    is_secret.cache_clear()
    for cache in _caches:
        cache.clear()
    # Another, and not cleared: a thread may be about to add what was harmless without these.
    _harmless = set()


def remembered(cache: dict[_Key, _Value]) -> dict[_Key, _Value]:
    """*cache*, of what was redacted: forgotten as soon as more is."""
    _caches.append(cache)
    return cache


def has_own_patterns() -> bool:
    """Whether more is redacted than what `suspected` has signs of."""
    return bool(_own_patterns)


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
        for length in (*range(8, 29, 4), 64, 512, 4096):
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

_caches: list[dict[Any, Any]] = []
_own_patterns: list[re.Pattern[str]] = []
_own_keys: set[str] = set()
# Short texts that hold no secret, their digits made alike.
_harmless: set[bytes] = set()
