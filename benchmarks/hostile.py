"""`python -m benchmarks.hostile` times redaction and normalisation on text that an attacker would choose.

For each kind of text the milliseconds for 200 KB, and their ratio to those for 100 KB: about 2 is
linear, 4 would be quadratic. The worst pattern is told by its name. Each is the best of three.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator

from llama_logging.capture import fingerprint
from llama_logging.capture.fingerprint import normalise
from llama_logging.redaction import redact
from llama_logging.redaction.credentials import PATTERNS, REDACTED

SIZE = 200_000
"""Characters."""

VARYING = ("_NUMBER", "_BEHIND", "_SEVERAL", "_LIST", "_ADDRESS", "_TEMPORARY", "_VALUE", "_WORDLESS")
"""The normaliser's patterns."""
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
HOSTILE = {
    "a.": "a.",
    "a": "a",
    "spaces": " ",
    "newlines": "\n",
    "NUL": "\0",
    "digits": "1",
    "digits and spaces": "1 ",
    "digits and hyphens": "12-",
    "cards": "4111 1111 1111 1111, ",
    "cards that are none": "4111 1111 1111 1112, ",
    "twelve digits": "123456789012 ",
    "hex": "0x",
    "hex digest": "d41d8cd98f00b204e9800998ecf8427e ",
    "UUIDs": "123e4567-e89b-12d3-a456-426614174000 ",
    "addresses of IPv6": "fe80::1a2b:3c4d ",
    "addresses of IPv6 without end": "a:",
    "numbers in words": "<n>a<n>a ",
    "numbers in a word": "<n>a",
    "words behind numbers": "<n>a <n>e-<n> ",
    "lists": "<n>, ",
    "e-mail": "a@b.c ",
    "e-mail without end": "a.b-",
    "temporary": "tmpabcdefgh ",
    "tmp": "tmp",
    "places for arguments": "%(a)s %5.2f ",
    "places for arguments without end": "%(" + "a" * 70,
    "queries": "?a=b ",
    "?": "?a",
    "values": "a='b' 'c': 'd' ",
    "values without end": "='a",
    "halves of UUIDs": "123e4567-e89b-12d3-",
    "://": "://",
    "URLs": "http://example/a ",
    "URLs with user info": "http://a:b@c ",
    "URLs with user info in queries": "a=http%3A%2F%2Fa%3Ab%40c&",
    "user info in a query without end": "%3A%2F%2F%40" + "a%40" * 100,
    "user info without end": "://" + "a" * 300,
    "@ without end": "://a@" + "a@" * 200 + " ",
    "@": "@",
    "-": "-",
    "-----BEGIN": "-----BEGIN ",
    "PEM without end": "-----BEGIN KEY-----",
    "PEM headers": "-----BEGIN " + "KEY " * 10 + "- ",
    "PEM": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n",
    "PEM ends": "-----BEGIN KEY-----" + "-----END " * 20,
    "bearer": "bearer ",
    "bearer and tab": "Bearer\t",
    "bearer of words": "bearer " + "a" * 300 + " ",
    "bearer tokens": "bearer abcdefg1 ",
    "basic": "BaSiC   ",
    "eyJ": "eyJ",
    "eyJ-": "eyJ-",
    "halves of JWT": " eyJaaaaaaaa",
    "JWT": JWT + " ",
    "sk-": "sk-",
    "sk- and space": "sk- ",
    "OpenAI keys": "sk-abcdefghijklmnop ",
    "AKIA": "AKIA",
    "AWS keys": "AKIAIOSFODNN7EXAMPLE ",
    "ghp_": "ghp_",
    "GitHub keys": "ghp_abcdefghijklmnopqrstuvwxyz ",
    "Hugging Face keys": "hf_abcdefghijklmnopqrst ",
    "Stripe keys": "sk_live_abcdefghij ",
    "Slack keys": "xoxb-1234567890 ",
    "Google keys": "AIza0123456789012345678901234567890 ",
    "GitLab keys": "glpat-0123456789abcdef ",
    "vendors": "pypi-AgE GOCSPX- ya29. SG. hvs. dapi npm_ dckr_pat_ shpat_ lin_api_ dop_v1_ r8_ AGE-SECRET-KEY-1 ",
    "pypi-AgE": "pypi-AgE",
    "pypi-AgE and space": "pypi-AgE" + "a" * 31 + " ",
    "GOCSPX-": "GOCSPX-",
    "GOCSPX- and space": "GOCSPX- ",
    "ya29.": "ya29.",
    "ya29., one letter": "ya29.a.",
    "Google OAuth tokens": "ya29.a0" + "a" * 20 + " ",
    "AGE-SECRET-KEY-1": "AGE-SECRET-KEY-1",
    "age keys": "AGE-SECRET-KEY-1" + "A" * 58 + " ",
    "SG.": "SG.",
    "SG. without end": "SG." + "a" * 64,
    "SG., two parts": "SG." + "a" * 20 + "." + "a" * 31,
    "hvs.": "hvs.",
    "Vault tokens": "hvs." + "a" * 90 + " ",
    "dapi": "dapi",
    "Databricks tokens": "dapi" + "0" * 32 + " ",
    "dapi without end": "dapi" + "0" * 33,
    "npm_": "npm_",
    "npm tokens": "npm_" + "a" * 36 + " ",
    "dckr_pat_": "dckr_pat_",
    "shpat_": "shpat_",
    "Shopify tokens": "shpat_" + "a" * 32 + " ",
    "lin_api_": "lin_api_",
    "Linear tokens": "lin_api_" + "a" * 32 + " ",
    "dop_v1_": "dop_v1_",
    "DigitalOcean tokens": "dop_v1_" + "0" * 64 + " ",
    "r8_": "r8_",
    "tokens with an underscore": "glsa_" + "a1" * 12 + " ",
    "underscores without end": "ntn_ glsa_",
    "tokens with a hyphen": "nvapi-" + "a1" * 12 + " ",
    "hyphens without end": "tvly- tskey-a-",
    "underscores before words": "_" + "a" * 30 + " ",
    "tokens like others": f"re_{'a1' * 4}_{'a' * 24} rnd_{'a1' * 14} ops_eyJ{'a1' * 12} vcp_{'a1' * 14} ",
    "tokens with a dot": f"AQ.{'a1' * 20} dp.pt.{'a1' * 20} v4.local.{'a1' * 20} a.atlasv1.{'a1' * 20} ",
    "dots": "." + "a" * 26 + " ",
    "dots without end": "AQ.dp.st.dev.v4.local.atlasv1.",
    "tokens of Discord": f"MT{'a' * 22}.aaaaaa.{'a1' * 14} ",
    "tokens with an A": f"ABSK{'a' * 44} ATBB{'a' * 36} EAA{'a' * 60} ",
    "ABSK": "ABSK/",
    "ATBB": "ATBB=",
    "EAA": "EAA" + "a" * 50 + " ",
    "tokens of Telegram": f"1234567890:AA{'a' * 33} ",
    "tokens of Telegram without end": "12345678:AA",
    "Azure secrets": "abc8Q~" + "a" * 34 + " ",
    "Q~ without end": "a8Q~",
    "PEM in Base64": "LS0tLS1CRUdJTi" + "a" * 20 + " ",
    "LS0t": "LS0tLS1CRUdJTi",
    "passwords of users": "IDENTIFIED BY 'a' PASSWORD 'b' ",
    "passwords of users without end": "password 'a",
    "passwords of users, set": "set password for a =",
    "passwords of users, set without end": "set password for " + "a" * 60 + " ",
    "passwords of users, plug-ins": "identified with " + "a" * 60 + " ",
    "passwords of users, in no quotes": "create user a identified by b ",
    "passwords of users, who is long": "create user " + "a" * 60 + " ",
    "JWT in five parts": "eyJaaaaaaaa..aaaaaaaa.a.a ",
    "Replicate tokens": "r8_" + "a" * 37 + " ",
    "more vendors": "xai- pplx- rubygems_ xapp-1- whsec_ ATATT NRAK- sntrys_ PMAK- ",
    "more vendors, at once": "xai-pplx-rubygems_xapp-1-whsec_ATATTNRAK-sntrys_PMAK-",
    "tokens of more vendors": f"xai-{'a' * 80} pplx-{'a' * 48} rubygems_{'a' * 48} xapp-1-{'A' * 90} ",
    "ATATT without end": "ATATT" + "a" * 40 + " =",
    "Atlassian tokens": f"ATATT{'a' * 180}=a1 ",
    "keys of more vendors": f"whsec_{'a' * 32} NRAK-{'A' * 27} sntrys_{'a' * 40} PMAK-{'a' * 24}-{'a' * 34} ",
    "PMAK- without end": "PMAK-" + "a" * 24 + "-",
    "webhooks of Slack": "http://hook/services/TAAAAAA/BAAAAAA/" + "a" * 24 + " ",
    "webhooks of Slack without end": "http://hook/services/TAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAA",
    "webhooks of Slack, slashes": "hook:/services/T" + "/AAAAAAAA" * 3,
    "webhooks of Discord": "hook:/webhooks/123456789012345678/" + "a" * 60 + " ",
    "webhooks of Discord without end": "hook:/webhooks/123456789012345678/" + "a" * 39 + " ",
    "webhooks of Teams": "hook:/IncomingWebhook/aaaaaaaaaaaaaaaa" + "/aaaaaaaaaaaaaaaa" * 100,
    "webhooks of Teams without end": "/IncomingWebhook/:",
    "bots": "/bot1234567890:" + "a" * 35 + " ",
    "bots without end": "/bot1234567890:",
    "signatures": "?sig=abcdefgh",
    "signatures and &": "&sig=abcdefgh",
    "signatures, quoted in a URL": "%26sig%3Dabcdefgh",
    "signatures without value": "?sig=",
    "signatures of AWS": "X-Amz-Signature=abcdefgh&",
    "X-Amz-": "x-amz-signature?",
    "signatures in words": "sigsignature?",
    "bases": "secret_key_base",
    "secrets": "secret=abc ",
    "authorizations": "authorization: bearer abc ",
    "authorizations, lines": "authorization: a b\n",
    "authorizations with =": "authorization=ab c=d ",
    "authorizations, parameters": "authorization: a" + ' b="c",' * 100,
    "authorizations, half of a parameter": 'authorization: a b="c ',
    "authorizations, backslashes": "authorization: " + "\\" * 200,
    "github_pat_": "github_pat_ ",
    "hf_": "hf_ ",
    "xoxb-": "xoxb-",
    "AIza": "AIza ",
    "glpat-": "glpat- ",
    "password": "password",
    "password=": "password=",
    "password= and quote": "password='",
    "passwords": "pwd=abc ",
    "passwords, one letter": "pwd=a ",
    "passwords quoted": "password: 'abc', ",
    "passwords of many parts": "password=" + "a," * 300,
    "passwords of many parts, longer": "password=" + ("a" * 64 + ",") * 50,
    "passwords of many signs": "password=abc" + ",;&)}]" * 100,
    "passwords and names": "password=abc,a=b;a b c=d&",
    "passwords and words": "password=abc" + ";a a a a" * 50,
    "passwords, a quote within": "password=a'a,",
    "passwords, quotes within": "password=" + "a'" * 200,
    "passwords called": "password=Box('abc') ",
    "passwords called without end": "password=Box(",
    "passwords called, of quotes": "password=Box('" + "'\"" * 200,
    "passwords in brackets": "password=" + "[(" * 100,
    "passwords in brackets and quotes": "password=['a'",
    "passwords in angles": "password=<abc ",
    "passwords joined": "password='a'" + " + 'b'" * 100,
    "passwords side by side": "password='a'" + " 'b" * 100,
    "passwords of three quotes": "password='''a",
    "passwords of four backslashes": "password=\\\\\\\\'a ",
    "passwords of one to four backslashes": "".join(f"password={chr(92) * count}'a" for count in range(1, 5)),
    "passwords, else": "password='a' if " + "a" * 70,
    "passwords in an index": "d['password'] = 'a'; ",
    "passwords, quoted in a URL": "password%3Da",
    "passwords again": "password_confirm",
    "token = and words": "token = " + "a" * 250,
    "token = and no blank": "token =" + "a" * 250,
    "tokens of headers": "x-token: abc ",
    "slashes in passwords": "://a:b/c@d ",
    "slashes in passwords without end": "://a:" + "@ ",
    "://: and @": "://:a@ ://:",
    "users": "-u a:b ",
    "users without password": "-u " + "a" * 120,
    "-u and blanks": "-u   ",
    "fields": "\ntoken\n  x, input_value=a",
    "fields without value": "\ntoken\n  " + "x" * 500,
    "fields without value, escaped": "\\na\\n  ",
    "fields of commas": "\ntoken\n  , input_value=" + "," * 200,
    "passwords compared": "password == " + "a" * 70,
    "folders of a shell": "PWD=/a ",
    "token=": "token=",
    "api_key and spaces": "api_key   =   ",
    "passwords in columns": "password" + " " * 40 + "=" + " " * 40,
    "passwords in columns without end": "password" + " " * 60,
    "tokens in columns": "token" + " " * 40 + "=" + " " * 40 + "a" * 260,
    "sessions in columns": "session_id" + " " * 40 + ":" + " " * 40 + "a" * 260,
    "keys of JSON in columns": "'a'" + " " * 40 + ":" + " " * 40,
    "pairs in columns": "('token'," + " " * 40 + "'a'",
    "keys of data": "'token': {'a': 1}, ",
    "keys of data without end": "'token': {",
    "keys of data, lines": '"token": [\n',
    "keys of data, of quotes": "'token': [" + "\\'" * 200,
    "keys of data, of brackets": "'token': " + "[" * 200,
    "keys of other data": "'a': [",
    "keys of PostgreSQL": "(password)=(abc) ",
    "keys of PostgreSQL without end": "password," + "a" * 300,
    "tokens, quoted in a URL": "token%3Dabc&",
    "short": "sid=abcdefg1 ",
    "short, letters": "auth=" + "a" * 300,
    "short, digits": "sid=" + "1" * 300,
    "short, called": "auth=f('a') ",
    "short, called without end": "auth=" + "f" * 250 + "(",
    "passwords required": "password: required ",
    "passwords called as they are": "password=password ",
    "passwords that are asked for": "password=f() ",
    "tokens of a tokenizer": "token=EOF ",
    "sk- and words": "sk-" + "aaaa-" * 50,
    "access": "access",
    "api-": "api-",
    "key:": "key: ",
    "keys of JSON": '{"a": "b"}, ',
    "secret keys of JSON": '"token": "b", ',
    "keys without end": "'" + "a" * 60 + ": ",
    "cookie:": "cookie: ",
    "cookies": "cookie: a=b; ",
    "cookies in one": "cookie: " + "a=b; " * 200,
    "cookies without value": "cookie:" + "a" * 300,
    "cookies quoted": 'cookie: a="',
    "flags of cookies": "cookie: a=b;" + ";c" * 200,
    "cookies printed": "<Cookie a=b",
    "sessions": "session_id=abc ",
    "sessions, colon": "session_id: " + "a" * 80,
    "--": "--",
    "-- and space": "-- ",
    "options": "--password abc1 ",
    "options of words": "--password " + "a" * 300 + " ",
    "options of parts": "--a-a-a-",
    "options quoted": "'--token', '",
    "fields cut": "input_value={'a': 'b...c': 'd', ",
    "fields cut without end": "input_value={" + "a" * 200 + "..." + "a" * 300,
    "instances": "'abc' On instance['token']:\n    'abc'\n",
    "instances, data": "On instance['token']:\n    ('abc'\n     ",
    "attributes of attrs": "'token' must be in ['a'] (got 'b') Attribute(name='token', default=1), 'b') ",
    "attributes of attrs without end": "'token' must (Attribute(name='token', default=",
    "attributes of attrs, quotes behind backslashes": r"'a' must ('a' must \"(\\'x",
    "invalid values": "--token: invalid int value: 'a' invalid value for '--token': 'a' invalid value 'a' for token ",
    "invalid values without end": "invalid value 'a",
    "invalid values, names": "invalid value for " + "'a' / " * 20,
    "invalid values, long names": "invalid value for '" + "a" * 64 + " invalid " + "a" * 64,
    "invalid values of four backslashes": "".join(f"invalid value {chr(92) * count}'a" for count in range(1, 5)),
    "instances without end": "On instance" + "[1]" * 20 + "['token'",
    "keys of MongoDB": 'dup key: { token: "abc" }, ',
    "keys of MongoDB without end": "dup key: { a" + ", {a" * 50 + ": ",
    "header values": "header value: 'abc' ",
    "pairs": "('token', 'abc'), ",
    "pairs of names": "('aa', 'abc'), ",
    "pairs without end": "('token', '",
    "pairs of quotes behind backslashes": r"('a', \\'x",
    "elements": "<token>abc</token>",
    "elements without end": "<token>abc",
    "elements of attributes": "<a" + " a" * 120,
    "elements opened": "<a>",
    "long element": "<token>" + "a" * 5_000,
    "pass=": "pass=",
    "passes": "pass=abc ",
    "names of forms": "&pin=1234&otp=1234&cvv=123&code=" + "a1" * 12 + "&mdp=abc ",
    "names of forms without end": "&pin=",
    "codes": "?code=" + "a" * 300,
    "assertions": "samlresponse=" + "a" * 300 + "&",
    "passwords of others": "passwort=abc mot_de_passe : abc ",
    "passwords in other letters": "\u043f\u0430\u0440\u043e\u043b\u044c=abc \u5bc6\u7801: a1 contrase\u00f1a='a' ",
    "other letters": "\u043f\u0430\u0440",
    "numbers of the insured": "ssn: 078-05-1120, ",
    "ssn": "ssn: ",
    "ssn and digits": "ssn 1",
    "named values": "{'name': 'password', 'a': 'b', 'value': 'x'}, ",
    "named values without end": "'name': 'a', 'a': 'b', ",
    "names": "'name': ",
    "named lines": "name: password\n  value: abc\n",
    "named lines without end": "name: a\n" + " " * 40,
    "attributes": '<input name="token" type=hidden value="abc"> ',
    "attributes without end": "name=a b=c d=e value",
    "names of attributes": "name=a ",
    "options of openssl": "-passin pass:abc -storepass abc ",
    "-pass": "-pass -p mysql ",
    "mysql": "mysql -pabc ",
    "mysql without end": "mysql ",
    "sshpass": "sshpass -p abc sshpass",
    "curl": "curl -ubob:abc ",
    "curl without end": "curl -ub ",
    "users of Oracle": ":thin:a/b@",
    "users of Oracle without end": ":thin:a/" + "b" * 300,
    "what is said of fields": "'password': ['This field is wrong.', 'It is too short.'], ",
    "what is said of fields without end": "'token': ['" + "It is wrong a b c " * 20,
    "sentences without end": "'token': [" + "'It is wrong.', " * 50,
    "</": "</",
    "quotes": "'",
    "double quotes": '"',
    "quotes and colons": "'':",
    "parameters": "[SQL: UPDATE u SET password=? WHERE a IN (?)]\n[parameters: ('abc', 1)]\n",
    "parameters without end": "[parameters: (",
    "parameters without statement": "[SQL: " * 20 + "[parameters: ('a', ",
    "statements without end": "INSERT INTO a (b, " + "password = ?, " * 20,
    "backslashes": "\\",
    "quoted backslashes": "'token': '\\\\",
    "brackets": "[{(",
    "redacted": REDACTED,
    "all first letters": "pPsSaAbBrRiItTgGxXhHeE",
    "umlauts": "ä",
    "umlauts and =": "ä=",
    "emoji": "\U0001f999",
    "wide letters": "\uff50",
    "wide passwords": "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff1d\uff58 ",
    "not seen": "\u200b",
    "passwords not seen": "pass\u200bword=abc ",
    "passwords in HTML": "password&quot;: &quot;abc&quot; ",
    "HTML without end": "&amp;" * 9 + "&#",
    "HTML in HTML": "&" + "amp;" * 8 + "quot;",
    "HTML of HTML": "&" + "amp;" * 200,
    "passwords in JSON": "pass\\u0077ord=abc ",
    "escapes of JSON": "\\u0061",
    "escapes of what is not seen": "\\u200b\\xad",
    "data in texts": "'a': '{\"b\": \"c\"}', ",
    "data in texts without end": "'a': \"b\": \\'c\\': \\\"d",
    "escapes without end": "\\u00",
    "backslashes and quotes": "\\" * 70 + "'",
    "passwords of seven backslashes": f"password={chr(92) * 7}'a{chr(92) * 7}' ",
    "% again": "%25",
    "% again and again": "%" + "25" * 9 + "3D",
    "passwords, quoted twice in a URL": "password%253Dabc%2526",
    "surrogates": "\ud800",
    "other digits": "\u0661",
    "other digits and spaces": "\u0661 ",
    "long s and Kelvin": "pa\u017f\u017fword=\u212aey:",
    "mixed": "password=a eyJ. sk-1 ://a@b 4111-1111 bearer 'token': -----BEGIN \n",
}
"""What is repeated, by name."""


