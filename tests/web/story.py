"""A registry with a month in it, as the pages are shown: a shop, its worker, and a language model that falls over."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from llama_logging import wire
from llama_logging.capture.sights import CAUSE, HEADER
from llama_logging.context import (
    Breadcrumb,
    ErrorContext,
    ErrorSeverity,
    ExceptionDetail,
    Frame,
    FrameLocals,
    Process,
    Stack,
)
from llama_logging.ids import new_id
from llama_logging.prediction.forecast import Fate, Precursor, Prediction, Quality, Resolution, Skill
from llama_logging.prediction.ledger import Action, Announcement, Ending
from llama_logging.registry.attempts import Lease, Policy
from llama_logging.registry.intake import Batch
from llama_logging.registry.outbox import Outbox
from llama_logging.tried import OutcomeStatus, RecoveryAttempt

RELEASES = ("2.7.0", "2.8.0", "2.8.1", "2.9.0")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SITE = "/srv/shop/.venv/lib/python3.12/site-packages/"

Call = tuple[str, str, str, int, str]
"""Module, function, file, line, source."""


@dataclass(frozen=True)
class Raised:
    """One exception of a chain: its class, what it says, and where."""

    type: str
    message: str
    calls: tuple[Call, ...]
    module: str = "builtins"
    relation: str = "raised"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A group of the story.

    Attributes:
        often: Errors in the month.
        days: How many days ago it began.
        burst: Errors of the last hours, besides.
    """

    chain: tuple[Raised, ...]
    logger: str
    log: str
    service: str
    often: int
    days: float = 30
    ends: float = 0.0
    burst: int = 0
    severity: ErrorSeverity = ErrorSeverity.ERROR
    values: tuple[dict[str, Any], ...] = ()
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()


def app(module: str, function: str, line: int, source: str) -> Call:
    return module, function, f"/srv/shop/{module.replace('.', '/')}.py", line, source


def lib(module: str, function: str, line: int, source: str) -> Call:
    return module, function, f"{SITE}{module.replace('.', '/')}.py", line, source


_HTTP = (
    lib("httpx._client", "Client.post", 1144, "return self.request("),
    lib("httpx._client", "Client.send", 914, "response = self._send_handling_auth("),
    lib("httpx._transports.default", "map_httpcore_exceptions", 118, "raise mapped_exc(message) from exc"),
)
_TENANTS = ("tenant", ("acme", "acme", "acme", "globex", "initech"))

