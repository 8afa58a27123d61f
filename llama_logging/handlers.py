"""The Handlers that a logging.yaml names. Thin: a record comes in, its ErrorContext goes on.

Nothing is opened, imported or started in a constructor beyond what the options name: hosts build
handlers in one process and use them in another, or throw them away unused.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import weakref
from collections.abc import Callable, Mapping
from logging import ERROR
from typing import TYPE_CHECKING, Any

from llama_logging.capture import marks, tracing
from llama_logging.capture.about import exception_of
from llama_logging.capture.breadcrumbs import TRAILS
from llama_logging.capture.frames import count_as_own
from llama_logging.capture.grouping import GROUPING, parse_grouping
from llama_logging.capture.records import OUTCOME, PROMISED, SEEN
from llama_logging.capture.seen import Taken
from llama_logging.capture.variables import VARIABLES
from llama_logging.config.mistakes import is_collecting
from llama_logging.config.values import as_bool, as_bytes, as_callable, as_count, as_dotted, as_text
from llama_logging.context import ErrorContext
from llama_logging.handling import ContextHandler
from llama_logging.matching import Match
from llama_logging.pipeline import Pipeline, as_durability
from llama_logging.redaction.own import also, safe_pattern
from llama_logging.retention import parse_retention
from llama_logging.runtime.background import is_ours
from llama_logging.stores import mounts, open_store

if TYPE_CHECKING:
    from llama_logging.predicting.watch import Watch
    from llama_logging.recovery.outcome import Outcome
    from llama_logging.reporters.channel import Channel
    from llama_logging.reporting import Reporting

EXIT_TIMEOUT = 2.0
"""Seconds that the end of the process may be delayed by reports under way."""


class RegistryHandler(ContextHandler):
    """Writes every error durably: to the journal before it returns, to the store soon after.

    Args:
        store: `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`; default `LLAMA_LOGGING_STORE`, else
            sqlite:///llama_logging.db. A relative path counts from the folder in which the handler is made.
        durability: What an error survives once the logging call has returned: `process` (the end of
            the process), `disk` (a power cut too) or `critical` (that for CRITICAL alone).
        quota: Bytes that the journals in one folder may have together, such as 256M, the default. From
            three quarters of it, repeats are only counted.
        retention: How much of the errors' details the registry keeps, `{age: 90d, errors: 1000000, size: 2G}`;
            default a size of 2G. Counts stay while there is room for them, totals for ever.
        breadcrumbs: How many of the records before an error are kept with it, of the same thread or
            task; default 0. The handler must see them: mind its level and the loggers'.
        tracing: Follow traces: requests and jobs that come are worked on, and those that are made go out, within
            the same one (Starlette, FastAPI, Django, Flask, Celery, RQ; httpx, requests), and the span of
            OpenTelemetry in which an error is logged gets the status ERROR; default false.
        bridges: Modules that make failures of a library seen, by dotted path or by the name of an entry point of the
            group `llama_logging.bridges`; CONTRIBUTING.md says how to write one.
        locals: So many errors of each group carry the local variables of the application's own calls,
            as far as they are built-in types, bounded and redacted; default 0.
        grouping: List of rules that decide which errors are the same; docs/configuration.md describes them.
        in_app: Installed packages that are the application's own code all the same.
        redact: Regular expressions; what they match is redacted, besides what always is.
        redact_keys: Keys whose values are redacted, besides those that always are.
        level: As for every handler; default NOTSET, which still means errors only.
        ignore: List of what errors are none to this handler, as in a rule's `match`.
        strict: Raise ConfigError at a wrong option.
        sticky: Stay when the application configures logging once more; every record that any logger
            emits is seen then, wherever the handler hangs.
    """

    option_names = (
        *ContextHandler.option_names,
        *("store", "durability", "quota", "retention", "breadcrumbs", "locals", "grouping", "in_app"),
        *("redact", "redact_keys", "tracing", "bridges"),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pipeline = self._pipeline()
        problem = mounts.refusal(self.pipeline.url.path) if self.pipeline.url.path else ""
        if problem:
            self._options.complain("store", f"{problem}; until then errors wait in the journal, as long as they can")
        self.pipeline.sync_from = self._options.read("durability", as_durability, self.pipeline.sync_from)
        journal = self.pipeline.journal
        journal.quota = self._options.read("quota", as_bytes, journal.quota)
        self.pipeline.retention = self._options.read(
            "retention", lambda given: parse_retention(self._options, given), self.pipeline.retention
        )
        also(
            patterns=self._each("redact", safe_pattern),
            keys=self._each("redact_keys", as_text),
        )
        breadcrumbs = self._options.read("breadcrumbs", as_count, 0)
        TRAILS.keep(breadcrumbs)
        self._note = TRAILS.note if breadcrumbs else None
        rules = self._options.read("grouping", lambda given: parse_grouping(self._options, given), None)
        if rules is not None:
            GROUPING.use(rules)
        count_as_own(self._each("in_app", as_dotted))
        VARIABLES.keep(self._options.read("locals", as_count, 0))
        self._tracing = self._options.read("tracing", as_bool, False)
        self._bridges = dict(self._each("bridges", _as_bridge))
        if not is_collecting():
            self.reach_libraries()
        self._identity = f"registry {self.pipeline.url}"  # one row is enough, however many handlers there are
        self._keep = self._keep_early
        self._stick()

    def reach_libraries(self) -> None:
        """Build the bridges to the application's libraries that were asked for; here, for few are imported."""
        if self._tracing:
            from llama_logging import propagation

            propagation.install()
        if self._bridges:
            from llama_logging.bridging import build_when_imported

            build_when_imported(self._bridges, "its bridge does not fit")

    def process(self, context: ErrorContext, record: logging.LogRecord) -> None:
        """Write *context* to the journal."""
        self.pipeline.add(context)
        if self._tracing and record.levelno >= ERROR:
            tracing.mark(context.error_id, context.error_type, context.error_message)
        if self._note is not None:
            self._note(record)

    def _keep_early(self, context: ErrorContext) -> None:
        if not self._is_ignored(context):
            self.pipeline.add(context)


