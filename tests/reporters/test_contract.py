"""The contract of Reporter: what is sent arrives whole, a failure is raised, and tells no secret."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hmac
import json
import re
import smtplib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from llama_logging.config.options import Options
from llama_logging.context import Breadcrumb, ErrorContext, ErrorSeverity, ExceptionDetail, Frame, Process
from llama_logging.exceptions import ConfigError, MissingExtraError, ReportError
from llama_logging.frozen import replace as changed
from llama_logging.ids import new_id
from llama_logging.recovery.strategies.notify import message
from llama_logging.reporters import notify, otlp, sentry, webhook
from llama_logging.reporters.configuration import SHIPPED, Channel, parse_channels
from llama_logging.reporters.report import MOST, Report, of_error, of_test
from llama_logging.reporters.sending import failure
from llama_logging.reporters.sentry import SentryReporter
from llama_logging.reporters.webhook import ID, SIGNATURE
from tests.conftest import NOON, make_context
from tests.reporters.receivers import Receiver, certificate, free_port, receiver, saying, until

ERROR_ID = "019f0000-0000-7000-8000-000000000001"
SECRET = "T0KEN-that-nobody-may-see"

pytestmark = [
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),  # of apprise, up to 3.12
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),  # TLS from the start
]

calls: list[ErrorContext] = []


def called(context: ErrorContext) -> None:
    calls.append(context)


async def called_later(context: ErrorContext) -> None:
    calls.append(context)


async def hanging(context: ErrorContext) -> None:
    await asyncio.sleep(3600)


def failing(context: ErrorContext) -> None:
    raise ValueError("the callback is broken")


def an_error() -> ErrorContext:
    frames = (Frame(module="shop.cart", function="add", file="/srv/cart.py", line=8, source="raise", in_app=True),)
    cause = ExceptionDetail(type="OSError", module="builtins", message="disk", bases=("OSError",), relation="cause")
    error = ExceptionDetail(
        type="CartError", module="shop", message="no such article", bases=("shop.CartError",), frames=frames
    )
    process = Process(
        process="p", pid=7, host="web1", boot="", program="shop", python="3.11", service="shop", environment="prod",
        release="1.2",
    )  # fmt: skip
    return make_context(
        error_id=ERROR_ID, exceptions=(error, cause), error_type="CartError", process=process, tags={"tenant": "a"},
        trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", additional_context={"article": 7},
        breadcrumbs=(Breadcrumb(created=1.0, severity=ErrorSeverity.INFO, logger_name="db", message="connected"),),
        parts=("shop.CartError: no such article\n",), log_template="cannot add %s", log_message="cannot add apple",
    )  # fmt: skip


def a_report() -> Report:
    made = of_error("new", "rule one", NOON, an_error(), None)
    return Report(**{**{name: getattr(made, name) for name in Report.__slots__}, "report_id": ERROR_ID})


def channel(kind: str, **options: Any) -> Channel:
    reader = Options("ReportHandler", {}, (), strict=True)
    return parse_channels(reader, {"it": {kind: options}})["it"]


def options_of(kind: str, port: int, tmp_path: Path) -> dict[str, Any]:
    """Options with which each of them sends to *port* on loopback."""
    url = f"http://127.0.0.1:{port}"
    write = f"import sys, urllib.request as u; u.urlopen('{url}/', sys.stdin.buffer.read(), timeout=20)"
    known: dict[str, dict[str, Any]] = {
        "callback": {"function": f"{__name__}.called"},
        "webhook": {"url": f"{url}/services/{SECRET}", "allow_private": True},
        "mail": {"host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"],
                 "security": "none"},
        "command": {"argv": [sys.executable, "-c", write]},
        "apprise": {"urls": [f"json://127.0.0.1:{port}/{SECRET}"]},
        "sentry": {"dsn": f"http://{SECRET}@127.0.0.1:{port}/42", "allow_private": True},
        "otlp": {"endpoint": url, "allow_private": True, "headers": {"Authorization": SECRET}},
    }  # fmt: skip
    return known[kind]


class Mailbox:
    """Takes messages, as aiosmtpd asks it to."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.messages: list[Any] = []
        self.answer = answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(envelope)
        return self.answer


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=30.0, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@contextmanager
def counterpart(kind: str, tmp_path: Path) -> Iterator[tuple[Channel, list[Any]]]:
    """A channel of this kind, and what has arrived at its other end."""
    if kind == "mail":
        mailbox = Mailbox()
        with mail_server(mailbox) as port:
            yield channel(kind, **options_of(kind, port, tmp_path)), mailbox.messages
    elif kind == "callback":
        calls.clear()
        yield channel(kind, **options_of(kind, 0, tmp_path)), calls
    else:
        with receiver() as web:
            yield channel(kind, **options_of(kind, web.port, tmp_path)), web.received


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_report_arrives_once_and_whole(kind: str, tmp_path: Path) -> None:
    with counterpart(kind, tmp_path) as (made, arrived):
        made.reporter.send(a_report(), 20.0)
        assert len(arrived) == 1
        told = str(arrived[0].content if kind == "mail" else getattr(arrived[0], "body", arrived[0]))
        for text in ("no such article", "CartError"):
            assert text in told