KINDS = (
    Kind(
        chain=(
            Raised(
                "AIGenerationError",
                "the model did not answer",
                (
                    app("shop.api.describe", "describe_product", 48, "text = writer.describe(product, tone=tone)"),
                    app("shop.ai.writer", "Writer.describe", 92, "return self._generate(prompt, max_tokens=180)"),
                    app(
                        "shop.ai.writer",
                        "Writer._generate",
                        117,
                        'raise AIGenerationError("the model did not answer") from error',
                    ),
                ),
                "shop.ai.errors",
            ),
            Raised(
                "ConnectError",
                "[Errno 111] Connection refused",
                (
                    app(
                        "shop.ai.writer",
                        "Writer._generate",
                        111,
                        'answer = self._http.post("/api/generate", json=body)',
                    ),
                    *_HTTP,
                ),
                "httpx",
                "cause",
            ),
        ),
        logger="shop.ai",
        log="cannot describe product",
        service="shop-api",
        often=420,
        burst=31,
        severity=ErrorSeverity.CRITICAL,
        values=(
            {
                "prompt": "Describe the enamel mug 'Ursa' in two sentences.",
                "body": {"model": "llama3.2", "stream": False},
                "max_tokens": 180,
            },
            {"product": "<Product>", "tone": "warm"},
        ),
        tags=(_TENANTS, ("model", ("llama3.2", "llama3.2", "qwen2.5"))),
    ),
    Kind(
        chain=(
            Raised(
                "KeyError",
                "'price_gross'",
                (
                    app("shop.api.cart", "add_item", 31, "line = pricing.line_for(article, quantity)"),
                    app("shop.pricing", "line_for", 77, 'gross = article["price_gross"] * quantity'),
                ),
            ),
        ),
        logger="shop.cart",
        log="cannot add item",
        service="shop-api",
        often=1240,
        days=9,
        burst=24,
        values=({"article": {"sku": "MUG-URSA", "price_net": 11.76}, "quantity": 2},),
        tags=(_TENANTS,),
    ),
    Kind(
        chain=(
            Raised(
                "OperationalError",
                "server closed the connection unexpectedly",
                (
                    app("shop.orders.repository", "OrderRepository.save", 64, "session.commit()"),
                    lib("sqlalchemy.orm.session", "Session.commit", 2032, "trans.commit(_to_root=True)"),
                    lib(
                        "psycopg.connection",
                        "Connection.wait",
                        484,
                        "return waiting.wait(gen, self.pgconn.socket, interval)",
                    ),
                ),
                "psycopg",
            ),
        ),
        logger="shop.orders",
        log="order could not be saved",
        service="shop-api",
        often=96,
        burst=3,
        tags=(_TENANTS,),
    ),
    Kind(
        chain=(
            Raised(
                "TimeoutError",
                "payment provider took longer than 8.0 s",
                (
                    app(
                        "shop.checkout.payment",
                        "Payment.capture",
                        140,
                        "receipt = await self._client.capture(order, timeout=8.0)",
                    ),
                    app("shop.checkout.client", "ProviderClient.capture", 58, "async with asyncio.timeout(timeout):"),
                ),
            ),
        ),
        logger="shop.checkout",
        log="payment not captured",
        service="shop-api",
        often=310,
        burst=9,
        tags=(("provider", ("stripe", "adyen", "stripe")), _TENANTS),
    ),
    Kind(
        chain=(
            Raised(
                "ExceptionGroup",
                "nightly import (3 sub-exceptions)",
                (app("worker.imports", "nightly", 22, "async with asyncio.TaskGroup() as group:"),),
            ),
            Raised(
                "HTTPStatusError",
                "Client error '429 Too Many Requests' for url 'https://feeds.example/globex'",
                (
                    app("worker.feeds", "fetch", 41, "response.raise_for_status()"),
                    _HTTP[1],
                ),
                "httpx",
                "member",
            ),
            Raised(
                "UnicodeDecodeError",
                "'utf-8' codec can't decode byte 0xe9 in position 812: invalid continuation byte",
                (app("worker.feeds", "parse", 67, "rows = payload.decode().splitlines()"),),
                "builtins",
                "member",
            ),
            Raised(
                "ValidationError",
                "row 1,204: stock must not be negative",
                (app("worker.feeds", "parse", 74, "Row.model_validate(fields)"),),
                "pydantic_core",
                "member",
            ),
        ),
        logger="worker.imports",
        log="nightly import is incomplete",
        service="worker",
        often=27,
        burst=1,
    ),
    Kind(
        chain=(
            Raised(
                "OSError",
                "[Errno 28] No space left on device: '/var/cache/thumbs/4f/91.webp'",
                (
                    app("worker.thumbs", "render", 88, "image.save(path, quality=82)"),
                    lib("PIL.Image", "Image.save", 2568, "save_handler(self, fp, filename)"),
                ),
            ),
        ),
        logger="worker.thumbs",
        log="thumbnail not written",
        service="worker",
        often=160,
        days=2,
        burst=2,
        severity=ErrorSeverity.CRITICAL,
    ),
    Kind(
        chain=(
            Raised(
                "ValueError",
                "could not convert string to float: '12,50'",
                (app("worker.feeds", "price_of", 19, "return float(cell)"),),
            ),
        ),
        logger="worker.imports",
        log="row skipped",
        service="worker",
        often=740,
        severity=ErrorSeverity.WARNING,
    ),
    Kind(
        chain=(
            Raised(
                "PermissionDenied",
                "user 5512 may not export orders",
                (app("shop.api.exports", "export", 26, "policy.require(user, 'orders.export')"),),
                "shop.policy",
            ),
        ),
        logger="shop.api",
        log="export refused",
        service="shop-api",
        often=64,
        severity=ErrorSeverity.WARNING,
        tags=(_TENANTS,),
    ),
    Kind(
        chain=(
            Raised(
                "JSONDecodeError",
                "Expecting value: line 1 column 1 (char 0)",
                (
                    app("shop.ai.writer", "Writer.tags_for", 151, "return json.loads(answer)"),
                    ("json", "loads", "/usr/lib/python3.12/json/__init__.py", 346, "return _default_decoder.decode(s)"),
                ),
                "json",
            ),
        ),
        logger="shop.ai",
        log="tags not read",
        service="shop-api",
        often=210,
        ends=3.2,
        tags=(("model", ("llama3.2", "qwen2.5")),),
    ),
    Kind(
        chain=(
            Raised(
                "RecursionError",
                "maximum recursion depth exceeded",
                (app("shop.categories", "path_of", 33, "return path_of(category.parent) + [category]"),),
            ),
        ),
        logger="shop.categories",
        log="category has no path",
        service="shop-api",
        often=18,
        days=0.4,
        burst=6,
    ),
    Kind(
        chain=(
            Raised(
                "SMTPServerDisconnected",
                "Connection unexpectedly closed",
                (
                    app("worker.mails", "deliver", 45, "smtp.send_message(message)"),
                    (
                        "smtplib",
                        "SMTP.getreply",
                        "/usr/lib/python3.12/smtplib.py",
                        405,
                        'raise SMTPServerDisconnected("Connection unexpectedly closed")',
                    ),
                ),
                "smtplib",
            ),
        ),
        logger="worker.mails",
        log="receipt not sent",
        service="worker",
        often=51,
    ),
    Kind(
        chain=(
            Raised(
                "StaleDataError",
                "UPDATE statement on table 'stock' expected to update 1 row(s); 0 were matched.",
                (app("shop.stock", "reserve", 58, "session.flush()"),),
                "sqlalchemy.orm.exc",
            ),
        ),
        logger="shop.stock",
        log="stock not reserved",
        service="shop-api",
        often=133,
        days=14,
    ),
)