def subjects() -> Iterator[tuple[str, Callable[[str], object]]]:
    """What is timed: redact, each pattern by itself, the normaliser and its patterns."""
    yield "redact", redact
    for name, pattern in PATTERNS.items():
        yield name, lambda text, pattern=pattern: pattern.sub("", text)  # type: ignore[misc]
    yield "normalise", normalise
    for name in VARYING:
        pattern = getattr(fingerprint, name)
        yield f"normalise, {name}", lambda text, pattern=pattern: pattern.sub("<n>", text)  # type: ignore[misc]


def repeated(seed: str, size: int = SIZE) -> str:
    """*seed* again and again, *size* characters."""
    return (seed * (size // len(seed) + 1))[:size]


def seconds(function: Callable[[str], object], text: str, rounds: int = 3) -> float:
    """The shortest of some calls."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        function(text)
        times.append(time.perf_counter() - began)
    return min(times)


def measure(size: int = SIZE) -> dict[str, dict[str, dict[str, float]]]:
    """For each kind of text and each subject: `ms`, and the `ratio` to half of the text."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for kind, seed in HOSTILE.items():
        whole, half = repeated(seed, size), repeated(seed, size // 2)
        for name, function in subjects():
            long, short = seconds(function, whole), seconds(function, half)
            results.setdefault(kind, {})[name] = {"ms": round(long * 1e3, 3), "ratio": round(long / short, 2)}
    return results


def _print(results: dict[str, dict[str, dict[str, float]]]) -> None:
    print(f"{SIZE} characters of ...          redact: ms  ratio   normalise: ms   the slowest pattern: ms  ratio")
    for kind, found in results.items():
        whole, normal = found.pop("redact"), found.pop("normalise")
        slowest = max(found, key=lambda name: found[name]["ms"])
        worst = found[slowest]
        print(
            f"{kind:<32}{whole['ms']:>10.2f} {whole['ratio']:>6.1f} {normal['ms']:>15.3f}"
            f"   {slowest:<24}{worst['ms']:>7.2f} {worst['ratio']:>6.1f}"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description="Redaction of hostile text.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    results = measure()
    print(json.dumps({"size": SIZE, "texts": results}, indent=2)) if args.json else _print(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
