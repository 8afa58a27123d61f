"""Which strategies are tried for which error: the rules of the YAML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from llama_logging.config.options import Options
from llama_logging.config.values import as_callable, as_list, as_mapping, as_seconds, as_text, did_you_mean
from llama_logging.context import ErrorContext, Stack
from llama_logging.exceptions import ConfigError, MissingExtraError
from llama_logging.matching import as_match
from llama_logging.plain import type_name
from llama_logging.recovery.presets import About, expanded
from llama_logging.recovery.probes import Probe, as_probe
from llama_logging.recovery.strategies import SHIPPED, load
from llama_logging.recovery.strategy import Call, Strategy, function_name
from llama_logging.registry.attempts import Policy

DEADLINE = 30.0
"""Seconds a whole ladder may take."""
MODES = ("act", "observe", "off")
POLICY = Policy()
ORDERS = ("given", "learned")
WHEN = ("error", "predicted")
"""What a rule may be for: an error that has happened, one that is coming."""
RULE_OPTIONS = (
    "name", "when", "match", "ladder", "mode", "scope", "deadline", "cooldown", "budget",
    "verify", "settle", "order", "escalate",
)  # fmt: skip
STEP_OPTIONS = ("timeout",)


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of a ladder, and how many seconds it may take (None: as long as the ladder)."""

    strategy: Strategy
    timeout: float | None = None

    @property
    def name(self) -> str:
        """What the records call it: by the strategy's name, or that of the function."""
        return function_name(self.strategy.function) if isinstance(self.strategy, Call) else self.strategy.name

    @property
    def for_all(self) -> bool:
        """Whether what it brings holds for every error that shares the recovery, and is not the one's own."""
        return bool(self.strategy.scope) or self.strategy.for_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """For errors that match: the ladder, tried from the first step on until one helps.

    Attributes:
        mode: `act`, `observe` or `off`; None: destructive strategies observe, the others act.
        ahead: Whether it is for errors that are predicted, and for no others.
        scope: Name of the thing acted on; errors of the rule share one recovery. Empty for none.
        deadline: Seconds for the whole ladder.
        policy: How often the thing may be acted on, by all who share the registry.
        verify: What must work before a strategy's success is believed.
        settle: For so many seconds.
        learned: Whether the strategies are tried in the order of what they have done so far.
        escalate: What is done once for an incident that was not healed.
        fits: Whether an error of that stack may match at all.
        about: Whether an error is of those that its preset is for.
    """

    name: str
    match: Callable[[ErrorContext], bool]
    ladder: tuple[Step, ...]
    mode: str | None = None
    ahead: bool = False
    scope: str = ""
    deadline: float = DEADLINE
    policy: Policy = POLICY
    verify: Probe | None = None
    settle: float = 0.0
    learned: bool = False
    escalate: tuple[Step, ...] = ()
    fits: Callable[[Stack], bool] = bool
    about: About = bool

    def applies(self, context: ErrorContext) -> bool:
        """Whether *context* is an error for this rule. Text alone never is: there must be an exception."""
        return (
            self.ahead is context.predicted
            and bool(context.stack.exceptions)
            and context.mechanism != "text"
            and self.match(context)
            and self.about(context)
        )

    def observes(self, strategy: Strategy) -> bool:
        """Whether *strategy* must only say what it would do."""
        return self.mode == "observe" or (self.mode is None and strategy.destructive)

    @property
    def acts(self) -> bool:
        """Whether any of its steps does more than to say what it would do."""
        return self.mode != "off" and not all(self.observes(step.strategy) for step in self.ladder)


def parse_rules(options: Options, given: object, mode: str | None) -> tuple[Rule, ...]:
    """Read `rules:`; a rule with a mistake is told of and left out, the others count.

    `use: NAME` stands for the rules of a preset.

    Args:
        mode: For rules that name none.
    """
    if not isinstance(given, list | tuple):
        raise ConfigError(f"expected a list of rules, got {given!r}")
    return tuple(rule for rules in options.each("rules", given, partial(_entry, options, mode)) for rule in rules)


def as_mode(value: object) -> str:
    """`act`, `observe` or `off`; YAML reads a bare `off` as false."""
    if value is False:
        return "off"
    if value not in MODES:
        raise ConfigError(f"unknown mode {value!r}; expected act, observe or off{did_you_mean(value, MODES)}")
    return str(value)


def _entry(options: Options, mode: str | None, place: str, given: object) -> list[Rule]:
    parts, about = expanded(options, place, as_mapping(given))
    return [rule for part in parts for rule in _rules(options, place, part, mode, about)]