def tell(store: Outbox, now: datetime | None = None, seed: int = 7) -> list[ErrorContext]:
    """Put the month that ends *now* into *store*; the newest error of each kind."""
    now = now or datetime.now(UTC)
    random_ = random.Random(seed)
    processes = _processes()
    frames = [wire.dumps(wire.encode_process(process)) for process in processes.values()]
    newest, told = [], []
    for kind in KINDS:
        moments = sorted(_moments(kind, now, random_))
        stack = _stack(kind)
        errors = [
            _context(kind, stack, moment, processes[kind.service, _release(moment, now)], random_) for moment in moments
        ]
        newest.append(errors[-1])
        told += errors
    told.sort(key=lambda error: error.timestamp)
    for position, error in enumerate(told):
        encoded, _, definition = wire.encode_error(error)
        frames += [definition, encoded]
        if position % 500 == 499:
            frames = _ingested(store, frames)
    _ingested(store, frames)
    _follow(store, newest, now)
    _decide(store, newest, now)
    _recover(store, newest, now, random_)
    _predict(store, newest, now)
    return newest


def _predict(store: Outbox, newest: Sequence[ErrorContext], now: datetime) -> None:
    """What was announced in the last hours, and how good that was."""
    group = newest[0].fingerprint
    template = "shop.ai: model queue holds %d requests, oldest %d s"
    for hours, action, fate in (
        (1, Action.ACTED, Fate.CENSORED), (5, Action.CONTROL, Fate.HIT), (9, Action.ACTED, Fate.CENSORED),
        (26, Action.NONE, Fate.MISS), (30, Action.NONE, Fate.HIT),
    ):  # fmt: skip
        at = now - timedelta(hours=hours)
        prediction = Prediction(
            prediction_id=new_id(), at=at.timestamp(), horizon=300.0, group=group, probability=0.71 - hours / 100,
            usual=0.04, persistence=0.12, hazard=0.15, threshold=0.45, hits=33, announced=50,
            precursors=(Precursor(template=template, age=12.0, share=0.74),),
        )  # fmt: skip
        store.predicted([Announcement(prediction=prediction, action=action, host="node-1", service="worker")])
        lead = 96.0 if fate is Fate.HIT else None
        store.resolve_predictions(
            [Ending(Resolution(prediction_id=prediction.prediction_id, fate=fate, lead=lead), newest[0].error_id)]
        )
    store.settle_predictions(now - timedelta(minutes=10))
    skills = (("predictor", 0.61, 0.128, 0.018), ("base", 0.04, 0.201, 0.003), ("persistence", 0.22, 0.19, 0.011))
    quality = Quality(
        horizon=300.0, group=group, decisions=8_113, positives=342, onsets=61, foreseen=35, announced=50, hits=33,
        skills=tuple(
            Skill(name=name, average_precision=precision, log_loss=loss, calibration_error=error)
            for name, precision, loss, error in skills
        ),
        precision_low=0.52, precision_high=0.78, false_alarms_per_day=1.4, median_lead=104.0, trusted=True,
    )  # fmt: skip
    store.rate_predictions("worker", now, [quality])


