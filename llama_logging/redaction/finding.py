"""What may find something in a text, by signs that are cheap to look for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llama_logging.patterns import regex
from llama_logging.redaction.cards import CARD_DIGITS, DIGITS_ALIKE, card
from llama_logging.redaction.credentials import ALIGNED, LINE, PATTERNS, PEM_END, PREFIX, QUOTE, REDACTED
from llama_logging.redaction.ends import end_of, end_of_data
from llama_logging.redaction.keys import end_of_sentences, is_folder, is_no_secret, is_secret
from llama_logging.redaction.sql import PARAMETERS, without_secrets

TakeOut = Callable[[str], str]


def suspected(text: str) -> list[TakeOut]:
    """What may find something in *text*, by signs that are cheap to look for, in the order in which it is to be asked.

    Written out: a loop over the signs would take as long again, for every text that has none of them. Most texts
    are done with at the one letter, or the two, that stand before a longer sign.
    """
    found: list[TakeOut] = []
    lowered = text.lower()
    hyphen, colon, quoted = "-" in text, ":" in text, "'" in text or '"' in text
    # First of all: where a value in no quotes ends, a private key goes on.
    if hyphen and "-----BEGIN" in text:
        found.append(_pem)
    if colon and ("[" in text or "{" in text):
        _add_of_data(found, text)
    # Before what takes out a text in quotes alone.
    if colon or "=" in text or "%" in text:
        _add_assigned(found, text, lowered)
    if "%" in text and "%40" in text and "%2f%2f" in lowered:
        found.append(_user_info_in_query)
    if hyphen:
        _add_behind_hyphens(found, text, lowered)
    if colon:
        _add_behind_colons(found, text, lowered, quoted=quoted)
    if "identified" in lowered or (quoted and "password" in lowered) or ("$$" in text and "password" in lowered):
        found.append(_of_a_user)
    if "' must " in text:
        found.append(_validated)
    if quoted and "nvalid " in text:
        found.append(_invalid)
    if "Attribute(name=" in text:
        found.append(_attribute_of_attrs)
    if quoted and "header value" in text:
        found.append(_header_value)
    if "," in text and ("'," in text or '",' in text):
        found.append(_pairs)
    if "</" in text:
        found.append(_elements)
    alike = text.encode().translate(DIGITS_ALIKE) if text.isascii() else None
    if "_" in text:
        _add_behind_underscores(found, text, alike)
    _add_of_letters(found, text)
    if "bearer" in lowered or "basic" in lowered:
        found.append(_bearer)
    # Cheaper than a pattern; what stands between the digits of a card is left out.
    if (
        _CARD.search(text)
        if alike is None
        else alike.count(b"0") >= _LEAST and CARD_DIGITS in alike.translate(None, b" -")
    ):
        found.append(_cards)
    return found


def _add_of_data(found: list[TakeOut], text: str) -> None:
    """While a statement still tells which parameter is which, and an instance what it is."""
    if PARAMETERS in text:
        found.append(without_secrets)
    if "On instance[" in text:
        found.append(_instances)
    if "dup key: {" in text:
        found.append(_shell)


def _add_assigned(found: list[TakeOut], text: str, lowered: str) -> None:
    """What stands behind a name and `=` or `:`."""
    # Two letters before what has them, and a rare one.
    if (
        ("ss" in lowered and ("pass" in lowered or "sess" in lowered or "ssn" in lowered))
        or "key" in lowered
        or ("ok" in lowered and ("token" in lowered or "cookie" in lowered))
        or "pwd" in lowered
        or "secret" in lowered
        or ("z" in lowered and "authorization" in lowered)
    ):
        found += [take_out for sign, take_out in _ASSIGNED if sign in lowered]
    in_query = "&" in text or "?" in text
    if "=" in text:
        if "value=" in text and ("name=" in text or "key=" in text):
            found.append(_attributes)
        if "auth=" in lowered or "sid=" in lowered:
            found.append(_short)
        # In a form or a query, and else what is told of payments and logins.
        if (in_query or "pin=" in lowered or "otp=" in lowered or "cv" in lowered) and _RARELY.search(lowered):
            found.append(_rarely)
    if not text.isascii() and _ABROAD.search(text):
        found.append(_abroad)
    if "sig" in lowered and (in_query or "%" in text):
        found.append(_signature)
    if "T" in text and ("ATATT" in text or "ATCTT" in text):
        found.append(_atlassian)


def _add_behind_hyphens(found: list[TakeOut], text: str, lowered: str) -> None:
    """What stands behind an option, and tokens with a hyphen."""
    if "--" in text:
        found.append(_option)
    if "-u" in text:
        found.append(_user)
        if "url" in text:
            found.append(_curl)
    if "pass" in text and ("-pass" in text or "storepass" in text or "keypass" in text):
        found.append(_pass_option)
    if "-p" in text and ("mysql" in lowered or "maria" in lowered or "sshpass" in text):
        found.append(_mysql)
    if "sk-" in text:
        found.append(_sk)
    if (
        ("x" in text and ("xox" in text or "xai-" in text or ("pp" in text and ("pplx-" in text or "xapp-" in text))))
        or ("gl" in text and _GITLAB.search(text))
        or "pypi-" in text
        or "GOCSPX-" in text
        or ("K" in text and ("AGE-" in text or "AK-" in text))
    ):
        found += [take_out for sign, take_out in _WITH_HYPHEN if sign in text]
    if _LONG_BEHIND_HYPHEN.search(text):
        found.append(_with_a_hyphen)


def _add_behind_colons(found: list[TakeOut], text: str, lowered: str, *, quoted: bool) -> None:
    """What stands in URLs, and in data under the name of a secret or beside it."""
    if ":AA" in text:
        found.append(_bot)
    if "/" in text:
        if "@" in text:
            if "://" in text:
                found.append(_user_info)
            if ":thin:" in text:
                found.append(_user_of_oracle)
        if "hook" in lowered or "/bot" in text:
            found += _WEBHOOKS
    if quoted and ("':" in text or '":' in text or " :" in text or "\t:" in text) and _QUOTED_BEHIND.search(text):
        found.append(_quoted_keys)
    if "alue" in text:
        found += (_named_values, _named_lines)


def _add_behind_underscores(found: list[TakeOut], text: str, alike: bytes | None) -> None:
    """Tokens with an underscore.

    Args:
        alike: *text* with its digits made alike, if it is of ASCII.
    """
    if "gh" in text:
        found.append(_github)
    if "k_" in text:
        found.append(_stripe)
    if (
        "hf_" in text
        or "at_" in text
        or "shp" in text
        or "npm_" in text
        or "lin_" in text
        or "input_value=" in text
        or ("_v" in text and ("dop_v" in text or "doo_v" in text))
        or "whsec_" in text
        or ("y" in text and ("rubygems_" in text or "sntry" in text))
    ):
        found += [take_out for sign, take_out in _WITH_UNDERSCORE if sign in text]
    if "r8_" in text if alike is None else alike.find(b"r0_") >= 0:
        found.append(_replicate)
    if _LONG_BEHIND_UNDERSCORE.search(text):
        found.append(_with_an_underscore)


def _add_of_letters(found: list[TakeOut], text: str) -> None:
    """Tokens of which the letters alone are the sign."""
    if "." in text and _LONG_BEHIND_DOT.search(text):
        found += [take_out for sign, take_out in _WITH_DOT if sign in text]
    if "J" in text and "eyJ" in text:
        found.append(_jwt)
    if "I" in text and ("IA" in text or "AIza" in text):
        found += _WITH_I
    if "A" in text and ("EAA" in text or ("B" in text and ("ABSK" in text or "ATBB" in text))):
        found.append(_with_an_a)
    if "LS" in text and "CRUdJTi" in text:
        found.append(_pem_in_base64)
    if "~" in text and "Q~" in text:
        found.append(_azure)
    if "dapi" in text:
        found.append(_databricks)


def behind_option(option: str, value: str) -> str:
    """*value* as a word of a command, without what *option*, the word before it, says is secret.

    >>> behind_option("--password", "horse"), behind_option("-u", "bob:horse"), behind_option("--user", "bob")
    ('[redacted]', 'bob:[redacted]', 'bob')
    """
    if not value or value[0] == "-":
        return value
    # Whatever is in the value, quotes too: another stands in its place.
    named = f"{option}', 'a1b'"
    if _option(named) != named or _pass_option(named) != named:
        return REDACTED
    user, _, password = value.partition(":")
    if user == "pass" and _pass_option(f"{option} {user}:a") != f"{option} {user}:a":
        return f"{user}:{REDACTED}"
    named = f"{option}', 'a:b'"
    if not password or password[:2] == "//" or (user + password).isdigit() or _user(named) == named:
        return value
    return f"{user}:{REDACTED}"


def _whole(name: str, replacement: str | Callable[[re.Match[str]], str] = REDACTED) -> TakeOut:
    """Takes out all that the pattern finds."""
    found = PATTERNS[name]
    return lambda text: found.sub(replacement, text)


def _behind(name: str) -> TakeOut:
    """Takes out what the pattern finds behind its group: at a third of the price of a template with a group in it."""
    found = PATTERNS[name]

    def take_out(text: str) -> str:
        pieces = found.split(text)
        pieces[1::2] = [piece + REDACTED for piece in pieces[1::2]]
        return "".join(pieces)

    return take_out


def _assigned(name: str) -> TakeOut:
    """Takes out what the pattern finds behind its group, and all that belongs to it."""
    found = PATTERNS[name]

    def take_out(text: str) -> str:
        pieces, begin, position = [], 0, 0
        while (match := found.search(text, position)) is not None:
            if text.startswith("[", match.end(1)) and (said := end_of_sentences(text, match.end(1) + 1)) >= 0:
                position = said
                continue
            position = end_of(text, match.end(1), match.end())
            if not is_no_secret(match, text[match.end(1) : position]):
                pieces += [text[begin : match.end(1)], REDACTED]
                begin = position
        return "".join([*pieces, text[begin:]]) if pieces else text

    return take_out


def _pem(text: str) -> str:
    """Takes out each private key, to its end or to that of the text."""
    pieces, position = [], 0
    while (begin := PATTERNS["PEM"].search(text, position)) is not None:
        end = PEM_END.search(text, begin.end())
        pieces += [text[position : begin.start()], REDACTED]
        position = end.end() if end is not None else len(text)
    return "".join([*pieces, text[position:]])


def _instances(text: str) -> str:
    """Takes out what is wrong with an instance under the key of a secret, before that is said as well."""
    pieces = []
    for before, value, secret in _told_of("instance", text):
        if secret:
            # As pprint breaks it, and puts a text of several lines in brackets; words of a message have a short one.
            joined = _BROKEN.sub(lambda broken: "" if broken[1] else " ", value)
            for said in (value, joined, joined.strip("()")):
                before = before.replace(said, REDACTED) if len(said) > _SHORT else before
        pieces.append(before + (REDACTED if secret else value))
    return "".join(pieces)


def _validated(text: str) -> str:
    """Takes out what is told of a value under the key of a secret."""
    return "".join(before + (REDACTED if secret else value) for before, value, secret in _told_of("validated", text))


def _invalid(text: str) -> str:
    """Takes out what is told to be no value for an option or a field with the name of a secret."""
    return PATTERNS["invalid"].sub(_of_a_name, text)


def _of_a_name(match: re.Match[str]) -> str:
    value = match["under"] or match["given"] or match["value"]
    named = match["option"] or match["name"]
    if named is None:
        # The word before `: invalid value: `, as `-p/--password` or `spec.token`.
        *_, named = ["", *match.string[max(0, match.start() - _LONGEST_NAME) : match.start()].split()]
    return match[0].replace(value, REDACTED) if any(map(is_secret, _WORDS.findall(named))) else match[0]


def _told_of(kind: str, text: str) -> Iterator[tuple[str, str, bool]]:
    """What a pattern of that *kind* finds in *text*, piece by piece; at last the rest, before nothing.

    Yields:
        What stands before a value, the value (a text, a number, or data to its end), and whether it is under the key of
        a secret.
    """
    position = 0
    while (match := PATTERNS[kind].search(text, position)) is not None:
        begin, end = match.end(1), match.end()
        if text[begin] in "([{":
            end = end_of_data(text, begin + 1)
        yield text[position:begin], text[begin:end], is_secret(match[2])
        position = end
    yield text[position:], "", False


def _attribute_of_attrs(text: str) -> str:
    """Takes out the default of an attribute under the key of a secret, and with it what else the error was given."""
    pieces, position = [], 0
    while (match := PATTERNS["attribute of attrs"].search(text, position)) is not None:
        end = match.end()
        pieces.append(text[position:end])
        if is_secret(match[2]):
            end = end_of_data(text, end)
            pieces.append(f"{REDACTED})")
            if text.startswith(", ", end):
                end = end_of_data(text, end)
                pieces.append(text[end - 1] if text[end - 1] in ")]" else "")
        position = end
    return "".join([*pieces, text[position:]])


def _by_key(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}" if _is_under_secret(match) else match[0]


def _is_under_secret(match: re.Match[str]) -> bool:
    return is_secret(match[2]) and not is_folder(match[2], match[0][len(match[1]) :].lstrip("bBrRuU\\'\""))


def _quoted_keys(text: str) -> str:
    """Takes out what stands under the key of a secret: a text, or data to its end."""
    pieces, begin, position = [], 0, 0
    while (match := _QUOTED_KEY.search(text, position)) is not None:
        position = match.end()
        said = end_of_sentences(text, position) if text[position - 1] == "[" else -1
        if said >= 0:
            position = said
        elif _is_under_secret(match):
            pieces += [text[begin : match.end(1)], REDACTED]
            begin = position = end_of_data(text, position) if text[position - 1] in "([{" else position
        else:
            position = match.end(1)  # a text may be data of its own: `{'body': '{"session": "x"}'}`
    return "".join([*pieces, text[begin:]]) if pieces else text


_SHORT = 3
_LONGEST_NAME = 80
_WORDS = regex(r"[\w.\[\]-]+")
_BROKEN = regex(rf"({QUOTE})?(?:{LINE}) +(?(1){QUOTE})")
# How what stands under a quoted key begins.
_QUOTED_BEHIND = regex(rf":{ALIGNED}(?:{PREFIX}{QUOTE}|[(\[{{])")
_QUOTED_KEY = PATTERNS["quoted key"]
_user_info = _whole("user info", f"://{REDACTED}@")
_user_info_in_query = _behind("user info in a query")
_CARD, _LEAST = PATTERNS["card"], len(CARD_DIGITS)
_cards = _whole("card", card)
_pairs, _elements = _whole("pair", _by_key), _whole("element", _by_key)
_jwt, _bearer, _signature = _whole("JWT"), _behind("bearer"), _behind("signature")
_option, _user = _behind("option"), _behind("user")
_sk, _github, _stripe = _whole("sk-"), _whole("GitHub"), _whole("Stripe, Groq")
_shell = _whole("shell", _by_key)
_named_values, _named_lines = _whole("named value", _by_key), _whole("named line", _by_key)
_attributes, _user_of_oracle = _whole("attribute", _by_key), _behind("user of Oracle")
_pass_option, _mysql, _curl = _behind("pass option"), _behind("mysql"), _behind("curl")
_header_value = _behind("header value")
_databricks, _replicate, _atlassian = _whole("Databricks"), _whole("Replicate"), _whole("Atlassian")
_WEBHOOKS = (_behind("webhook"), _behind("webhook of Teams"))
_WITH_HYPHEN = (
    ("xox", _whole("Slack")),
    ("gl", _whole("GitLab")),
    ("pypi-", _whole("PyPI")),
    ("GOCSPX-", _whole("Google client")),
    ("AGE-", _whole("age")),
    ("xai-", _whole("xAI")),
    ("pplx-", _whole("Perplexity")),
    ("xapp-", _whole("Slack, of an app")),
    ("NRAK-", _whole("New Relic")),
    ("PMAK-", _whole("Postman")),
)
_WITH_UNDERSCORE = (
    ("github_pat_", _github),
    ("hf_", _whole("Hugging Face")),
    ("npm_", _whole("npm")),
    ("dckr_", _whole("Docker")),
    ("shp", _whole("Shopify")),
    ("lin_", _whole("Linear")),
    ("do", _whole("DigitalOcean")),
    ("rubygems_", _whole("RubyGems")),
    ("whsec_", _whole("Stripe, of a webhook")),
    ("sntry", _whole("Sentry")),
    ("input_value=", _whole("field", _by_key)),
    ("input_value=", _behind("cut field")),
)
_WITH_DOT = (
    ("ya", _whole("Google OAuth")),
    ("SG.", _whole("SendGrid")),
    ("hv", _whole("Vault")),
    (".", _behind("with a dot")),
)
_WITH_I = (_whole("AWS"), _whole("Google"))
_ASSIGNED = (
    ("cookie", _behind("cookie")),
    ("sess", _assigned("session")),
    ("pass=", _assigned("pass")),
    ("passw", _assigned("password")),
    ("passphrase", _assigned("password")),
    ("passcode", _assigned("password")),
    ("passe", _assigned("password")),
    ("ssn", _behind("SSN")),
    ("pwd", _assigned("pwd")),
    ("secret", _assigned("secret")),
    ("key", _assigned("key")),
    ("token", _assigned("token")),
    ("authorization", _behind("authorization")),
    ("authorization", _behind("authorization=")),
)
_short, _rarely, _abroad = _assigned("short"), _assigned("behind ="), _assigned("abroad")
_ABROAD = regex("[\u043f\u041f\u5bc6\u53e3\u30d1\ube44\xf1\xd1\u0142\u0141]")
# The ends of names, in lower case: `code=`, `pin=`, ...
_RARELY = regex(r"=(?<=(?:ode|nse|ier|ion|pin|otp|mdp|cv[cv]|v[cv]\d|nha|ena|ord|ort)=)")
_GITLAB = PATTERNS["GitLab"]
# What tokens of many issuers have in common, and little else: so many signs behind one.
_LONG_BEHIND_UNDERSCORE, _LONG_BEHIND_HYPHEN = regex(r"_[\w+/=-]{24}"), regex(r"-[\w-]{20}")
_LONG_BEHIND_DOT = regex(r"\.[\w-]{20}")
_with_an_a, _bot = _whole("with an A"), _behind("bot")
_with_a_hyphen, _with_an_underscore = _behind("with a hyphen"), _behind("with an underscore")
_of_a_user = _behind("of a user")
_azure, _pem_in_base64 = _whole("Azure"), _whole("PEM in Base64")
