"""What an application has secret, in fifty places, is in no file, table, report or text that comes of it."""

from __future__ import annotations

import email
import json
import logging
import signal
import sys
from pathlib import Path

import pytest

from llama_logging.capture import sights, tracebacks
from llama_logging.cli.main import main
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry
from llama_logging.redaction import clean, message_of, redact
from llama_logging.redaction.credentials import REDACTED
from llama_logging.stores import urls
from tests.conftest import Run
from tests.reporters.receivers import Receiver, free_port, receiver, until
from tests.reporters.test_contract import Mailbox, mail_server

# The core of each secret, by the place in which the application has it. Short of the sign by which it
# is known: `sk-` or `password=` may stay.
PLANTED = {
    "message": "AKIAPLANTEDMESSAGE01",
    "argument": "planted-argument-pass",
    "argument named by the template": "planted-by-template",
    "argument under a key": "planted-under-key",
    "breadcrumb under a key": "planted-crumb-under-key",
    "f-string": "sk-proj-plantedInFstring01234",
    "exception message": "planted-urlpw",
    "second argument": "ghp_plantedSecondArgument0123456789ab",
    "cause": "eyJwbGFudGVkQ2F1c2Ui.eyJzdWIiOiIxIn0.plantedCauseSignature",
    "hidden context": "xoxb-1234567890-plantedContext",
    "note": "PLANTEDPEMBODYAAAABBBBCCCC",
    "group member": "hf_plantedGroupMember0123456789",
    "extra": "planted-extra-top",
    "extra, deep": "planted-extra-deep",
    "extra, by value": "AIzaPlantedExtraByValue0123456789abcd",
    "tag": "planted-tag-value-7",
    "fingerprint": "sk-ant-api03-plantedFingerprint0",
    "breadcrumb": "planted-breadcrumb-1",
    "breadcrumb of data": "planted-crumb-session",
    "local variable": "sk-plantedLocalVariable0123456",
    "local variable, by key": "planted-local-by-key",
    "long local variable": "PLANTEDLONGPEMBODYDDDDEEEE",
    "source line": "planted-in-source",
    "annotated source line": "planted-annotated",
    "syntax error": "planted-in-syntax",
    "dict message": "planted-dict-message",
    "dict message without event": "planted-dict-jwt",
    "stack_info": "planted-stack-info",
    "traceback in a message": "planted-in-traceback",
    "sighting": "4111 1111 1111 1111",
    "failing strategy": "planted-strategy-1",
    "remedy": "glpat-plantedInRemedy0123",
    "returned": "planted-returned-sid",
    "failing callback": "planted-callback-1",
    "failing str": "planted-failing-str",
    "blocking str": "5500-0000-0000-0004",
    "skeleton": "planted-in-skeleton",
    "HTTP error": "planted-http-pw",
    "logger name": "sk-plantedLoggerName01234",
    "thread name": "sk-plantedThreadName01234",
    "program": "sk-plantedProgramName0123",
    "capture_error": "planted-by-hand-1",
    "bad arguments": "sk-plantedBadArguments0123",
    "cut in the middle": "planted-cut-in-the-middle",
    "service": "sk-plantedServiceName0123",
    "rule": "planted-rule-probe",
    "webhook URL": "planted-in-webhook-url",
    "webhook key": "planted-webhook-key",
    "webhook header": "planted-webhook-header",
    "DSN": "plantedInDsn0123456789",
    "OTLP header": "planted-otlp-header",
    "apprise URL": "planted-in-apprise-url",
    "word of a command": "planted-word-of-command",
}