def _ingested(store: Outbox, frames: list[str]) -> list[str]:
    start = store.reached("story")[0]
    store.ingest(Batch("story", start, start + 1, frames))
    return []


def _processes() -> dict[tuple[str, str], Process]:
    return {
        (service, release): Process(
            process=f"{number:02x}{len(release):02x}{index:02x}",
            pid=4_100 + number * 10 + index,
            host="node-1" if number else "node-2",
            boot="boot",
            program="gunicorn shop.wsgi" if not number else "celery worker",
            python="3.12.4",
            service=service,
            environment="production",
            release=release,
        )
        for number, service in enumerate(("shop-api", "worker"))
        for index, release in enumerate(RELEASES)
    }


def _release(moment: datetime, now: datetime) -> str:
    age = (now - moment) / timedelta(days=1)
    return RELEASES[3 if age < 0.6 else 2 if age < 6 else 1 if age < 16 else 0]


def _moments(kind: Kind, now: datetime, random_: random.Random) -> Iterator[datetime]:
    for _ in range(kind.often):
        age = kind.ends + random_.random() * (kind.days - kind.ends)
        moment = now - timedelta(days=age)
        # By day there is more to go wrong.
        if random_.random() < 0.45 + 0.5 * math.sin((moment.hour - 6) / 24 * 2 * math.pi):
            yield moment
    for _ in range(kind.burst):
        yield now - timedelta(minutes=2 + random_.expovariate(1 / 150))


def _stack(kind: Kind) -> Stack:
    shapes = tuple(
        ExceptionDetail(
            type=raised.type,
            module=raised.module,
            message="",
            bases=(raised.type, *(("BaseExceptionGroup",) if raised.type.endswith("Group") else ())),
            relation=raised.relation,
            frames=tuple(
                Frame(
                    module=module,
                    function=function,
                    file=file,
                    line=line,
                    source=source,
                    in_app=file.startswith("/srv/shop/shop") or file.startswith("/srv/shop/worker"),
                    column=source.find("(") + 1,
                )
                for module, function, file, line, source in raised.calls
            ),
        )
        for raised in kind.chain
    )
    own = [frame for frame in shapes[0].frames if frame.in_app][-1]
    is_chain = all(raised.relation != "member" for raised in kind.chain)
    grouping = (
        shapes[0].qualified_type,
        *(f"{f.module}.{f.function}: {f.source}" for f in shapes[0].frames if f.in_app),
    )
    return Stack(
        error_type=kind.chain[0].type,
        module=own.module,
        function=own.function,
        file=own.file,
        line=own.line,
        template=_template(shapes) if is_chain else "\0",
        exceptions=shapes,
        shown=tuple(reversed(range(len(shapes)))) if is_chain else (),
        grouping=grouping,
        fingerprint=f"v1:{random.Random(kind.log).getrandbits(64):016x}",
    )


