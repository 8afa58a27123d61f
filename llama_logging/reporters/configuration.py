"""What the YAML of the ReportHandler says: channels, rules, digest."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from llama_logging.config.options import Options
from llama_logging.config.values import (
    as_count,
    as_list,
    as_mapping,
    as_seconds,
    as_share,
    as_text,
    convert,
    did_you_mean,
)
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.matching import Match, as_match
from llama_logging.plugins import REPORTERS, plugin
from llama_logging.prediction.forecast import Prediction
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.registry.outbox import Quota
from llama_logging.reporters.protocol import Reporter

SHIPPED = {
    "callback": "callback.CallbackReporter",
    "webhook": "webhook.WebhookReporter",
    "mail": "mail.MailReporter",
    "command": "command.CommandReporter",
    "apprise": "notify.AppriseReporter",
    "sentry": "sentry.SentryReporter",
    "otlp": "otlp.OTLPReporter",
}
"""Reporters by the name that the YAML gives them, and where they are."""
CHANGES = ("new", "regressed", "unmuted")
WHEN = (*CHANGES, "resolved", "recovery_failed", "predicted", "unusual", "every")
RULE_OPTIONS = ("when", "match", "channels", "name", "hourly", "probability", "horizon")
REPORT_MATCH_OPTIONS = ("tag", "release", "service", "environment")
"""What a report's rule may ask of an error, besides what every rule may."""
DIGEST_OPTIONS = ("every", "channels", "service", "environment")

HOURLY = 60
"""Reports that a channel gets in an hour, where the YAML says nothing else."""
SHORTEST_DIGEST = 60.0
"""Seconds: counts are kept by the minute."""
LONGEST = 366 * 86_400.0
"""Seconds that a digest may be of, and errors be counted in: beyond some thousand years there are no dates."""