class RecoveryHandler(ContextHandler):
    """Begins a recovery for every error that a rule matches, and returns at once.

    `llama_logging.outcome()` tells how it goes; so does `__llama_outcome__` on the exception.

    Args:
        rules: List of rules; docs/configuration.md describes them.
        mode: For rules that name none: `act`, `observe` or `off`. Without it harmless strategies act
            and destructive ones observe.
        store: Where the attempts are written; as for RegistryHandler.
        level, ignore, strict, sticky: As for RegistryHandler.
    """

    option_names = (*ContextHandler.option_names, "store", "rules", "mode")
    answers = True

    def __init__(self, **options: Any) -> None:
        # Here and not above: where nothing is to be recovered from, nobody waits for half of the package.
        from llama_logging.recovering import shared_engine
        from llama_logging.recovery import active, outcome
        from llama_logging.recovery.rules import as_mode, parse_rules

        super().__init__(**options)
        pipeline = self._pipeline()
        mode = self._options.read("mode", as_mode, None)
        rules = self._options.read("rules", lambda given: parse_rules(self._options, given, mode), ())
        self._identity = f"recovery {pipeline.url} {mode} {options.get('rules')!r}"
        self.engine = shared_engine(rules, pipeline)
        self._remember = outcome.remember
        active.use(self.engine)
        self._stick()

    def process(self, context: ErrorContext, record: logging.LogRecord) -> None:
        """Begin the recovery of *context*."""
        outcome = self.engine.dispatch(context)
        if PROMISED not in record.__dict__:
            self._remember(outcome)
        attach_outcome(record, outcome)


