"""Reports as JSON to a URL; also in the form that Slack, Mattermost, Discord (`/slack`) and others take."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_mapping, as_text, did_you_mean
from llama_logging.exceptions import ConfigError
from llama_logging.redaction import clean
from llama_logging.reporters import http
from llama_logging.reporters.report import Report
from llama_logging.visible import for_chat

Style = Literal["json", "slack"]

SIGNATURE = "X-Llama-Logging-Signature"
"""Header with `sha256=` and the HMAC-SHA256 of the body, in hex digits."""
ID = "X-Llama-Logging-Report"
"""Header with the report's id: one that comes twice is the same."""

_SLACKS = (".slack.com", ".slack-gov.com")
_LONGEST = 1_990
"""Characters: Discord refuses more than 2,000."""


@dataclass(frozen=True)
class WebhookReporter:
    """POSTs each report.

    Attributes:
        secret: The key of the signature; empty for none.
        headers: More headers, such as Authorization.
    """

    target: http.Target
    secret: str = ""
    style: Style = "json"
    headers: tuple[tuple[str, str], ...] = ()

    option_names: ClassVar[tuple[str, ...]] = ("url", "secret", "style", "headers", *http.OPTIONS)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        return cls(
            http.target(options, options.required("url", http.as_url)),
            options.read("secret", as_text, ""),
            options.read("style", _as_style, "json"),
            options.read("headers", as_headers, ()),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The URL's path, the key, and the headers' values."""
        return (*http.secrets_of(self.target.url), self.secret, *(value for _, value in self.headers))

    def send(self, report: Report, timeout: float) -> None:
        """POST it."""
        content = {"text": _chat(report, self.target.url)} if self.style == "slack" else report.as_dict()
        body = json.dumps(content).encode()
        headers = {"Content-Type": "application/json", ID: report.report_id, **dict(self.headers)}
        if self.secret:
            headers[SIGNATURE] = signature(self.secret, body)
        self.target.post(body, headers, timeout)


def signature(secret: str, body: bytes) -> str:
    """What SIGNATURE says for *body*; compare with `hmac.compare_digest`.

    >>> signature("key", b"{}")[:19]
    'sha256=a777724d943e'
    """
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def as_headers(value: object) -> tuple[tuple[str, str], ...]:
    """Headers of a request: a mapping of names to texts."""
    headers = tuple(as_mapping(value).items())
    for name, text in headers:
        fine = isinstance(text, str) and text.isprintable() and f"{name}{text}".isascii()
        if not fine or not name.replace("-", "").isalnum():
            raise ConfigError(f"the header {name!r} needs one line of ASCII text")
    return headers


def _as_style(value: object) -> Style:
    if value == "json" or value == "slack":
        return value
    raise ConfigError(f"unknown style {value!r}; expected json or slack{did_you_mean(value, ('json', 'slack'))}")


def _chat(report: Report, url: str) -> str:
    slack = f".{urlsplit(url).hostname}".endswith(_SLACKS)
    title = f"`{for_chat(report.title, slack=slack)}`"
    return f"{title}\n```\n{clean(for_chat(report.message, slack=slack), _LONGEST - len(title))}\n```"