@pytest.mark.parametrize("kind", [kind for kind in SHIPPED if kind != "callback"])
def test_one_that_tells_of_no_error_arrives_too(kind: str, tmp_path: Path) -> None:
    with counterpart(kind, tmp_path) as (made, arrived):
        made.reporter.send(of_test("it"), 20.0)
        assert len(arrived) == 1


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_failure_is_raised_and_tells_no_secret(kind: str, tmp_path: Path) -> None:
    options = options_of(kind, free_port(), tmp_path)
    made = channel(kind, **(options if kind != "callback" else {"function": f"{__name__}.failing"}))
    with pytest.raises(Exception) as caught:  # noqa: PT011
        made.reporter.send(a_report(), 20.0)
    told = failure(made, caught.value)
    assert told
    assert SECRET not in told


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_wrong_option_is_told_with_the_nearest_right_one(kind: str, tmp_path: Path) -> None:
    options = options_of(kind, 9, tmp_path)
    wrong = {f"{name}s": value for name, value in list(options.items())[:1]}
    with pytest.raises(ConfigError, match=f"channels.it.{kind}.*unknown option, did you mean"):
        channel(kind, **options, **wrong)
    with pytest.raises(ConfigError, match="is needed"):
        channel(kind)


@pytest.mark.parametrize("kind", ["webhook", "sentry", "otlp", "apprise"])
def test_a_receiver_that_echoes_what_it_got_gives_nothing_away(kind: str, tmp_path: Path) -> None:
    with receiver() as web:
        web.usual = saying(500, f"/services/{SECRET} is broken".encode())
        made = channel(kind, **options_of(kind, web.port, tmp_path))
        with pytest.raises(ReportError) as caught:
            made.reporter.send(a_report(), 20.0)
    assert SECRET not in failure(made, caught.value)


def test_an_error_with_more_details_than_a_receiver_takes_is_reported_without_them() -> None:
    crumb = Breadcrumb(created=1.0, severity=ErrorSeverity.INFO, logger_name="db", message="x" * MOST)
    whole = of_error("new", "r", NOON, an_error(), None)
    long = of_error("new", "r", NOON, replace(an_error(), breadcrumbs=(crumb,)), None)
    longest = of_error("new", "r", NOON, replace(an_error(), additional_context={"answer": "x" * MOST}), None)
    told = [report.context for report in (whole, long, longest)]
    assert [context and len(context.breadcrumbs) for context in told] == [1, 0, 0]
    assert [context and context.additional_context.get("article") for context in told] == [7, 7, None]
    assert ERROR_ID in str(longest.error)
    assert len(json.dumps(longest.as_dict())) < MOST


def test_a_webhook_is_signed_and_names_the_report(web: Receiver) -> None:
    made = channel("webhook", url=web.url, secret="key", headers={"X-More": "a"}, allow_private=True)
    made.reporter.send(a_report(), 20.0)
    (received,) = web.received
    assert received.headers[SIGNATURE.lower()] == f"sha256={hmac.new(b'key', received.body, 'sha256').hexdigest()}"
    assert (received.headers[ID.lower()], received.headers["x-more"]) == (ERROR_ID, "a")
    document = json.loads(received.body)
    assert (document["kind"], document["rule"], document["report_id"]) == ("new", "rule one", ERROR_ID)
    assert document["command"] == f"llama-logging show {ERROR_ID}"
    assert document["error"]["error_message"] == "no such article"


