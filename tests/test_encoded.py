"""A secret is found in what a text says, however it is written; other text stays as it is, to the character."""

from __future__ import annotations

import html
import json
import logging
from urllib.parse import quote

import pytest

from llama_logging.redaction import clean, message_of, redact, redact_data
from llama_logging.redaction.credentials import REDACTED
from llama_logging.redaction.encoded import decoded
from llama_logging.redaction.keys import is_secret


def wide(text: str) -> str:
    """In the letters and signs that stand among Chinese ones."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


WRITTEN = {
    "password&quot;: &quot;planted&quot;, x": f'password": {REDACTED}, x',
    "{&#x27;session&#x27;: &#39;planted&#39;, &#34;a&#34;: 1}": f"{{'session': {REDACTED}, \"a\": 1}}",
    "&amp;lt;password&amp;gt;planted&amp;lt;/password&amp;gt;": f"<password>{REDACTED}</password>",
    "password&#61;planted": f"password={REDACTED}",
    r'{"pass\u0077ord": "planted"}': f'{{"password": {REDACTED}}}',
    r"/a?password\u003dplanted&b=1": f"/a?password={REDACTED}&b=1",
    r"\u003cpassword\u003eplanted\u003c/password\u003e": f"<password>{REDACTED}</password>",
    r"\u0026quot;password\u0026quot;: \u0026quot;planted\u0026quot;": f'"password": {REDACTED}',
    r"{'x': 'pass\u200bword=planted1', 'y': 'api\xad_key\uff1dplanted2'}": (
        f"{{'x': 'password={REDACTED}', 'y': 'api_key={REDACTED}'}}"
    ),
    "{'x': '{&quot;session&quot;: &quot;planted&quot;}'}": f"{{'x': '{{\"session\": {REDACTED}}}'}}",
    "next=%252Fa%253Fpassword%253Dplanted%2526x": f"next=%2Fa%3Fpassword%3D{REDACTED}",
    "next=password%25253Dplanted": f"next=password%3D{REDACTED}",
    "pass\u200bword=planted": f"password={REDACTED}",
    "passw\xadord\u2060: planted": f"password: {REDACTED}",
    f"{wide('password=')}planted": f"password={REDACTED}",
    f"password{wide(':')}planted{wide(',')}user{wide(':')}bob": f"password:{REDACTED},user:bob",
    "auth\u200b_token:\u3000planted": f"auth_token: {REDACTED}",
    "card 4111\xa01111\xa01111\xa01111": f"card {REDACTED}",
    f"{wide('4111')} 1111 1111 1111": REDACTED,
}
ORDINARY = [
    "a &lt; b &amp;&amp; c &gt; d, &quot;tokens&quot;: 5; it&#39;s &#8364;5 &#0; &#127;",
    r"C:\users\xavier C:\\u0041 \u00e4 \u0000 \x1b[0m \xe4 \\\\\\\\\" and \\\\\\\\n",
    "100 %25 of /a%2520b, %25, 95%2",
    f"\u5bc6\u7801{wide(':')}\u9519\u8bef{wide(',')}\u7528\u6237{wide(':')}\u5f20\u4e09\u3000\u767b\u5f55",
    f"10\xa0000 km, naïve\u200b, \U0001f469\u200d\U0001f4bb, a\ufeffb, {wide('ABC')}",
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN.items())
def test_a_secret_is_found_however_it_is_written(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize("text", ORDINARY)
def test_what_holds_no_secret_stays_as_it_is_written(text: str) -> None:
    assert redact(text) is text


def dumped(depth: int) -> str:
    text = json.dumps({"password": "planted", "user": "bob"})
    for _ in range(depth):
        text = json.dumps(text)
    return text


@pytest.mark.parametrize("depth", range(7))
def test_a_secret_is_found_in_json_within_json(depth: int) -> None:
    told = redact(dumped(depth))
    assert "planted" not in told
    assert "bob" in told
    assert redact(told) == told


@pytest.mark.parametrize("depth", range(1, 9))
def test_a_secret_is_found_in_what_was_quoted_again_and_again(depth: int) -> None:
    page, url = '{"password": "planted"}', "password=planted1"
    for _ in range(depth):
        page, url = html.escape(page), quote(url)
    assert "planted" not in redact(page) + redact(url)


def test_so_many_ways_within_each_other_are_followed() -> None:
    """HTML within JSON, and that within HTML."""
    text = html.escape('{"password": "planted"}').replace("&", r"\u0026")
    assert "planted" not in redact(text)
    assert "planted" not in redact(text.replace("\\", "&#92;"))


def test_letters_are_found_though_others_in_their_place_were_none() -> None:
    """Of texts that differ in their digits alone `clean` looks at one, unless these stand for letters."""
    for none, one in (
        (r"pass\u0007ord=a1b", r"pass\u0077ord=a1b"),
        ("password&#01;a1b", "password&#61;a1b"),
        ("password%273Da1b", "password%253Da1b"),
        (r"password\uff0ca1b", r"password\uff1da1b"),
    ):
        assert clean(none) == none
        assert "a1b" not in clean(one)


def test_a_key_is_known_as_it_is_read() -> None:
    key = wide("api_key")
    assert is_secret("pass\u200bword")
    assert redact_data({key: "x", "\u540d": "y"}) == {key: REDACTED, "\u540d": "y"}
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, f"%({key})s", ({key: "planted"},), None)
    assert message_of(record) == REDACTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&" + "amp;" * 99 + "quot;", '"'),
        ("\\" * 99 + "u0022", '"'),
        ("\\" * 99 + '"', '\\"'),
        ("%" + "25" * 99 + "22", "%22"),
    ],
)
def test_what_was_escaped_many_times_is_decoded_at_once(text: str, expected: str) -> None:
    assert decoded(text) == expected