APP = r"""
import logging, logging.handlers, os, queue, signal, threading

import llama_logging
from llama_logging.recovery.strategy import Remedy
from llama_logging.reporters import sending
from llama_logging.tried import OutcomeStatus

sending.LEASE = 1.0  # the process is killed; others need not wait for half a minute

def report(context):
    import json
    from llama_logging.documents.exports import as_document
    with open("report.jsonl", "a") as file:
        file.write(json.dumps(as_document(context), default=str) + "\n")
    if context.error_type == "CallbackError":
        raise ConnectionError("report refused: token=planted-callback-1")

def failing(context):
    raise ConnectionError("could not log in: {'password': 'planted-strategy-1'}")

def remedying(context):
    return Remedy(OutcomeStatus.FAILED, detail="tried glpat-plantedInRemedy0123 in vain")

def returning(context):
    return {"sid": "planted-returned-sid", "ok": 1}

class CallbackError(Exception): pass
class FailingStrategyError(Exception): pass
class RemedyError(Exception): pass
class ReturningError(Exception): pass
class ProbeError(Exception): pass
class HTTPStatusError(Exception): pass

class FailingStrError(Exception):
    def __str__(self):
        raise RuntimeError("secret=planted-failing-str")

class BlockingStrError(Exception):
    def __str__(self):
        os.kill(os.getpid(), signal.SIGKILL)

def raised(error, cause=None):
    try:
        raise error from cause
    except Exception as caught:
        return caught

log = logging.getLogger("app")

def logs(message, error, logger=log):
    try:
        raise error
    except Exception:
        logger.exception(message)
    llama_logging.outcome().wait(20)

def plant():
    log.error("key AKIAPLANTEDMESSAGE01 is refused")
    log.error("%s is wrong", "password=planted-argument-pass")
    log.error("password=%s is wrong for %s", "planted-by-template", "bob")
    log.warning("no login as %(user)s with %(db_password)s", {"user": "bob", "db_password": "planted-crumb-under-key"})
    log.error("no login as %(user)s with %(db_password)s", {"user": "bob", "db_password": "planted-under-key"})
    log.error(f"no answer for {'sk-proj-plantedInFstring01234'}")
    logs("no database", ConnectionError("postgresql://app:planted-urlpw@db:5432/shop refused"))
    logs("two arguments", ValueError("refused", {"a": ["ghp_plantedSecondArgument0123456789ab"]}))
    cause = raised(KeyError("Bearer eyJwbGFudGVkQ2F1c2Ui.eyJzdWIiOiIxIn0.plantedCauseSignature"))
    logs("caused", raised(RuntimeError("no login"), cause))
    try:
        try:
            raise OSError("xoxb-1234567890-plantedContext expired")
        except OSError:
            raise RuntimeError("hidden") from None
    except RuntimeError:
        log.exception("hides its context")
    noted = RuntimeError("noted")
    noted.add_note("-----BEGIN RSA PRIVATE KEY-----\nPLANTEDPEMBODYAAAABBBBCCCC\n-----END RSA PRIVATE KEY-----")
    logs("with a note", noted)
    logs("group", ExceptionGroup("two", [ValueError("hf_plantedGroupMember0123456789"), KeyError("b")]))
    log.error("extra", extra={"db_password": "planted-extra-top", "request": {
        "headers": [{"X-Api-Key": "planted-extra-deep"}], "url": "/?key=AIzaPlantedExtraByValue0123456789abcd"}})
    log.error("tags", extra={"tags": {"auth": "planted-tag-value-7", "tenant": "a"}})
    log.error("grouped", extra={"fingerprint": ["payment", "sk-ant-api03-plantedFingerprint0"]})
    log.info("login with %s", {"user": "bob", "secret": "planted-breadcrumb-1"})
    log.info({"event": "", "session": "planted-crumb-session"})
    logs("with breadcrumbs", ValueError("after two records"))
    with_locals()
    source_line()
    try:
        compile("password = 'planted-in-syntax' +", "config.py", "exec")
    except SyntaxError:
        log.exception("cannot read the configuration")
    log.error({"event": "login failed with api_key='planted-dict-message'", "n": 1})
    log.error({"jwt": "planted-dict-jwt", "n": 1})
    here("secret_token='planted-stack-info'") ; log.error("where", stack_info=True); password="planted-stack-info"
    through_a_queue()
    seen_twice()
    logs("not healed", FailingStrategyError("a"))
    logs("not healed", RemedyError("b"))
    logs("healed", ReturningError("c"))
    logs("probed", ProbeError("d"))
    logs("reported", CallbackError("e"))
    logs("said by itself", FailingStrError("secret=planted-failing-str"))
    logs("http", HTTPStatusError("Client error '401' for url 'https://bob:planted-http-pw@api.example/v1?x=1'"))
    logging.getLogger("app.sk-plantedLoggerName01234").error("named")
    worker = threading.Thread(target=lambda: log.error("in a thread"), name="sk-plantedThreadName01234")
    worker.start()
    worker.join()
    llama_logging.capture_error(ValueError("by hand"), {"credentials": "planted-by-hand-1"})
    log.error("loaded %d", "sk-plantedBadArguments0123")
    log.info("loaded %d", "sk-plantedBadArguments0123")
    log.error("x" * 4070 + " password='planted-cut-in-the-middle " + "y" * 30 + "' " + "z" * 8000)

def here(given):
    pass

def with_locals():
    key = "sk-" + "plantedLocalVariable0123456"
    settings = {"smtp": {"passwd": "-".join(("planted", "local", "by", "key"))}}
    file = "#" * 300 + "-----BEGIN PRIVATE KEY-----\n" + "PLANTEDLONGPEMBODYDDDDEEEE\n" * 9
    file += "-----END PRIVATE KEY-----"
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("with locals")

def source_line():
    try:
        connect(password="planted-in-source")
    except NameError:
        log.exception("in the source")
    try:
        password: str = "planted-annotated" + 1
    except TypeError:
        log.exception("in the source")

def through_a_queue():
    waiting = queue.SimpleQueue()
    behind = logging.getLogger("behind")
    behind.propagate = False
    behind.addHandler(logging.handlers.QueueHandler(waiting))
    logs("rendered", ValueError("pwd=planted-in-traceback"), logger=behind)
    log.handle(waiting.get())

def seen_twice():
    try:
        try:
            raise ValueError("first")
        except ValueError:
            log.exception("inner layer")
            raise
    except ValueError:
        log.exception("outer layer, paid with 4111 1111 1111 1111")

if __name__ == "__main__":
    llama_logging.configure("logging.yaml")
    plant()
    for handler in logging.root.handlers:
        if getattr(handler, "channel", None):
            handler.channel.finish(20)
    llama_logging.flush()
    log.error("password=%s, dying %s", "planted-in-skeleton", BlockingStrError("card 5500-0000-0000-0004"))
"""