_FREQUENT = re.compile(r"(\d{1,6}) in (?:(\d{1,5}) ?(minute|hour|day)s?|(minute|hour|day)|(\d+(?:m|h|d)))")
_GLOB = re.compile(r"[*?\[]")
_WEEK, _MONDAY = 7 * 86_400.0, 4 * 86_400.0
"""Seconds of a week, and to the first Monday since 1970."""
_UNITS = {"minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Channel:
    """Where reports go.

    Attributes:
        hourly: At most so many in an hour, over all processes.
    """

    name: str
    reporter: Reporter
    hourly: int = HOURLY


@dataclass(frozen=True, slots=True)
class Frequency:
    """So many errors of a group within so many seconds."""

    count: int
    period: float

    def __str__(self) -> str:
        return f"{self.count} in {self.period:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRule:
    """When which channels get a report.

    Attributes:
        name: What the report calls it.
        key: What its place in the registry is kept under: its name if it was given one, else what it says.
        match: What the error must be like; None for any.
        tags: Globs by the tag's name.
        releases, services, environments: Globs, one of which must match.
        hourly: At most so many reports in an hour to each channel; None for as many as it takes.
        probability: Of a prediction, at least.
        horizon: Of a prediction, at most, in seconds; None for any.
    """

    name: str
    key: str
    when: frozenset[str]
    frequency: Frequency | None
    channels: tuple[str, ...]
    match: Match | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    releases: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    hourly: int | None = None
    probability: float = 0.0
    horizon: float | None = None

    @property
    def origin(self) -> Origin:
        """The one service and environment that it is for, as far as it names one."""
        return Origin(_only(self.services), _only(self.environments))

    @property
    def is_for_all(self) -> bool:
        """Whether it asks nothing of an error."""
        return self.match is None and not (self.tags or self.releases or self.services or self.environments)

    def foresees(self, prediction: Prediction) -> bool:
        """Whether such a prediction is one it is for."""
        soon = self.horizon is None or prediction.horizon <= self.horizon
        return soon and prediction.probability >= self.probability

    def applies(self, context: ErrorContext) -> bool:
        """Whether it is for such an error."""
        process = context.process
        release, service, environment = (
            (process.release, process.service, process.environment) if process else ("", "", "")
        )
        return (
            (self.match is None or self.match(context))
            and all(fnmatch.fnmatchcase(context.tags.get(name, ""), glob) for name, glob in self.tags.items())
            and _any(self.releases, release)
            and _any(self.services, service)
            and _any(self.environments, environment)
        )

    def quotas(self, channel: str) -> tuple[Quota, ...]:
        """Its hourly limit for *channel*, if it has one."""
        return () if self.hourly is None else (Quota(f"rule {self.key} {channel}", self.hourly),)


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """How often a digest is sent, in seconds, where to, and what it is about."""

    period: float
    channels: tuple[str, ...]
    origin: Origin = EVERYWHERE

    def ended(self, now: datetime) -> int:
        """How many of its periods have ended by *now*, in UTC."""
        return int((now.timestamp() - self._first) // self.period)

    def end(self, number: int) -> datetime:
        """When the last of so many ended."""
        return datetime.fromtimestamp(number * self.period + self._first, UTC)

    @property
    def _first(self) -> float:
        return _MONDAY if self.period % _WEEK == 0 else 0.0


def parse_channels(options: Options, given: object) -> dict[str, Channel]:
    """Read the channels; one with a mistake is told of and left out."""
    made = [
        options.part(f"channels.{name}", partial(_channel, options, name, entry), None)
        for name, entry in _as_options(given).items()
    ]
    return {channel.name: channel for channel in made if channel is not None}


def hourly_of(given: Mapping[str, object]) -> dict[str, int]:
    """What the channels take in an hour that say so, also those left out: another process may send to them."""
    caps: dict[str, int] = {}
    for name, entry in given.items():
        if isinstance(entry, dict) and "hourly" in entry:
            with contextlib.suppress(ConfigError):
                caps[name] = as_count(convert(entry["hourly"]))
    return caps


def parse_report_rules(options: Options, given: object, channels: Mapping[str, object]) -> tuple[ReportRule, ...]:
    """Read the rules; one with a mistake is told of and left out."""
    if not isinstance(given, list):
        raise ConfigError(f"expected a list of rules, got {given!r}")
    return tuple(options.each("rules", given, partial(_rule, options, channels, {})))


def usual_rule(channels: Mapping[str, object]) -> ReportRule:
    """Where none is given: what asks for attention goes to every channel."""
    key = f"usual {' '.join(sorted(channels))}"
    return ReportRule(name="usual", key=key, when=frozenset(CHANGES), frequency=None, channels=tuple(channels))


def parse_digest(options: Options, given: object, channels: Mapping[str, object]) -> DigestPlan:
    """Read how often, and where to.

    Raises:
        ConfigError: If it is wrong.
    """
    reader = options.nested("digest", as_mapping(given), DIGEST_OPTIONS)
    period = reader.read("every", _as_period, 86_400.0)
    names = reader.required("channels", partial(_known, options, "digest.channels", channels))
    origin = Origin(reader.read("service", as_text, None), reader.read("environment", as_text, None))
    return DigestPlan(period, names, origin)


def _channel(options: Options, name: str, given: object) -> Channel:
    given = _as_options(given)
    kinds = [kind for kind in given if kind != "hourly"]
    if len(kinds) != 1:
        raise ConfigError(f"expected one of {', '.join(SHIPPED)}, with its options, and perhaps `hourly`")
    (kind,) = kinds
    place = f"channels.{name}"
    made = options.needed(f"{place}.{kind}", partial(_reporter, options, f"{place}.{kind}", kind, given[kind]))
    return Channel(name, made, options.nested(place, given, given).read("hourly", as_count, HOURLY))


def _reporter(options: Options, place: str, kind: str, given: object) -> Reporter:
    reporter = _class_of(kind)
    return reporter.configure(options.nested(place, _as_options(given), reporter.option_names))


def _as_options(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        # Not what stands there: it may be the URL of a webhook.
        raise ConfigError(f"expected a mapping, got {type(value).__name__}")
    return as_mapping(value)


def _class_of(kind: str) -> type[Reporter]:
    if kind not in SHIPPED:
        other: type[Reporter] | None = plugin(REPORTERS, kind)
        if other is None:
            known = ", ".join(SHIPPED)
            raise ConfigError(f"unknown reporter {kind!r}{did_you_mean(kind, SHIPPED)}; there are {known}")
        return other
    module, _, cls = SHIPPED[kind].partition(".")
    # Only what is named is imported.
    shipped: type[Reporter] = getattr(importlib.import_module(f"llama_logging.reporters.{module}"), cls)
    return shipped


def _rule(
    options: Options, channels: Mapping[str, object], named: dict[str, str], place: str, given: object
) -> ReportRule:
    given = as_mapping(given)
    reader = options.nested(place, given, RULE_OPTIONS)
    when = reader.required("when", lambda words: options.every(f"{place}.when", words, _word))
    counts = [word for word in when if word not in WHEN]
    if len(counts) > 1:
        raise ConfigError(f"{' and '.join(counts)} are two rules, each with a count of its own")
    names = reader.required("channels", partial(_known, options, f"{place}.channels", channels))
    conditions = reader.read("match", as_mapping, {})
    extra: dict[str, object] = {name: conditions.pop(name) for name in REPORT_MATCH_OPTIONS if name in conditions}
    more = reader.nested("match", extra, extra)
    told = hashlib.blake2b(json.dumps(given, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()
    name = reader.read("name", as_text, "")
    if name and named.setdefault(name, place) != place:
        raise ConfigError(f"{named[name]} has the name {name!r} as well: what was reported is kept under it")
    return ReportRule(
        name=name or f"{', '.join(when)}",
        key=name or told,
        when=frozenset(word for word in when if word in WHEN),
        frequency=next(map(_frequency, counts), None),
        channels=names,
        match=options.needed(f"{place}.match", partial(as_match, options, f"{place}.match", conditions))
        if conditions
        else None,
        tags={tag: str(glob) for tag, glob in more.read("tag", as_mapping, {}).items()},
        releases=tuple(str(glob) for glob in more.read("release", as_list, [])),
        services=tuple(str(glob) for glob in more.read("service", as_list, [])),
        environments=tuple(str(glob) for glob in more.read("environment", as_list, [])),
        hourly=reader.read("hourly", as_count, None),
        probability=reader.read("probability", as_share, 0.0),
        horizon=reader.read("horizon", as_seconds, None),
    )


def _word(_place: str, given: object) -> str:
    word = as_text(given)
    if _FREQUENT.fullmatch(word):
        _frequency(word)
    elif word not in WHEN:
        raise ConfigError(
            f"unknown word {word!r}{did_you_mean(word, WHEN)}; expected {', '.join(WHEN)} or '50 in 5 minutes'"
        )
    return word


def _frequency(word: str) -> Frequency:
    """Read `50 in 5 minutes`.

    >>> str(_frequency("50 in 5 minutes")), str(_frequency("1000 in hour"))
    ('50 in 300 s', '1000 in 3600 s')
    """
    found = _FREQUENT.fullmatch(word)
    if found is None:
        raise ConfigError(f"expected such as '50 in 5 minutes', got {word!r}")
    count, number, unit, alone, short = found.groups()
    period = as_seconds(short) if short else float(number or 1) * _UNITS[unit or alone]
    if not int(count) or not period:
        raise ConfigError(f"{word!r} is always so")
    if period > LONGEST:
        raise ConfigError(f"{word!r}: a year is the longest")
    return Frequency(int(count), period)


def _as_period(value: object) -> float:
    period = as_seconds(value)
    if period < SHORTEST_DIGEST:
        raise ConfigError(f"at least {SHORTEST_DIGEST:g} seconds; counts are kept by the minute")
    if period > LONGEST:
        raise ConfigError("a year is the longest")
    return period


def _known(options: Options, place: str, channels: Mapping[str, object], given: object) -> tuple[str, ...]:
    def known(_place: str, name: object) -> str:
        if not isinstance(name, str) or name not in channels:
            raise ConfigError(f"there is no channel {name!r}{did_you_mean(name, channels)}")
        return name

    if not given:
        raise ConfigError("at least one is needed")
    return tuple(dict.fromkeys(options.every(place, given, known)))


def _only(globs: tuple[str, ...]) -> str | None:
    return globs[0] if len(globs) == 1 and not _GLOB.search(globs[0]) else None


def _any(globs: tuple[str, ...], value: str) -> bool:
    return not globs or any(fnmatch.fnmatchcase(value, glob) for glob in globs)