def test_a_chat_gets_text_in_which_nothing_is_markup_and_slack_by_its_own_escapes(web: Receiver) -> None:
    """Which the others show as they stand: `in &lt;module&gt;`."""
    report = of_error("new", "r", NOON, make_context(error_message="<!channel> & <http://evil|click>"), None)
    channel("webhook", url=web.url, style="slack", allow_private=True).reporter.send(report, 20.0)
    document = json.loads(web.received[0].body)
    assert list(document) == ["text"]
    assert "\u2039!channel\u203a & \u2039http://evil|click\u203a" in document["text"]
    assert "llama-logging show" in document["text"]
    text = webhook._chat(report, "https://hooks.slack.com/services/T0/B0/x")
    assert "&lt;!channel&gt; &amp; &lt;http://evil|click&gt;" in text
    assert "&lt;" not in webhook._chat(report, "https://notslack.com/hooks/x")


def test_a_chat_gets_nothing_but_code(web: Receiver) -> None:
    """What an error says calls nobody, and is no link: it has no way out of the code that it stands in."""
    told = "` @everyone ``` @channel [sign in](https://evil.example)"
    context = make_context(error_message=told)
    channel("webhook", url=web.url, style="slack", allow_private=True).reporter.send(
        of_error("new", "r", NOON, context, None), 20.0
    )
    text = json.loads(web.received[0].body)["text"]
    assert re.fullmatch(r"`[^`\n]*@everyone[^`\n]*`\n```\n[^`]*@everyone[^`]*\n```", text)
    assert re.fullmatch(r"`[^`\n]*@everyone[^`\n]*`", message(context)["text"])


def test_a_chat_takes_the_longest_report(web: Receiver) -> None:
    """Discord refuses more than 2,000 characters."""
    report = of_error("new", "r", NOON, make_context(error_message="word `<&> " * 1000), None)
    channel("webhook", url=web.url, style="slack", allow_private=True).reporter.send(report, 20.0)
    assert len(json.loads(web.received[0].body)["text"]) <= 2_000