def _template(shapes: Sequence[ExceptionDetail]) -> str:
    pieces: list[str] = []
    for shape in reversed(shapes):
        calls = "".join(f'  File "{f.file}", line {f.line}, in {f.function}\n    {f.source}\n' for f in shape.frames)
        pieces.append((CAUSE if pieces else "") + HEADER + calls)
    return "\0".join([*pieces, ""])


def _context(kind: Kind, stack: Stack, moment: datetime, process: Process, random_: random.Random) -> ErrorContext:
    tags = {name: random_.choice(values) for name, values in kind.tags}
    request = random_.getrandbits(64)
    path = {"shop.cart": "/api/cart/items", "shop.ai": "/api/products/ursa/text"}.get(kind.logger, "/api/checkout")
    before = [
        (-2.4, ErrorSeverity.INFO, "shop.http", f"POST {path}"),
        (-2.1, ErrorSeverity.DEBUG, "shop.session", f"session of {tags.get('tenant', 'globex')} restored"),
        (-0.9, ErrorSeverity.INFO, kind.logger, f"{kind.log.split()[-1]}: first try"),
        (-0.2, ErrorSeverity.WARNING, kind.logger, "retrying in 200 ms"),
    ]
    parts = () if stack.shown else (_tree(kind),)
    in_app = [number for number, frame in enumerate(stack.exceptions[0].frames) if frame.in_app][::-1]
    return ErrorContext(
        error_id=new_id(),
        timestamp=moment,
        severity=kind.severity,
        error_message=kind.chain[0].message,
        stack=stack,
        parts=parts,
        messages=tuple(raised.message for raised in kind.chain),
        additional_context={"request_id": f"{request:016x}"[:12], "path": path, "attempt": random_.randint(1, 3)},
        tags=tags,
        fingerprint=stack.fingerprint,
        grouping=stack.grouping,
        trace_id=f"{random_.getrandbits(128):032x}",
        span_id=f"{random_.getrandbits(64):016x}",
        breadcrumbs=tuple(
            Breadcrumb(created=moment.timestamp() + after, severity=severity, logger_name=logger, message=message)
            for after, severity, logger, message in before
        ),
        locals=tuple(
            FrameLocals(exception=0, frame=number, values=values)
            for number, values in zip(in_app, kind.values, strict=False)
        ),
        logger_name=kind.logger,
        log_message=kind.log,
        thread_name="MainThread",
        process=process,
    )


def _tree(kind: Kind) -> str:
    lines = [
        "  + Exception Group Traceback (most recent call last):",
        f"  | {kind.chain[0].type}: {kind.chain[0].message}",
    ]
    for number, raised in enumerate(kind.chain[1:], 1):
        lines += [
            f"  {'+-' if number == 1 else '  '}+---------------- {number} ----------------",
            f"    | {raised.type}: {raised.message}",
        ]
    return "\n".join([*lines, "    +------------------------------------", ""])


def _follow(store: Outbox, newest: Sequence[ErrorContext], now: datetime) -> None:
    """One request that fails in several services; the first failure is recovered from."""
    frames = []
    for after, number, service in ((0.0, 2, "stock"), (0.42, 3, "stock"), (0.47, 0, "writer"), (3.9, 10, "shop-api")):
        process = Process(
            process=f"trace {service}", pid=77, host=f"{service}-1", boot="boot", program="uvicorn", python="3.12.4",
            service=service,
        )  # fmt: skip
        moment = now - timedelta(hours=2) + timedelta(seconds=after)
        error = replace(_again(newest[number], moment), trace_id=TRACE, process=process)
        frames += [wire.dumps(wire.encode_process(process)), wire.encode_error(error)[0]]
        if not after:
            attempt = RecoveryAttempt(
                attempt_id=new_id(), error_id=error.error_id, fingerprint=error.fingerprint, rule="database",
                strategy="db.reconnect", scope="stock-db", status=OutcomeStatus.RECOVERED, duration=0.9,
                started_at=moment + timedelta(seconds=0.01), detail="the pool was emptied, and SELECT 1 answers",
            )  # fmt: skip
            frames.append(wire.dumps(wire.encode_attempt(attempt)))
    store.ingest(Batch("follow", 0, 1, frames))
    store.forget("follow")