def _rules(options: Options, place: str, given: dict[str, Any], mode: str | None, about: About) -> list[Rule]:
    """One rule, or two alike where it is for errors that have happened and for those that are coming."""
    reader = options.nested(place, given, RULE_OPTIONS)
    when = reader.read("when", _as_when, ("error",))
    rule = _rule(options, place, reader, mode, about)
    # What stops or restarts something that still works must be asked for where it is said, and not for all rules.
    ahead = replace(rule, ahead=True, mode=None if rule.mode == "act" and "mode" not in given else rule.mode)
    return [{"error": rule, "predicted": ahead}[word] for word in when]


def _rule(options: Options, place: str, reader: Options, mode: str | None, about: About) -> Rule:
    match = reader.required("match", partial(as_match, options, f"{place}.match"))
    ladder = reader.required("ladder", partial(_ladder, options, f"{place}.ladder"))
    rule = Rule(
        name=reader.read("name", as_text, place),
        match=match,
        ladder=ladder,
        mode=reader.read("mode", as_mode, mode),
        scope=reader.read("scope", as_text, next((s.strategy.scope for s in ladder if s.strategy.scope), "")),
        deadline=reader.read("deadline", as_seconds, DEADLINE),
        policy=_policy(reader),
        verify=reader.read("verify", as_probe, None),
        settle=reader.read("settle", as_seconds, 0.0),
        learned=reader.read("order", _as_order, "given") == "learned",
        escalate=reader.read("escalate", partial(_steps, options, f"{place}.escalate"), ()),
        fits=match.fits,
        about=about,
    )
    if rule.escalate and not any(step.strategy.destructive for step in ladder):
        reader.complain("escalate", "nothing in the ladder is destructive, so it is never run: end the ladder with it")
    return rule


def _policy(reader: Options) -> Policy:
    attempts, period = reader.read("budget", as_budget, (POLICY.attempts, POLICY.period))
    return Policy(attempts=attempts, period=period, cooldown=reader.read("cooldown", as_seconds, POLICY.cooldown))


def as_budget(value: object) -> tuple[int, float]:
    """So many incidents in so long a time: `3/30m`.

    >>> as_budget("3/30m")
    (3, 1800.0)
    """
    number, slash, period = as_text(value).partition("/")
    if not slash or not number.strip().isdecimal() or int(number) < 1:
        raise ConfigError(f"expected a number of incidents in a time, such as 3/30m, got {value!r}")
    return int(number), as_seconds(period)


def _as_when(value: object) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(as_list(value)))
    for word in words:
        if word not in WHEN:
            raise ConfigError(f"unknown word {word!r}; expected error or predicted{did_you_mean(word, WHEN)}")
    if not words:
        raise ConfigError("expected error, predicted or both")
    return words


def _as_order(value: object) -> str:
    if value not in ORDERS:
        raise ConfigError(f"unknown order {value!r}; expected given or learned{did_you_mean(value, ORDERS)}")
    return str(value)


def _ladder(options: Options, place: str, given: object) -> tuple[Step, ...]:
    if not given:
        raise ConfigError("needs at least one strategy")
    return _steps(options, place, given)


def _steps(options: Options, place: str, given: object) -> tuple[Step, ...]:
    return tuple(options.every(place, given, partial(_step, options)))


def _step(options: Options, place: str, entry: object) -> Step:
    """A strategy by its name, `{name: {options}}`, or the dotted path of a function."""
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ConfigError(f"expected a strategy's name or {{name: {{options}}}}, got {entry!r}")
    [(name, given)] = entry.items()
    given = as_mapping(given or {})
    try:
        found = load(name)
    except ConfigError as error:
        raise ConfigError(f"unknown strategy{did_you_mean(name, SHIPPED)}; {error}") from error
    if not callable(found):
        raise ConfigError(f"unknown strategy {name!r}{did_you_mean(name, SHIPPED)}")
    cls: Any = found if isinstance(found, type) else None
    if cls is not None and not (issubclass(cls, Strategy) and hasattr(cls, "name")):
        raise ConfigError(
            f"{name} is no strategy: a class that is one derives from {type_name(Strategy)}, and has a name"
        )
    reader = options.nested(f"{place}.{name}", given, (*(cls.option_names if cls else ()), *STEP_OPTIONS))
    strategy = options.needed(f"{place}.{name}", lambda: _configured(cls, reader) if cls else Call(as_callable(found)))
    return Step(strategy, reader.read("timeout", as_seconds, None))


def _configured(cls: type[Strategy], reader: Options) -> Strategy:
    """One of *cls*, which may be another package's and raise anything: no application must fail to start by that."""
    try:
        made = cls.configure(reader)
        if not isinstance(made, Strategy):
            raise TypeError(f"configure gave {type_name(type(made))} and not a Strategy")
    except (ValueError, MissingExtraError):
        raise
    except Exception as error:
        raise ConfigError(f"{type(error).__name__}: {error}") from error
    return made