class Login:
    """Takes bob with his password."""

    def __call__(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        fine = isinstance(data, LoginPassword) and (data.login, data.password) == (b"bob", SECRET.encode())
        return AuthResult(success=fine, handled=fine)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_is_sent_over_tls_after_a_login_and_to_no_stranger(security: str, tmp_path: Path) -> None:
    cert, context = certificate(tmp_path)
    tls: dict[str, Any] = (
        {"ssl_context": context}
        if security == "tls"
        else {"tls_context": context, "require_starttls": True, "auth_require_tls": True}
    )
    mailbox = Mailbox()
    addresses = {"host": "localhost", "from": "Shop <shop@example.org>", "to": ["a@example.org", "b@example.org"]}
    login = {"user": "bob", "password": SECRET, "security": security}
    with mail_server(
        mailbox, authenticator=Login(), auth_required=True, auth_require_tls=security != "tls",
        **{name: value for name, value in tls.items() if name != "auth_require_tls"},
    ) as port:  # fmt: skip
        made = channel("mail", port=port, ca_file=cert, **addresses, **login)
        made.reporter.send(a_report(), 30.0)
        for stranger in ({**login, "ca_file": ""}, {**login, "password": "wrong-" + SECRET, "ca_file": cert}):
            other = channel("mail", port=port, **addresses, **stranger)
            with pytest.raises(Exception) as caught:  # noqa: PT011
                other.reporter.send(a_report(), 30.0)
            assert SECRET not in failure(other, caught.value)
    (envelope,) = mailbox.messages
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    text = envelope.content.decode()
    assert "Subject: [llama_logging] new error: CartError: no such article" in text
    assert f"Message-ID: <{ERROR_ID}@llama-logging.invalid>" in text


def test_mail_that_is_refused_for_good_is_told_from_a_server_in_trouble() -> None:
    for answer, refused in (("552 too much", True), ("451 later", False)):
        with mail_server(Mailbox(answer)) as port:
            made = channel("mail", **options_of("mail", port, Path()))
            with pytest.raises(ReportError) as caught:
                made.reporter.send(a_report(), 20.0)
        assert (caught.value.refused, str(caught.value)) == (refused, f"SMTP {answer[:3]}: {answer[4:]}")


def test_a_mail_that_is_too_large_holds_up_no_other() -> None:
    with mail_server(Mailbox(), data_size_limit=500) as port, pytest.raises(ReportError, match="SMTP 552") as caught:
        channel("mail", **options_of("mail", port, Path())).reporter.send(a_report(), 20.0)
    assert caught.value.refused


class Choosy(Mailbox):
    """Knows nobody whose name begins with an x."""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("x"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def test_a_recipient_that_is_refused_is_told_of_and_has_no_other_get_the_mail_twice() -> None:
    mailbox = Choosy()
    with mail_server(mailbox) as port:
        made = channel(
            "mail", **options_of("mail", port, Path()) | {"to": ["Ops <ops@example.org>", "x@example.org"]}
        ).reporter
        for report in (a_report(), of_test("it")):
            with pytest.raises(ReportError, match="not for all: 550 no such user") as caught:
                made.send(report, 20.0)
        assert (caught.value.refused, caught.value.taken) == (True, ("ops@example.org",))
        with pytest.raises(ReportError, match="no recipient was taken") as caught:
            made.send(replace(a_report(), taken=("ops@example.org",)), 20.0)
        assert caught.value.refused
        made.send(replace(a_report(), taken=("ops@example.org", "x@example.org")), 20.0)
    assert [envelope.rcpt_tos for envelope in mailbox.messages] == [["ops@example.org"]] * 2


def test_a_mail_that_was_taken_is_sent_however_the_server_says_goodbye() -> None:
    class Rude(Mailbox):
        async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
            return "421 too busy to say goodbye"

    mailbox = Rude()
    with mail_server(mailbox) as port:
        channel("mail", **options_of("mail", port, Path())).reporter.send(a_report(), 20.0)
    assert len(mailbox.messages) == 1


@pytest.mark.timeout(30)
def test_a_mail_server_that_trickles_keeps_nobody_longer_than_one_that_is_silent() -> None:
    """The end of the process waits for it, too, and the lease of the channel runs out."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle() -> None:
            stranger, _ = listening.accept()
            with suppress(OSError), stranger:
                while True:
                    stranger.sendall(b"220-")
                    time.sleep(0.02)

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        made = channel("mail", **options_of("mail", listening.getsockname()[1], Path()))
        with pytest.raises(smtplib.SMTPServerDisconnected, match="time"):
            made.reporter.send(a_report(), 0.3)
        thread.join()


def test_a_mail_is_read_as_it_was_written_by_servers_that_take_seven_bits() -> None:
    mailbox = Mailbox()
    said = "größe ☃ 日本\n.\nFrom " + "ä" * 2000
    with mail_server(mailbox) as port:
        channel("mail", **options_of("mail", port, Path())).reporter.send(
            replace(a_report(), title="größe", text=said, html="<p>größe</p>"), 20.0
        )
    content = mailbox.messages[0].content
    assert content.isascii()
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Subject"] == "[llama_logging] größe"
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    assert parts == [f"{said}\n", "<p>größe</p>\n"]


def test_no_error_text_can_add_a_header_to_a_mail() -> None:
    mailbox = Mailbox()
    report = of_error("new", "r", NOON, make_context(error_message="x\r\nBcc: evil@example.org\r\n\r\nbody"), None)
    with mail_server(mailbox) as port:
        channel("mail", **options_of("mail", port, Path())).reporter.send(report, 20.0)
    head = mailbox.messages[0].content.decode().partition("\r\n\r\n")[0]
    assert "\nBcc:" not in head
    assert mailbox.messages[0].rcpt_tos == ["b@example.org"]


@pytest.mark.parametrize("to", ["a@example.org, b@example.org", ["a@example.org", "nobody"], [], "a@"])
def test_a_recipient_that_would_be_left_out_is_told(to: object) -> None:
    with pytest.raises(ConfigError, match=r"mail\.to.*: (expected one address|at least one is needed)"):
        channel("mail", **{"host": "h", "from": "Shop <a@example.org>", "to": to})


def test_a_password_is_never_sent_in_the_clear() -> None:
    with pytest.raises(ConfigError, match="for all to read"):
        channel("mail", **{**options_of("mail", 25, Path()), "user": "bob", "password": "x"})


def test_the_test_of_a_callback_says_that_it_was_not_called() -> None:
    calls.clear()
    with pytest.raises(ReportError, match="was not called"):
        channel("callback", function=f"{__name__}.called").reporter.send(of_test("it"), 20.0)
    assert calls == []


def test_a_coroutine_is_run_to_its_end_or_until_its_time_is_over() -> None:
    calls.clear()
    channel("callback", function=f"{__name__}.called_later").reporter.send(a_report(), 20.0)
    assert [context.error_id for context in calls] == [ERROR_ID]
    with pytest.raises(TimeoutError):
        channel("callback", function=f"{__name__}.hanging").reporter.send(a_report(), 0.05)


def test_a_command_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    code = 'sleep 100 & echo $! > "$1"; wait'
    made = channel("command", argv=["sh", "-c", code, "sh", str(tmp_path / "pid")], timeout=3)
    with pytest.raises(ReportError, match="was killed"):
        made.reporter.send(a_report(), 20.0)
    # A zombie is gone too: nobody may be there to bury it.
    until(lambda: not running(int((tmp_path / "pid").read_text())))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_that_fails_says_why() -> None:
    made = channel("command", argv=[sys.executable, "-c", "print('no such team'); raise SystemExit(3)"])
    with pytest.raises(ReportError, match="exit code 3: no such team"):
        made.reporter.send(a_report(), 20.0)


def test_sentry_gets_an_envelope_with_the_event_in_its_format(web: Receiver) -> None:
    made = channel("sentry", dsn=f"http://{SECRET}@127.0.0.1:{web.port}/sub/42", allow_private=True)
    made.reporter.send(a_report(), 20.0)
    (received,) = web.received
    assert received.path == "/sub/api/42/envelope/"
    assert f"sentry_key={SECRET}" in received.headers["x-sentry-auth"]
    head, item, event = (json.loads(line) for line in received.body.splitlines())
    assert (head["event_id"], item["type"]) == (UUID(ERROR_ID).hex, "event")
    assert [error["type"] for error in event["exception"]["values"]] == ["OSError", "CartError"]
    (frame,) = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert (frame["module"], frame["lineno"], frame["in_app"]) == ("shop.cart", 8, True)
    assert (event["release"], event["environment"], event["server_name"]) == ("1.2", "prod", "web1")
    assert event["contexts"]["trace"]["trace_id"] == an_error().trace_id
    assert event["fingerprint"] == [an_error().fingerprint]
    assert (event["tags"]["tenant"], event["level"]) == ("a", "error")


@pytest.mark.parametrize("kind", ["resolved", "predicted"])
def test_what_did_not_come_is_counted_nowhere_as_an_error(kind: str) -> None:
    """Else a receiver has an issue that is resolved come back, and drops a prediction as an event that it has."""
    report = replace(a_report(), kind=kind, report_id=new_id())
    event, logs = sentry.event(report), otlp.request(report)
    assert (event["event_id"], event["level"]) == (UUID(report.report_id).hex, "info")
    assert "exception" not in event
    assert event["logentry"]["formatted"] == report.message
    (record,) = logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert (record["severityText"], record["body"]["stringValue"]) == ("INFO", report.message)
    assert "eventName" not in record


def test_a_dsn_may_name_an_ipv6_address() -> None:
    made = channel("sentry", dsn="http://key@[::1]:8000/1", allow_private=True).reporter
    assert isinstance(made, SentryReporter)
    assert (made.target.url, made.key) == ("http://[::1]:8000/api/1/envelope/", "key")


@pytest.mark.parametrize("dsn", ["http://key@[::1/1", "http://key@host:port/1", "https://host/1", "https://key@host/"])
def test_what_is_no_dsn_is_told_without_it(dsn: str) -> None:
    with pytest.raises(ConfigError) as caught:
        channel("sentry", dsn=dsn)
    assert dsn not in str(caught.value)


def test_a_header_that_no_request_can_carry_is_told() -> None:
    for headers in ({"X-Team": "\u20ac"}, {"X-T\u00e4m": "shop"}, {"X-Team": "a\nb"}, {"X-Team": ["a"]}):
        with pytest.raises(ConfigError, match="needs one line of ASCII text"):
            channel("webhook", url="https://hooks.example/a", headers=headers)


@pytest.mark.parametrize("kind", ["webhook", "sentry", "apprise"])
def test_a_url_where_options_belong_is_told_without_it(kind: str) -> None:
    reader = Options("ReportHandler", {}, (), strict=True)
    url = f"https://hooks.example/{SECRET}"
    for given in ({"it": {kind: url}}, {"it": url}):
        with pytest.raises(ConfigError, match="expected a mapping, got str") as caught:
            parse_channels(reader, given)
        assert SECRET not in str(caught.value)
    option = {"webhook": "url", "sentry": "dsn", "apprise": "urls"}[kind]
    with pytest.raises(ConfigError) as caught:
        channel(kind, **{option: [[url]]})
    assert SECRET not in str(caught.value)


def test_what_sentry_gets_can_be_imported_again(web: Receiver) -> None:
    from llama_logging.documents.reading import context_of
    from llama_logging.reporters.sentry import event

    context = context_of(event(a_report()))
    assert (context.error_id, context.error_message) == (ERROR_ID, "no such article")


def test_otlp_is_what_its_protocol_says(web: Receiver) -> None:
    """Decoded by OpenTelemetry's own classes where they are installed."""
    channel("otlp", endpoint=web.url, allow_private=True).reporter.send(a_report(), 20.0)
    (received,) = web.received
    assert received.path == "/v1/logs"
    (logs,) = json.loads(received.body)["resourceLogs"]
    resource = {each["key"]: each["value"] for each in logs["resource"]["attributes"]}
    assert resource["service.name"] == {"stringValue": "shop"}
    assert resource["process.pid"] == {"intValue": "7"}
    (record,) = logs["scopeLogs"][0]["logRecords"]
    attributes = {each["key"]: each["value"] for each in record["attributes"]}
    assert attributes["exception.type"] == {"stringValue": "shop.CartError"}
    assert attributes["exception.message"] == {"stringValue": "no such article"}
    assert "CartError" in attributes["exception.stacktrace"]["stringValue"]
    assert attributes["code.line.number"] == {"intValue": "12"}
    assert (record["eventName"], record["severityNumber"], record["body"]["stringValue"]) == (
        "exception", 17, "cannot add apple",
    )  # fmt: skip
    assert (record["traceId"], record["spanId"]) == (an_error().trace_id, an_error().span_id)


def test_otlp_is_read_by_opentelemetrys_own_classes(web: Receiver) -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    channel("otlp", endpoint=web.url, allow_private=True).reporter.send(a_report(), 20.0)
    request = json_format.Parse(web.received[0].body, service.ExportLogsServiceRequest())
    (record,) = request.resource_logs[0].scope_logs[0].log_records
    assert (record.event_name, record.severity_text) == ("exception", "ERROR")
    assert record.time_unix_nano == int(NOON.timestamp()) * 10**9


def test_otlp_has_the_logger_and_what_extra_gave(web: Receiver) -> None:
    """As OpenTelemetry's own logging handler sends them: the logger as the scope, each value of its kind."""
    service = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    extra = {"n": 0, "ok": False, "share": 0.5, "big": 2**70, "of": {"ids": [1, None]}, "exception.type": "mine"}
    context = changed(an_error(), additional_context=extra, logger_name="shop.orders")
    report = replace(of_error("new", "rule", NOON, context, None), report_id=ERROR_ID)
    channel("otlp", endpoint=web.url, allow_private=True).reporter.send(report, 20.0)
    logs = json_format.Parse(web.received[0].body, service.ExportLogsServiceRequest()).resource_logs[0].scope_logs[0]
    assert logs.scope.name == "shop.orders"
    found = {each.key: each.value for each in logs.log_records[0].attributes}
    assert [found[name].WhichOneof("value") for name in ("n", "ok", "share")] == [
        "int_value",
        "bool_value",
        "double_value",
    ]
    assert found["big"].string_value == hex(2**70)
    assert found["of"].kvlist_value.values[0].value.array_value.values[0].int_value == 1
    assert found["exception.type"].string_value == "shop.CartError"


def test_otlp_that_was_rejected_is_no_success(web: Receiver) -> None:
    web.usual = saying(200, b'{"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "too old"}}')
    with pytest.raises(ReportError, match="rejected: too old"):
        channel("otlp", endpoint=web.url, allow_private=True).reporter.send(a_report(), 20.0)


def test_one_url_of_several_that_is_down_has_the_others_not_told_again(web: Receiver) -> None:
    urls = [f"json://127.0.0.1:{port}/" for port in (web.port, free_port())]
    made = channel("apprise", urls=urls).reporter
    taken: tuple[str, ...] = ()
    for _ in range(2):
        with pytest.raises(ReportError, match="to 1 of 2 URLs") as caught:
            made.send(replace(a_report(), taken=taken), 20.0)
        assert caught.value.refused
        taken += caught.value.taken
    assert str(web.port) not in str(taken)
    assert len(web.received) == 1
    with pytest.raises(ReportError, match="to 1 of 1 URLs") as caught:
        channel("apprise", urls=urls[1:]).reporter.send(a_report(), 20.0)
    assert not caught.value.refused


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "apprise", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'llama_logging\[notify\]'"):
        notify.AppriseReporter.configure(Options("x", {}, ()))
