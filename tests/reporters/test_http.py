"""POST to servers as they are: slow, dead, confused, and not who they should be."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from llama_logging.exceptions import ConfigError, ReportError
from llama_logging.reporters.http import Target, addresses, as_url
from tests.reporters.receivers import Receiver, certificate, cutting, free_port, receiver, saying, stalling, trickling


def post(url: str, timeout: float = 20.0, allow_private: bool = True) -> bytes:
    return Target(url, allow_private=allow_private).post(b"{}", {"X-A": "b"}, timeout)


def refusal(url: str, timeout: float = 20.0, allow_private: bool = True) -> ReportError:
    with pytest.raises(ReportError) as caught:
        post(url, timeout, allow_private)
    return caught.value


def test_what_is_posted_arrives(web: Receiver) -> None:
    web.answers = [saying(202, b"thanks")]
    assert post(f"{web.url}/a?b=c") == b"thanks"
    (received,) = web.received
    assert (received.path, received.body, received.headers["x-a"]) == ("/a?b=c", b"{}", "b")


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (413, True), (422, True), (401, False), (404, False), (500, False), (503, False)],
)
def test_one_that_is_refused_is_told_from_a_receiver_in_trouble(web: Receiver, status: int, refused: bool) -> None:
    web.answers = [saying(status, b"no, password=hunter22")]
    error = refusal(web.url)
    assert (error.refused, error.retry_after) == (refused, None)
    assert str(error) == f"HTTP {status}: no, password=[redacted]"


def test_it_says_when_to_come_again(web: Receiver) -> None:
    web.answers = [saying(429, Retry_After="120"), saying(503, Retry_After="7"), saying(500, Retry_After="7")]
    assert [refusal(web.url).retry_after for _ in range(3)] == [120.0, 7.0, None]


def test_a_server_that_is_not_there_stalls_or_cuts_is_a_failure(web: Receiver) -> None:
    assert "refused" in str(refusal(f"http://127.0.0.1:{free_port()}/"))
    web.answers = [stalling, trickling, cutting]
    assert "no answer from 127.0.0.1" in str(refusal(web.url, timeout=0.3))
    assert "no answer from 127.0.0.1" in str(refusal(web.url, timeout=0.3))
    assert not refusal(web.url).refused


def test_certificates_and_names_are_checked(tmp_path: Path) -> None:
    cert, context = certificate(tmp_path)
    with receiver(tls=context) as web:
        known = Target(f"https://localhost:{web.port}/a", allow_private=True, ca_file=cert)
        known.post(b"{}", {}, 20.0)
        assert web.received[0].path == "/a"
        assert "certificate verify failed" in str(refusal(f"https://localhost:{web.port}/"))
        assert len(web.received) == 1


def test_the_usual_port_is_no_part_of_the_hosts_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, context = certificate(tmp_path)
    connect = socket.create_connection
    with receiver(tls=context) as web:
        elsewhere = {443: web.port}  # 443 is for root alone
        monkeypatch.setattr(socket, "create_connection", lambda at, **more: connect((at[0], elsewhere[at[1]]), **more))
        Target("https://localhost/a", allow_private=True, ca_file=cert).post(b"", {}, 20.0)
        assert web.received[0].headers["host"] == "localhost"


@pytest.mark.parametrize("ca_file", ["missing.pem", "empty.pem"])
def test_a_ca_file_without_certificates_is_named(ca_file: str, web: Receiver) -> None:
    Path("empty.pem").touch()
    target = Target(web.url.replace("http:", "https:"), allow_private=True, ca_file=ca_file)
    with pytest.raises(ReportError, match=f"the ca_file {ca_file} cannot be read"):
        target.post(b"", {}, 20.0)


def test_redirects_stay_with_the_host(web: Receiver) -> None:
    web.answers = [saying(307, Location="/moved"), saying(200, b"here")]
    assert post(f"{web.url}/hook") == b"here"
    assert [(each.path, each.body) for each in web.received] == [("/hook", b"{}"), ("/moved", b"{}")]
    with receiver() as other:
        web.answers = [saying(302, Location=f"{other.url}/steal")]
        assert "another host, which is not followed" in str(refusal(web.url))
        assert other.received == []
    web.answers = [saying(301, Location="/again")] * 10
    assert "redirects more than" in str(refusal(web.url))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "::1", "fd00::1", "fe80::1%eth0",
     "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1", "2002:7f00:1::1"],
)  # fmt: skip
def test_private_addresses_are_refused_after_the_name_was_resolved(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolved(host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with pytest.raises(ReportError, match="a private address; `allow_private: true` allows it"):
        addresses("hooks.example", 443, False)
    assert address in addresses("hooks.example", 443, True)


def test_nothing_is_sent_to_loopback_unless_it_is_allowed(web: Receiver) -> None:
    assert "private address" in str(refusal(f"http://localhost:{web.port}/", allow_private=False))
    assert web.received == []


def test_a_name_that_is_resolved_twice_is_another_no_time(web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked is what is connected to."""
    asked = []

    def resolved(host: str, port: int, *args: object, **kwargs: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    post(f"http://hooks.example:{web.port}/")
    assert asked[0] == "hooks.example"
    assert "hooks.example" not in asked[1:]
    assert web.received[0].headers["host"] == f"hooks.example:{web.port}"


@pytest.mark.parametrize(
    "url", ["", "hooks.example", "ftp://a/b", "https://", "https://a:b/", "https://a/\n", "https://a/ö", 7]
)
def test_what_is_no_url_is_told_without_it(url: object) -> None:
    with pytest.raises(ConfigError):
        as_url(url)


def test_a_password_does_not_belong_into_a_url() -> None:
    with pytest.raises(ConfigError) as caught:
        as_url("https://bob:hunter22@hooks.example/")
    assert "hunter22" not in str(caught.value)