class ReportHandler(ContextHandler):
    """Reports errors outside: to channels by rules, from the registry, and each at once to a callback.

    Args:
        channels: Mapping of names to reporters; docs/reports.md describes them.
        rules: List of when which channels get a report; default, where there is no digest either: new,
            regressed and unmuted errors, to all.
        digest: `{every: 24h, channels: [...]}`: a summary of each such time.
        callback: A function that takes an ErrorContext, or its dotted path; called off the caller's
            thread with every error. What it raises is counted, and logged once.
        store: The registry that the rules look at; as for RegistryHandler.
        level, ignore, strict, sticky: As for RegistryHandler.
    """

    option_names = (*ContextHandler.option_names, "store", "channels", "rules", "digest", "callback")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.channel: Channel | None = None
        self._taken = Taken()
        self.reporting: Reporting | None = None
        self.pipeline: Pipeline | None = None
        callback: Callable[[ErrorContext], object] | None = self._options.read("callback", as_callable, None)
        if callback is not None:
            # Here and not above, as for the recovery: few report.
            from llama_logging.reporters.callback import CallbackReporter
            from llama_logging.reporters.channel import Channel

            self._identity = ("report", callback)
            self.channel = Channel(CallbackReporter(callback))
            # To what cannot be referred to weakly, each handler reports for itself.
            with contextlib.suppress(TypeError):
                self._taken = _taken.setdefault(callback, self._taken)
            _channels.add(self.channel)
        if options.get("channels") is not None:
            self.reporting = self._reporting(options)
            # A record that is no error starts the thread too: something may be left to send.
            self._note = self._wake
            _channels.add(self.reporting)
        elif options.get("callback") is None:
            self._options.complain("channels", "is needed, or `callback`: without them nothing is reported")
        self._stick()

    def process(self, context: ErrorContext, record: logging.LogRecord) -> None:
        """Hand *context* to the callback, unless it was before, or was logged by one; rules look at the registry."""
        self._wake(record)
        if self.channel is None or (context.again and context.error_id in self._taken) or is_ours():
            return
        self._taken.add(context.error_id)
        self.channel.send(context)

    def _wake(self, record: logging.LogRecord) -> None:
        if self.reporting is not None:
            self.reporting.wake(record.created)

    def close(self) -> None:
        """Have the thread end; the next record starts another."""
        if self.reporting is not None:
            self.reporting.stop()
        super().close()

    def _reporting(self, options: Mapping[str, Any]) -> Reporting:
        # Here and not above: where a callback is all, nobody waits for half of the package.
        from llama_logging.reporters import configuration as parse
        from llama_logging.reporting import Reporting

        read = self._options.read
        channels = read("channels", lambda given: parse.parse_channels(self._options, given), {})
        # One with a mistake, which was told, is named rightly all the same, and not the only one.
        named = options["channels"] if isinstance(options["channels"], dict) else channels
        plan = read("digest", lambda given: parse.parse_digest(self._options, given, named), None)
        usual = () if options.get("digest") is not None or not channels else (parse.usual_rule(named),)
        rules = read("rules", lambda given: parse.parse_report_rules(self._options, given, named), usual)
        pipeline = self.pipeline = self._pipeline()
        return Reporting(
            lambda: open_store(pipeline.url),
            channels,
            rules,
            plan,
            bring_in=pipeline.ingester.drain,
            begin=pipeline.ingester.wake,
            keep=lambda context: context.severity >= self.level and not self._is_ignored(context),
            hourly=parse.hourly_of(named),
        )