def _decide(store: Outbox, newest: Sequence[ErrorContext], now: datetime) -> None:
    names = [error.fingerprint for error in newest]
    store.mute(names[6], now - timedelta(days=11), "maria")
    store.mute(names[7], now - timedelta(days=4), "jonas", until=now + timedelta(days=3))
    store.resolve(names[8], now - timedelta(days=3), "maria", release="2.8.1")
    store.resolve(names[10], now - timedelta(hours=1), "jonas")
    store.resolve(names[2], now - timedelta(days=5), "maria", release="2.8.1")
    again = _again(newest[2], now - timedelta(minutes=14))
    store.ingest(Batch("again", 0, 1, [wire.encode_error(again)[0]]))
    store.forget("again")


def _recover(store: Outbox, newest: Sequence[ErrorContext], now: datetime, random_: random.Random) -> None:
    scopes = (
        ("ollama@127.0.0.1:11434", "ollama-down", ("wait_and_probe", "ollama.restart"), newest[0]),
        ("postgres@db-1:5432", "database", ("wait_and_probe", "db.reconnect"), newest[2]),
        ("disk:/var/cache", "disk-full", ("disk.free",), newest[5]),
    )
    frames = []
    for number in range(34):
        scope, rule, ladder, error = scopes[0 if number % 3 else 1 + number % 2]
        moment = now - timedelta(minutes=4 + number * number * 2.6)
        error = _again(error, moment - timedelta(seconds=0.3))
        frames.append(wire.encode_error(error)[0])
        for rung, strategy in enumerate(ladder):
            works = rung == len(ladder) - 1 and random_.random() < 0.86
            attempt = RecoveryAttempt(
                attempt_id=new_id(),
                error_id=error.error_id,
                fingerprint=error.fingerprint,
                rule=rule,
                strategy=strategy,
                scope=scope,
                status=OutcomeStatus.RECOVERED if works else OutcomeStatus.FAILED,
                started_at=moment + timedelta(seconds=3 * rung),
                detail=_told(strategy, works),
                duration=3.0 if strategy == "wait_and_probe" else 1.2 + 4 * random_.random(),
                token=number + 1,
            )
            frames.append(wire.dumps(wire.encode_attempt(attempt)))
    store.ingest(Batch("audit", 0, 1, frames))
    store.forget("audit")
    store.forget("story")
    policy = Policy()
    for scope, _, _, _ in scopes:
        granted = store.acquire(scope, "node-2 pid 4100", 600, policy)
        if isinstance(granted, Lease) and scope.startswith("ollama"):
            store.finish(granted, OutcomeStatus.RECOVERED, "started again, and answers", policy)
        elif isinstance(granted, Lease) and scope.startswith("disk"):
            store.finish(granted, OutcomeStatus.FAILED, "312 MB were freed, 2 GB are needed", policy)


def _again(error: ErrorContext, moment: datetime) -> ErrorContext:
    """The same error, at another time."""
    moved = moment - error.timestamp
    crumbs = tuple(replace(crumb, created=crumb.created + moved.total_seconds()) for crumb in error.breadcrumbs)
    return replace(error, error_id=new_id(), timestamp=moment, breadcrumbs=crumbs)


def _told(strategy: str, works: bool) -> str:
    if not works:
        return "no answer within 3.0 s" if strategy == "wait_and_probe" else "it was tried, and does not answer yet"
    return {
        "ollama.restart": "restarted by systemctl; answered after 2.1 s, and stayed up",
        "db.reconnect": "12 connections of the pool were closed; a new one works",
        "disk.free": "1.8 GB of old thumbnails were removed",
    }.get(strategy, "it works again")
