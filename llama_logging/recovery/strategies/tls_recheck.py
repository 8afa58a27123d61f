"""Tells why a server's certificate is not accepted; nothing of ours may mend that."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self
from urllib.parse import urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery import certificates
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import counted

TIMEOUT = 10.0
"""Seconds one handshake may take."""
# X509_V_ERR_* of OpenSSL, as `SSLCertVerificationError.verify_code` has them.
_NOT_YET_VALID, _EXPIRED, _NAME_MISMATCH, _ADDRESS_MISMATCH = 9, 10, 62, 64


@dataclass(frozen=True)
class TlsRecheck(Strategy):
    """Looks at the certificate of a host, and gives advice: renew it, set the clock, use another name.

    Two handshakes, after which nothing is sent: one that verifies, to learn the reason, and one that
    does not, to see the certificate.
    """

    name: ClassVar[str] = "tls.recheck"
    option_names: ClassVar[tuple[str, ...]] = ("address", "ca_file")
    address: tuple[str, int]
    ca_file: str | None = None

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `address`, HOST, HOST:PORT or a URL; `ca_file`, what is trusted, else what the system trusts."""
        return cls(options.required("address", _as_address), options.read("ca_file", as_text, None))

    @property
    def intent(self) -> str:
        """Names the host."""
        return f"look at the certificate of {self.address[0]}:{self.address[1]}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Look."""
        host = f"{self.address[0]}:{self.address[1]}"
        try:
            self._shake_hands(ssl.create_default_context(cafile=self.ca_file), deadline)
        except ssl.SSLCertVerificationError as error:
            rejected = error
        except OSError as error:
            return verdict(f"{host}: {error}", "")
        else:
            return verdict("", f"the certificate of {host} is accepted")
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        try:
            certificate = certificates.read(self._shake_hands(blind, deadline))
            reason = _advice(self.address[0], rejected, certificate, datetime.now(UTC))
        except (OSError, ValueError) as error:
            reason = f"{rejected.verify_message}; it could not be looked at: {error}"
        return Remedy(OutcomeStatus.ADVICE, detail=f"{host}: {rejected.verify_message}", advice=f"{host}: {reason}")

    def _shake_hands(self, context: ssl.SSLContext, deadline: Deadline) -> bytes:
        timeout = max(0.05, min(TIMEOUT, deadline.remaining()))
        with (
            socket.create_connection(self.address, timeout) as plain,
            context.wrap_socket(plain, server_hostname=self.address[0]) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""


def _advice(
    host: str, rejected: ssl.SSLCertVerificationError, certificate: certificates.Certificate, now: datetime
) -> str:
    clock = f"the clock of this machine says {now:%Y-%m-%d %H:%M} UTC"
    if rejected.verify_code == _EXPIRED:
        days = (now - certificate.not_after).days
        if days < 0:
            return "a certificate of its chain has expired, not its own: have the chain renewed"
        expired = f"{certificate.not_after:%Y-%m-%d}, {counted(days, 'day')} ago"
        return f"its certificate expired on {expired}: renew it ({clock})"
    if rejected.verify_code == _NOT_YET_VALID:
        return (
            f"its certificate begins on {certificate.not_before:%Y-%m-%d %H:%M} UTC, and {clock}: set the clock right"
        )
    if rejected.verify_code in (_NAME_MISMATCH, _ADDRESS_MISMATCH):
        names = ", ".join(certificate.names[:10]) or "no name at all"
        return f"its certificate is for {names}, not for {host}: use such a name, or have it issued for this one"
    until = f"valid until {certificate.not_after:%Y-%m-%d}"
    return f"{rejected.verify_message} ({until}): who issued it is not trusted here, or its chain is not sent"


def _as_address(value: object) -> tuple[str, int]:
    text = as_text(value)
    parts = urlsplit(text if "://" in text else f"//{text}")
    if not parts.hostname:
        raise ConfigError(f"expected HOST, HOST:PORT or a URL, got {text!r}")
    return parts.hostname, parts.port or 443