class PredictionHandler(ContextHandler):
    """Learns from every record what comes before errors, and says when one is coming.

    It says so in a record of the logger `llama_logging.prediction`, in the registry, to the rules of reports
    and to those of recovery, all off the caller's thread. Put it behind the RegistryHandler: errors of
    which the group is known by then are told apart.

    Args:
        store: The registry; as for RegistryHandler.
        horizons: How far to look ahead; default 60 and 300 seconds.
        tick: Seconds between two looks at what was logged; default 1.
        error_level: From this level on a record is an error; default ERROR.
        ignore: Names of loggers; what they and those below them log is no part of it.
        groups: At most so many kinds of error are told apart; default 32.
        target_precision: What share of what is announced should come true; default 0.6.
        min_precision: What the lower end of its 95 % interval must be to announce and to act; default
            `{warn: 0.3, act: 0.6}`.
        shadow: So many errors, and announcements that nobody sees, come first; default `{errors: 30, alerts: 20}`.
        control: Share of what would be acted on that is held back to compare with; default 0.2.
        forget: What a count keeps at each new exposure; default 0.9995.
        limits: What is kept, and may wait, at most: `{templates: 2000, keys: 20000, queue: 10000}`.
        state: Folder in which what was learned is kept; default beside the registry.
        inline: Work within the logging call, without a thread: for tests and short scripts.
        level, strict, sticky: As for every handler; INFO or DEBUG is a good level.
    """

    option_names = (
        *("level", "strict", "sticky", "store", "horizons", "tick", "error_level", "ignore", "groups"),
        *("target_precision", "min_precision", "shadow", "control", "forget", "limits", "state", "inline"),
    )
    sees_all = True

    def __init__(self, **options: Any) -> None:
        # Here and not above, as for the recovery: few predict.
        from llama_logging.predicting.settings import read_settings
        from llama_logging.predicting.watch import Watch

        super().__init__(**options)
        settings = read_settings(self._options)
        url = self._pipeline().url
        folder = f"{url.path or url.state}.prediction"
        self.watch = Watch(settings, lambda: open_store(url), folder)
        self._note_down = self.watch.notes.note
        _watches.add(self.watch)
        self._stick()

    def handle(self, record: logging.LogRecord) -> Any:
        """Leave what the predictor needs of *record*: nothing is formatted, kept alive or waited for."""
        passed: Any = self.filter(record) if self.filters else True
        if passed is not True:
            if not passed:
                return passed
            record = passed
        try:
            watch = self.watch
            # The pid as the record has it: to ask for it costs more. Another's is looked at once more.
            if self._note_down(record) and not (watch.awake and record.process == watch.pid):
                watch.attend(record)
            if self._sticky and record.levelno >= ERROR:
                # The tap hands a copy of it on to this same handler.
                record.__dict__[SEEN] = (*record.__dict__.get(SEEN, ()), self._identity)
        except Exception:
            self.handleError(record)
        return passed

    def close(self) -> None:
        """Keep what was learned, and have the thread end; the next record starts another."""
        self.watch.close()
        super().close()

    def _read_ignored(self) -> tuple[Match, ...]:
        return ()  # here they are names of loggers


def _as_bridge(value: object) -> tuple[str, str]:
    from llama_logging.bridging import other

    return other(as_text(value))


def attach_outcome(record: logging.LogRecord, outcome: Outcome) -> None:
    """Put *outcome* where it will be looked for: on the exception, and on the record for formatters."""
    record.__dict__[OUTCOME] = outcome
    hand_back(record, outcome)


def hand_back(record: logging.LogRecord, outcome: object) -> None:
    """Put *outcome* on the exception alone, as long as this is asked for where *record* was logged."""
    exception = exception_of(record)
    if exception is not None:
        marks.put(exception, marks.OUTCOME, outcome)


_channels: weakref.WeakSet[Channel | Reporting] = weakref.WeakSet()
_taken: weakref.WeakKeyDictionary[Callable[[ErrorContext], object], Taken] = weakref.WeakKeyDictionary()
"""What each callback was told of, whichever handler has told it."""
_watches: weakref.WeakSet[Watch] = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    for watch in list(_watches):
        watch.close()
    for channel in list(_channels):
        channel.finish(EXIT_TIMEOUT)
