"""Reports by e-mail."""

from __future__ import annotations

import contextlib
import email.policy
import smtplib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import Any, ClassVar, Literal, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_seconds, as_text
from llama_logging.exceptions import ConfigError, ReportError
from llama_logging.ids import new_id
from llama_logging.redaction import clean
from llama_logging.reporters import http
from llama_logging.reporters.report import Report, one_line

Security = Literal["starttls", "tls", "none"]
_USUAL: Security = "starttls"
_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}

_SEVEN_BIT = email.policy.default.clone(cte_type="7bit")
"""Else bytes above 127 go to a server that has not said 8BITMIME, too (RFC 6152): smtplib does not look."""


@dataclass(frozen=True, kw_only=True)
class MailReporter:
    """Sends each report as one message.

    Attributes:
        security: How the connection is kept from others: `starttls`, `tls` from the start, or `none`.
        user, password: To log in with; empty for no login.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    security: Security = "starttls"
    user: str = ""
    password: str = ""
    timeout: float = http.TIMEOUT
    ca_file: str = ""

    option_names: ClassVar[tuple[str, ...]] = (
        "host", "port", "from", "to", "security", "user", "password", "timeout", "ca_file",
    )  # fmt: skip

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        security: Security = options.read("security", _as_security, _USUAL)
        user = options.read("user", as_text, "")
        if user and security == "none":
            options.refuse("user", "with `security: none` the password would be there for all to read")
        return cls(
            host=options.required("host", as_text),
            port=options.read("port", _as_port, _PORTS[security]),
            sender=options.required("from", _as_address),
            recipients=options.required("to", lambda to: _as_recipients(options, to)),
            security=security,
            user=user,
            password=options.read("password", as_text, ""),
            timeout=min(http.LONGEST, options.read("timeout", as_seconds, http.TIMEOUT)),
            ca_file=options.read("ca_file", as_text, ""),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password."""
        return (self.password,)

    def send(self, report: Report, timeout: float) -> None:
        """Send it, to those that do not have it."""
        left = [address for address in map(_bare, self.recipients) if address not in report.taken]
        if not left:  # who did not take it is no recipient any more
            return
        try:
            with self._connect(min(timeout, self.timeout)) as server:
                if self.security == "starttls":
                    server.starttls(context=http.trusted(self.ca_file))
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(self._message(report), to_addrs=left)
        except smtplib.SMTPRecipientsRefused as error:
            told = f"no recipient was taken: {_refusals(error.recipients)}"
            # Those that take it are not to wait for one that does not.
            raise ReportError(told, refused=len(left) < len(self.recipients)) from error
        except smtplib.SMTPResponseException as error:
            # 5xx to the message itself is for good (RFC 5321, 4.2.1), and 552 to its size (RFC 1870, 6.1); to a login
            # it is the channel's trouble.
            for_good = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
            for_good |= isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code == 552
            raise ReportError(f"SMTP {error.smtp_code}: {_text(error.smtp_error)}", refused=for_good) from error
        if refused:
            taken = tuple(address for address in left if address not in refused)
            raise ReportError(f"it was taken, but not for all: {_refusals(refused)}", refused=True, taken=taken)

    def _connect(self, timeout: float) -> smtplib.SMTP:
        if self.security == "tls":
            return _TimelyTLS(self.host, self.port, timeout=timeout, context=http.trusted(self.ca_file))
        return _Timely(self.host, self.port, timeout=timeout)

    def _message(self, report: Report) -> EmailMessage:
        message = EmailMessage(policy=_SEVEN_BIT)
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Subject"] = one_line(f"[llama_logging] {report.title}")
        message["Date"] = format_datetime(report.created_at)
        message["Message-ID"] = f"<{report.report_id or new_id()}@llama-logging.invalid>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(report.message)
        if report.html:
            message.add_alternative(report.html, subtype="html")
        return message


class _Timely(smtplib.SMTP):
    """Its timeout is for all of it; the standard library's begins anew with every byte that trickles in."""

    def __init__(self, host: str, port: int, *, timeout: float, **options: Any) -> None:
        self._until = time.monotonic() + timeout
        super().__init__(host, port, timeout=timeout, **options)

    def __exit__(self, *exc_info: Any) -> None:
        # The message has been taken, or has not: how the server says goodbye changes neither.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            super().__exit__(*exc_info)

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer."""
        if self.file is None and self.sock is not None:
            self.file = http.Paced(self.sock, self._until).makefile("rb")
        return super().getreply()


class _TimelyTLS(_Timely, smtplib.SMTP_SSL):
    """The same, with TLS from the start."""


def _as_recipients(options: Options, given: object) -> tuple[str, ...]:
    if not given:
        raise ConfigError("at least one is needed")
    return tuple(options.every("to", given, lambda _place, each: _as_address(each)))


def _as_address(value: object) -> str:
    found = getaddresses([as_text(value)])
    try:
        ((name, address),) = found  # of several in one text each but the first would be left out
        return str(Address(name, addr_spec=address))
    except Exception as error:
        raise ConfigError(f"expected one address such as ops@example.org, got {value!r}") from error


def _bare(recipient: str) -> str:
    ((_, address),) = getaddresses([recipient])
    return address


def _as_security(value: object) -> Security:
    if value not in _PORTS:
        raise ConfigError(f"unknown security {value!r}; expected {', '.join(_PORTS)}")
    return value


def _as_port(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65_536:
        return value
    if isinstance(value, str) and value.isdecimal():
        return _as_port(int(value))
    raise ConfigError(f"expected a port, got {value!r}")


def _refusals(recipients: Mapping[str, tuple[int, bytes | str]]) -> str:
    return "; ".join(f"{code} {_text(said)}" for code, said in recipients.values())


def _text(said: bytes | str) -> str:
    return clean(said.decode("utf-8", "replace") if isinstance(said, bytes) else said, 200)
