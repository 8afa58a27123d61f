from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from llama_logging.recovery.certificates import Certificate, read
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import attempt, make

FOLDER = Path(__file__).parent / "certificates"
"""Made for these tests, of one key: good till 2120, expired in 2021, from 2110 on, and for another name."""


@contextlib.contextmanager
def served(name: str, received: list[bytes]) -> Iterator[int]:
    """A TLS server with that certificate; what is sent to it after the handshakes is kept."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / f"{name}.pem", FOLDER / "key.pem")

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                received.append(secured.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(20)


@pytest.mark.parametrize(
    ("name", "trusted", "advice"),
    [
        ("expired", "expired", "its certificate expired on 2021-01-01, "),
        ("future", "future", "its certificate begins on 2110-01-01 00:00 UTC, and the clock of this machine says "),
        ("other", "other", "is for shop.example, www.shop.example, not for localhost"),
        ("good", "other", "(valid until 2120-01-01): who issued it is not trusted here"),
    ],
)
def test_it_says_what_is_wrong_with_a_certificate(name: str, trusted: str, advice: str) -> None:
    """And sends nothing to whoever has it."""
    received: list[bytes] = []
    with served(name, received) as port:
        remedy = attempt(make("tls.recheck", address=f"localhost:{port}", ca_file=str(FOLDER / f"{trusted}.pem")))
    assert remedy.status is OutcomeStatus.ADVICE
    assert advice in remedy.advice
    assert set(received) <= {b""}


def test_a_certificate_that_is_accepted_now() -> None:
    with served("good", []) as port:
        url = f"https://localhost:{port}/shop"
        remedy = attempt(make("tls.recheck", address=url, ca_file=str(FOLDER / "good.pem")))
    assert (remedy.status, remedy.detail) == (
        OutcomeStatus.RECOVERED,
        f"the certificate of localhost:{port} is accepted",
    )


def test_a_host_that_is_not_there_is_no_matter_of_certificates() -> None:
    assert attempt(make("tls.recheck", address="127.0.0.1:1")).status is OutcomeStatus.FAILED


def der(name: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert((FOLDER / f"{name}.pem").read_text())


def test_a_certificate_is_read() -> None:
    """One year is written with two digits, the other with four."""
    assert read(der("good")) == Certificate(
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC), ("localhost", "127.0.0.1", "::1")
    )


def test_what_is_no_certificate_is_said_to_be_none() -> None:
    whole = der("good")
    for cut in range(len(whole)):
        with pytest.raises(ValueError):  # noqa: PT011  each of the many says it in another way
            read(whole[:cut])
    for place in range(len(whole)):
        with contextlib.suppress(ValueError):
            read(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