CONFIGURATION = """
version: 1
disable_existing_loggers: false
formatters:
  console: {'()': llama_logging.formatters.ConsoleFormatter}
  json: {class: llama_logging.formatters.JsonFormatter}
handlers:
  registry: {class: llama_logging.handlers.RegistryHandler, breadcrumbs: 5, locals: 3}
  recovery:
    class: llama_logging.handlers.RecoveryHandler
    rules:
      - {match: {class: FailingStrategyError}, ladder: [__main__.failing]}
      - {match: {class: RemedyError}, ladder: [__main__.remedying]}
      - {match: {class: ReturningError}, ladder: [__main__.returning]}
      - match: {class: ProbeError}
        ladder: [{wait_and_probe: {probe: "http://bob:planted-rule-probe@127.0.0.1:9/", timeout: 0.2}}]
  report: {class: llama_logging.handlers.ReportHandler, callback: __main__.report}
  channels:
    class: llama_logging.handlers.ReportHandler
    channels:
      json:
        webhook:
          url: "http://127.0.0.1:WEB/json/planted-in-webhook-url"
          secret: planted-webhook-key
          headers: {X-More: planted-webhook-header}
          allow_private: true
        hourly: 1000
      slack: {webhook: {url: "http://127.0.0.1:WEB/slack/", style: slack, allow_private: true}, hourly: 1000}
      sentry: {sentry: {dsn: "http://plantedInDsn0123456789@127.0.0.1:WEB/7", allow_private: true}, hourly: 1000}
      otlp:
        otlp: {endpoint: "http://127.0.0.1:WEB", allow_private: true, headers: {X-Key: planted-otlp-header}}
        hourly: 1000
      apprise: {apprise: {urls: ["json://127.0.0.1:WEB/apprise/planted-in-apprise-url"]}, hourly: 1000}
      mail: {mail: {host: 127.0.0.1, port: MAIL, security: none, from: a@b.example, to: [c@d.example]}, hourly: 1000}
      command:
        command: {argv: [sh, -c, "cat >> command.jsonl; echo >> command.jsonl", planted-word-of-command]}
        hourly: 1000
      down: {webhook: {url: "http://127.0.0.1:DOWN/planted-in-webhook-url", allow_private: true}, hourly: 1000}
      failing: {command: {argv: [sh, -c, "echo $0 is wrong; exit 1", planted-word-of-command]}, hourly: 1000}
    rules:
      - {when: every, channels: [json, slack, sentry, otlp, apprise, mail, command, down, failing]}
  console: {class: logging.StreamHandler, formatter: console, stream: ext://sys.stderr}
  file: {class: logging.FileHandler, formatter: json, filename: app.jsonl}
root: {level: INFO, handlers: [registry, recovery, report, channels, console, file]}
"""
ERRORS = 37
PROGRAM = "sk-plantedProgramName0123.py"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_what_is_planted_is_nowhere(own_place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    mailbox = Mailbox()
    with receiver() as web, mail_server(mailbox) as port:
        written = CONFIGURATION.replace("WEB", str(web.port)).replace("MAIL", str(port))
        Path("logging.yaml").write_text(written.replace("DOWN", str(free_port())))
        look_for_what_is_planted(own_place, run, capsys, web, mailbox)


def look_for_what_is_planted(
    own_place: Path, run: Run, capsys: pytest.CaptureFixture[str], web: Receiver, mailbox: Mailbox
) -> None:
    Path(PROGRAM).write_text(APP)
    done = run(PROGRAM, OTEL_SERVICE_NAME=PLANTED["service"])
    assert done.code == -signal.SIGKILL, done.err
    texts = {"standard output": done.out, "standard error": done.err}
    opened = open_registry(urls.default())
    errors = list(opened.errors(limit=100))
    assert len([attempt for error in errors for attempt in opened.attempts(error.error_id)]) == 4
    opened.close()
    assert len(errors) == ERRORS
    for words in commands([error.error_id for error in errors]):
        assert main(words) == 0, words
        texts[" ".join(words)] = "".join(capsys.readouterr())
    # What the killed process did not come to; two of the channels never take anything.
    until(lambda: send(capsys) <= {"down", "failing"})
    for words in (["report", "list"], ["report", "digest"], ["report", "digest", "--format", "html"]):
        assert main(words) == 0
        texts[" ".join(words)] = "".join(capsys.readouterr())
    for number, request in enumerate(web.received):
        texts[f"request {number} to {request.path[:8]}"] = request.body.decode()
    for number, envelope in enumerate(mailbox.messages):
        content = email.message_from_bytes(envelope.content).get_payload(decode=True)
        texts[f"mail {number}"] = envelope.content.decode() + str(content)
    for number in (len(mailbox.messages), *(len([r for r in web.received if r.path.startswith(p)]) for p in PATHS)):
        assert number >= ERRORS
    for path in own_place.rglob("*"):
        if path.is_file() and path.name not in (PROGRAM, "logging.yaml"):
            texts[path.name] = path.read_bytes().decode("utf-8", "replace")
    assert {"app.jsonl", "report.jsonl", "command.jsonl", "llama_logging.db"} <= set(texts)
    assert texts["standard error"].count(REDACTED) > len(PLANTED) / 2
    found = [(place, where) for place, secret in PLANTED.items() for where, text in texts.items() if secret in text]
    assert found == []


PATHS = ("/json/", "/slack/", "/api/7/envelope/", "/v1/logs", "/apprise/")


def send(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Channels for which something is left."""
    main(["report", "send", "-c", "logging.yaml", "--json"])
    return set(json.loads(capsys.readouterr().out)["left"])


def commands(error_ids: list[str]) -> list[list[str]]:
    of_all = [["list", "--limit", "100"], ["list", "--limit", "100", "--stack"], ["tail", "-n", "100"], ["summary"]]
    of_one = [[command, error_id] for error_id in error_ids for command in ("show", "explain")]
    return [[*words, *option] for words in (*of_all, *of_one) for option in ([], ["--json"])]


ORDINARY = [
    "/srv/shop/cart.py, /usr/lib/python3.11/site-packages/x/__init__.py and C:\\Users\\bob\\key.txt",
    "123e4567-e89b-12d3-a456-426614174000 and 00000000-0000-0000-0000-000000000000",
    "d41d8cd98f00b204e9800998ecf8427e e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 on main",
    "Unexpected token: '}' at position 12, token: unexpected",
    "max_tokens=5, prompt_tokens: 26, tokens=1024",
    "2026-03-01 12:00:00,123 and 2026-03-01T12:00:00.123456+00:00, since 1772366400000",
    "3.14159265358979323846 1e-10 1234567890123 9007199254740993",
    "0x7f00aabbccdd at line 123456789",
    "+49 30 1234567, 555-0100-1234",
    "http://127.0.0.1:11434/api/generate?model=llama3&stream=false",
    "mail bob@example.com, see https://docs.example/a@b and git@github.com:a/b.git",
    "basic authentication failed, bearer of bad news, Basic English",
    "the secret of the llama; key error: 'name'; keyboard=qwerty; monkey: banana",
    "primary key: id, foreign_key=user_id, sort_key: name, cache_key=user:1",
    "passed=3 failed=0; bypass: on; compass: north",
    "risk-assessment-of-the-whole-shop, task-1234567890-abcdefghij, disk-usage-of-everything",
    "{'name': 'bob', 'tokens': '5', 'secretary': 'eve', 'keys': ['a', 'b']}",
    '{"model": "llama3", "max_tokens": 5, "done": true, "eos_token_id": 2}',
    "ghp_short, hf_model, sk-1, xoxb, AKIA and eyJ alone are none",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "order 1234567890123456 not found, 4111-1111-1111-1112 neither",
    "[Errno 2] No such file or directory: '/tmp/x/y.json'",
    "llama_logging.recovery.strategies.wait_and_probe.WaitAndProbe",
    "'session' is not defined, no key 'session': not found",
    "größe=5, naïve: ja, 日本語 and \U0001f999",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_nothing_is_taken_out_of_ordinary_text(text: str) -> None:
    assert redact(text) == text


MORE_SECRETS = {
    "postgresql://app:p@ss-w0rd@db/shop": "ss-w0rd",
    "Authorization: Bearer abcdefghijkl": "abcdefghijkl",
    "authorization: token abcdefghijkl": "abcdefghijkl",
    r"body {\"password\": \"battery horse\"}": "horse",
    "password: str = 'hunter2'": "hunter2",
    "password = b'hunter2'": "hunter2",
    "if password == 'hunter2':": "hunter2",
    "password='" + "x" * 600 + "end": "end",
    "api_key=" + "x" * 600 + "end": "end",
    "Authorization: " + "x" * 600 + "end": "end",
    "{'session': 'hunter2', 'n': 1}": "hunter2",
    '{"X-Auth-Token": "hunter2"}': "hunter2",
    "{'token': b'hunter2'}": "hunter2",
    "order 12 4111 1111 1111 1111": "1111",
    "4111 1111 1111 1111 12/27": "1111",
    "3782 822463 10005": "822463",
    "\u0664\u0661\u0661\u0661" + " \u0661\u0661\u0661\u0661" * 3: "\u0661\u0661",
    "sk_live_abcdefghijklmnop": "abcdefghijklmnop",
    "gsk_abcdefghijklmnopqrst": "abcdefghijklmnopqrst",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----": "lQOYBF",
}


@pytest.mark.parametrize(("text", "secret"), MORE_SECRETS.items())
def test_what_is_written_otherwise_is_found_too(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("before", range(0, 9_000, 250))
def test_a_cut_leaves_no_part_of_a_secret(before: int) -> None:
    """Neither where the beginning ends nor where the end begins, whatever stands there."""
    body = "\n".join(["QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo"] * 50)
    text = "x " * (before // 2) + f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----" + "y " * 9_000
    for whole in (text, "y " * 9_000 + text[: before + 1_900], text + text):
        told = clean(whole, 8_192)
        assert len(told) <= 8_192
        assert "QUJD" not in told
        assert "UFFS" not in told


def test_ends_are_kept_of_what_is_cut() -> None:
    told = clean("begin " + "x" * 1_000_000 + " end", 1_000)
    assert len(told) <= 1_000
    assert told.startswith("begin xxx")
    assert told.endswith("xxx end")
    assert "characters cut" in told


def test_a_wrong_option_is_told_without_its_secrets(run: Run) -> None:
    code = "from llama_logging.handlers import RegistryHandler; RegistryHandler(store='mysql://app:hunter2@db/x')"
    done = run("-c", code)
    assert "unknown store 'mysql://[redacted]@db/x'" in done.err
    done = run("-m", "llama_logging", "list", "--store", "mysql://app:hunter2@db/x")
    assert "unknown store 'mysql://[redacted]@db/x'" in done.err


def test_a_handler_of_ours_that_fails_tells_nothing_of_the_record(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = RegistryHandler()
    monkeypatch.setattr(handler, "process", lambda context, record: 1 / 0)
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "of %s", ("plain-hunter2",), sys.exc_info())
        handler.handle(record)
    told = capsys.readouterr().err
    assert "RegistryHandler failed" in told
    assert "ZeroDivisionError" in told
    assert "hunter2" not in told


REFUSED = """
import logging, os, signal
from llama_logging.handlers import RegistryHandler

SECRET = "plan" + "ted"  # a traceback may show these lines

class RefusedError(Exception):
    def __str__(self):
        if DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        return "connect(user='a', password='%s')" % self.args[-1]

logging.getLogger("app").addHandler(RegistryHandler())
try:
    try:
        raise RefusedError(SECRET)
    finally:
        raise RefusedError(b"x", [1], SECRET)
except RefusedError:
    logging.getLogger("app").exception("refused")
os._exit(0)
"""


@pytest.mark.parametrize("dies", [True, False])
def test_what_its_own_words_alone_would_tell_for_a_secret_is_not_written_before_them(
    run: Run, own_place: Path, dies: bool
) -> None:
    """What is written first would hold the bare arguments."""
    run("-c", f"DIES = {dies}{REFUSED}")
    written = b"".join(path.read_bytes() for path in own_place.rglob("*") if path.is_file())
    assert (b"<bytes>, <list>, <str, 7 characters>" in written, b"password=[redacted]" in written) == (True, not dies)
    assert b"planted" not in written


def test_the_early_error_knows_a_name_and_a_secret_by_their_places() -> None:
    """As the complete one does, whose text has them as a pair."""
    sight = sights.look(ValueError("password", "planted"), None)
    assert tracebacks.told_by_arguments(sight).messages == (f'["password", "{REDACTED}"]',)
    assert tracebacks.tell(sight).messages == (f"('password', {REDACTED})",)


def test_the_early_error_does_not_repeat_what_was_taken_out_of_its_first_argument() -> None:
    """As attrs gives a value that it refuses twice."""
    sight = sights.look(ValueError("'token' must be in [1] (got 'planted')", object(), "planted"), None)
    told = [f"'token' must be in [1] (got {REDACTED})", "<object>", "<str, 7 characters>"]
    assert tracebacks.told_by_arguments(sight).messages == (json.dumps(told),)


@pytest.mark.parametrize(
    ("template", "arguments", "expected"),
    [
        ("%(user)s with %(password)s", {"user": "bob", "password": "planted"}, f"bob with {REDACTED}"),
        (
            "%(token)r of %(pass)d, %(secret)s",
            {"token": b"planted", "pass": 3, "secret": None},
            f"'{REDACTED}' of 3, None",
        ),
        ("token %(token)d is none", {"token": 17}, "token 17 is none"),
        ("%(token)s and %(secret)d", {"token": 17, "secret": 4}, "17 and 4"),
        ("%(a)s", {"a": "b", 1: "c"}, "b"),
        ("%s", {"a": "b"}, "{'a': 'b'}"),
    ],
)
def test_what_an_argument_is_its_key_says(template: str, arguments: dict[str, object], expected: str) -> None:
    """But where a number is asked for."""
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, template, (arguments,), None)
    assert message_of(record) == expected


def test_a_record_that_was_given_no_arguments_is_as_it_is() -> None:
    record = logging.makeLogRecord({"msg": "100 %% of %(password)s", "args": {}})
    assert message_of(record) == record.getMessage() == "100 %% of %(password)s"


def test_a_record_of_another_class_says_what_it_says() -> None:
    class Braced(logging.LogRecord):
        def getMessage(self) -> str:
            return "by braces"

    record = Braced("app", logging.ERROR, "a.py", 1, "{password}", ({"password": "planted"},), None)
    assert message_of(record) == "by braces"
