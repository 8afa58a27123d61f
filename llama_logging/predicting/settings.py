"""What the YAML of the PredictionHandler says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from llama_logging.config.mistakes import warn
from llama_logging.config.options import Options
from llama_logging.config.values import (
    as_bool,
    as_level,
    as_mapping,
    as_number,
    as_seconds,
    as_share,
    as_text,
    as_texts,
)
from llama_logging.exceptions import ConfigError
from llama_logging.prediction.trust import TO_WARN

LONGEST = 900.0
"""Seconds; of a horizon beyond that it is said that no skill was measured there (at 1800 s, on 16 real streams)."""

_MOST_HORIZONS = 4
_LEAST_KEPT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to predict.

    Attributes:
        horizons: Seconds.
        tick: Seconds between two looks at what was logged.
        ignore: Names of loggers; what they and those below them log is no part of it.
        warn, act: What the lower end of the 95 % interval of the share that came true must be, to announce
            and to act.
        control: Share of what would be acted on that is held back to compare with.
        queue: Records that may wait for the predictor; more are dropped, and counted.
        state: Folder for what was learned; empty for the registry's.
        inline: Work within the logging call: for tests and short scripts.
    """

    horizons: tuple[float, ...] = (60.0, 300.0)
    tick: float = 1.0
    error_level: int = logging.ERROR
    ignore: tuple[str, ...] = ()
    groups: int = 32
    target_precision: float = 0.6
    warn: float = TO_WARN
    act: float = 0.6
    shadow_errors: int = 30
    shadow_alerts: int = 20
    control: float = 0.2
    forget: float = 0.9995
    templates: int = 2_000
    keys: int = 20_000
    queue: int = 10_000
    state: str = ""
    inline: bool = False

    @property
    def of_predictor(self) -> dict[str, Any]:
        """The options of its constructor."""
        names = ("horizons", "error_level", "groups", "target_precision", "shadow_errors", "shadow_alerts", "templates",
                 "keys", "forget")  # fmt: skip
        return {"min_precision": self.warn, **{name: getattr(self, name) for name in names}}


def read_settings(options: Options) -> Settings:
    """Read the options; one with a mistake is told of, and its default used."""
    usual = Settings()
    precision = _nested(options, "min_precision", ("warn", "act"))
    shadow = _nested(options, "shadow", ("errors", "alerts"))
    limits = _nested(options, "limits", ("templates", "keys", "queue"))
    settings = Settings(
        horizons=options.read("horizons", as_horizons, usual.horizons),
        tick=options.read("tick", _as_tick, usual.tick),
        error_level=options.read("error_level", as_level, usual.error_level),
        ignore=options.read("ignore", as_texts, usual.ignore),
        groups=options.read("groups", as_number, usual.groups),
        target_precision=options.read("target_precision", as_share, usual.target_precision),
        warn=precision.read("warn", as_share, usual.warn),
        act=precision.read("act", as_share, usual.act),
        shadow_errors=shadow.read("errors", as_number, usual.shadow_errors),
        shadow_alerts=shadow.read("alerts", as_number, usual.shadow_alerts),
        control=options.read("control", as_share, usual.control),
        forget=options.read("forget", _as_kept, usual.forget),
        templates=limits.read("templates", as_number, usual.templates),
        keys=limits.read("keys", as_number, usual.keys),
        queue=limits.read("queue", as_number, usual.queue),
        state=options.read("state", as_text, usual.state),
        inline=options.read("inline", as_bool, usual.inline),
    )
    for horizon in settings.horizons:
        if horizon > LONGEST:
            told = f"{horizon:g} seconds; beyond {LONGEST:g} no skill was measured"
            # No mistake: not for that does `strict` raise.
            if not options.advise("horizons", told):
                warn(f"PredictionHandler: horizons: {told}")
    return settings


def as_horizons(value: object) -> tuple[float, ...]:
    """How far to look ahead: one duration or several.

    >>> as_horizons([60, "5m"])
    (60.0, 300.0)
    """
    found = sorted({as_seconds(one) for one in (value if isinstance(value, list | tuple) else [value])})
    if not found or found[0] < 1 or len(found) > _MOST_HORIZONS:
        raise ConfigError(f"expected one to {_MOST_HORIZONS} durations of at least a second, got {value!r}")
    return tuple(found)


def _as_tick(value: object) -> float:
    seconds = as_seconds(value)
    if not 0.05 <= seconds <= 60:
        raise ConfigError(f"expected 50 ms to a minute, got {value!r}")
    return seconds


def _as_kept(value: object) -> float:
    kept = as_share(value)
    if kept < _LEAST_KEPT:
        raise ConfigError(f"expected at least {_LEAST_KEPT:g}, as it is kept at each of many exposures, got {value!r}")
    return kept


def _nested(options: Options, name: str, known: tuple[str, ...]) -> Options:
    return options.nested(name, options.read(name, as_mapping, {}), known)
