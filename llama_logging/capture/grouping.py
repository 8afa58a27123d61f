"""Grouping by the user's rules: what stands under `grouping:` in the YAML.

What a logging call or an exception says of its fingerprint comes first, then the first rule that
matches, then the inputs of `fingerprint`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from llama_logging.capture import fingerprint, printed
from llama_logging.config.options import Options
from llama_logging.config.values import as_list, as_mapping, as_text, did_you_mean
from llama_logging.context import ErrorContext, Stack
from llama_logging.exceptions import ConfigError
from llama_logging.frozen import Frozen, replace
from llama_logging.matching import Match, as_match
from llama_logging.patterns import regex

GROUPING_OPTIONS = ("match", "fingerprint")
EXPLICIT = "explicit "
"""What the inputs begin with that a logging call or an exception gave."""
RULE = "rule "
"""What the inputs begin with that a rule gave."""

_DEFAULT = "{default}"
_REMOTE = ("_RemoteTraceback", "RemoteTraceback")
"""The causes that concurrent.futures and multiprocessing give what failed in a worker."""
_BEGINNING = 80
"""Characters of a message that a rule is made of."""
_VALUES: dict[str, Callable[[ErrorContext], str]] = {
    "type": lambda context: context.error_type,
    "message": lambda context: fingerprint.normalise(context.error_message),
    "logger": lambda context: context.logger_name,
    "level": lambda context: context.severity.name,
    "module": lambda context: context.source_module,
    "function": lambda context: context.source_function,
    "code": lambda context: _code_of(context),
}
_CODES = ("status_code", "status", "sqlstate", "code", "errno")
_VALUE = regex(r"\{([\w.-]*)\}")


class GroupingRule(Frozen, kw_only=False):
    """For errors that match: what their fingerprint is made from.

    Attributes:
        parts: Texts; `{type}` and the like stand for the error's own, `{default}` alone for all that
            its fingerprint would be made from without the rule.
    """

    match: Match
    parts: tuple[str, ...]

    def inputs(self, context: ErrorContext) -> tuple[str, ...]:
        """The fingerprint's inputs for *context*."""
        return tuple(line for part in self.parts for line in self._lines(part, context))

    def _lines(self, part: str, context: ErrorContext) -> Iterator[str]:
        if part == _DEFAULT:
            yield from inputs_of(context.stack, context.messages, context.attributes)
        else:
            yield RULE + _VALUE.sub(lambda found: value_of(found[1], context), part)


class Grouping:
    """The rules that are in force in this process."""

    def __init__(self) -> None:
        self.rules: tuple[GroupingRule, ...] = ()

    def use(self, rules: tuple[GroupingRule, ...]) -> None:
        """Have these rules from now on, in place of those before."""
        self.rules = rules

    def applied(self, context: ErrorContext) -> ErrorContext:
        """*context* with the fingerprint that these rules give it."""
        return regrouped(context, self.rules)


GROUPING = Grouping()
"""The ones that `capture` asks."""


def inputs_of(stack: Stack, messages: Sequence[str], attributes: Sequence[Mapping[str, int | str]]) -> tuple[str, ...]:
    """What an error is grouped by that nobody said anything of: its place, and what that does not tell.

    What a worker of a pool has handed over failed there, of which there is a text alone; what a framework raises in its
    own code, it raises for all views and tasks.
    """
    if not attributes and len(stack.exceptions) < 2:
        return stack.grouping  # as of most
    texts = [text for shape, text in zip(stack.exceptions, messages, strict=False) if shape.type in _REMOTE]
    there = next(filter(None, map(printed.parse, texts)), None)
    more = [f"worker {line}" for line in there.stack.grouping] if there is not None else []
    more += [f"endpoint {codes['endpoint']}" for codes in attributes if "endpoint" in codes][:1]
    return (*stack.grouping, *more) if more else stack.grouping


def told_of(inputs: Sequence[str]) -> str:
    """Where *inputs* that errors are grouped by come from, in words."""
    first, *more = inputs or ("",)
    if first.startswith(EXPLICIT):
        return "The logging call gave it, by extra={'fingerprint': ...}, or the exception, by __fingerprint__."
    if first.startswith(RULE):
        return "A rule of the configuration, under grouping, gave it."
    if first.startswith(fingerprint.LOGGER):
        return "A record without exception: its logger and its template, or its message without numbers."
    if any(line.startswith(fingerprint.LOGGER) for line in more):
        return "The types of exceptions that tell of no call, and what was logged: its logger and its template."
    return "The types of the exceptions, and the application's own frames with their source lines."


def regrouped(context: ErrorContext, rules: tuple[GroupingRule, ...]) -> ErrorContext:
    """*context* with the fingerprint that *rules* give it, whatever rules gave it the one it has."""
    if context.grouping and context.grouping[0].startswith(EXPLICIT):
        return context
    rule = next((rule for rule in rules if rule.match(context)), None)
    inputs = inputs_of(context.stack, context.messages, context.attributes) if rule is None else rule.inputs(context)
    if inputs == context.grouping:
        return context
    return replace(context, grouping=inputs, fingerprint=fingerprint.fingerprint(inputs))


def value_of(name: str, context: ErrorContext) -> str:
    """What `{name}` stands for."""
    if name.startswith("tags."):
        return context.tags.get(name.removeprefix("tags."), "")
    return _VALUES[name](context)


def _code_of(context: ErrorContext) -> str:
    """The HTTP status, SQLSTATE or number that its main exception carries, else the first of its chain that does."""
    told = (context.attributes[context.stack.main], *context.attributes) if context.attributes else ()
    return str(next((codes[name] for codes in told for name in _CODES if name in codes), ""))


def parse_grouping(options: Options, given: object) -> tuple[GroupingRule, ...]:
    """Read `grouping:`; a rule with a mistake is told of and left out."""
    return tuple(options.each("grouping", given, partial(_rule, options)))


def rule_that_joins(
    one: ErrorContext, other: ErrorContext, others: Sequence[ErrorContext] = ()
) -> dict[str, Any] | None:
    """The narrowest rule that puts both into one group, as it stands in the YAML; None if none can: one is explicit.

    Args:
        others: Errors of other groups, as few of which as can be are to go in there, too.
    """
    rules = [_if_it_works(rule, one, other, same=True) for rule in _joining(one, other)]
    # The first of those that are as good: it knows the next error by how its message begins.
    return min((rule for rule in rules if rule), key=lambda rule: len(taken_in(rule, one, others)), default=None)


def taken_in(rule: dict[str, Any], one: ErrorContext, others: Sequence[ErrorContext]) -> list[ErrorContext]:
    """Which of *others* go into the group that *rule* gives *one*."""
    rules = parse_grouping(Options("grouping", {}, ()), [rule])
    joined = regrouped(one, rules).fingerprint
    return [each for each in others if regrouped(each, rules).fingerprint == joined]


def _joining(one: ErrorContext, other: ErrorContext) -> Iterator[dict[str, Any]]:
    """Rules for both, by all that they have in common, and at last without what they say."""
    match = {"class": sorted({one.error_type, other.error_type})}
    if not one.stack.exceptions or not other.stack.exceptions:
        match = {}
    match["logger"] = sorted({one.logger_name, other.logger_name})
    place = " or ".join(sorted({f"{each.source_module}.{each.source_function}" for each in (one, other)}))
    name = " or ".join(match.get("class", match["logger"]))
    begins = [_begins(one), _begins(other)]
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(*begins, strict=False))
    alike = _words_of("".join(character for character, _ in pairs), whole=begins[0] == begins[1])
    if alike:
        yield {"match": {**match, "message": f"^{_as_it_is(alike)}"}, "fingerprint": [_plain(f"{name}: {alike}")]}
    if all(begins):
        message = "|".join(_as_it_is(begin) for begin in dict.fromkeys(begins))
        yield {"match": {**match, "message": f"^(?:{message})"}, "fingerprint": [_plain(f"{name} in {place}")]}
    yield {"match": match, "fingerprint": [_plain(f"{name} in {place}")]}


def _begins(error: ErrorContext) -> str:
    """How its message begins, as far as nothing in it varies."""
    said = error.error_message if error.stack.exceptions else error.log_message
    return fingerprint.normalise(said).partition("<n>")[0][:_BEGINNING]


def _words_of(text: str, *, whole: bool) -> str:
    """*text* without a last word that may be half of one; empty if no word is left."""
    words = text if whole else re.sub(r"\w+$", "", text)
    return words if re.search(r"[^\W\d_]{3}", words) else ""


def _as_it_is(text: str) -> str:
    """*text* in a regular expression. Not `re.escape`: blanks are to stay readable."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _plain(text: str) -> str:
    """*text* as a part of a fingerprint, in which braces stand for values."""
    return text.strip().translate({ord("{"): "(", ord("}"): ")"})


def rule_that_splits(one: ErrorContext, other: ErrorContext) -> dict[str, Any] | None:
    """A rule that tells the two apart, as it stands in the YAML; None if they are alike in all that one may name."""
    names = [
        "type",
        "code",
        "message",
        "logger",
        "level",
        "function",
        *(f"tags.{tag}" for tag in {**one.tags, **other.tags}),
    ]
    differing = next((name for name in names if value_of(name, one) != value_of(name, other)), None)
    if differing is None:
        return None
    match = {"class": [one.error_type]} if one.stack.exceptions else {"logger": [one.logger_name]}
    if differing in ("type", "logger"):
        match = {key: sorted({*given, value_of(differing, other)}) for key, given in match.items()}
    return _if_it_works({"match": match, "fingerprint": [_DEFAULT, f"{{{differing}}}"]}, one, other, same=False)


def _rule(options: Options, place: str, given: object) -> GroupingRule:
    reader = options.nested(place, as_mapping(given), GROUPING_OPTIONS)
    match = reader.required("match", partial(as_match, options, f"{place}.match"))
    return GroupingRule(match, reader.required("fingerprint", _as_parts))


def _if_it_works(rule: dict[str, Any], one: ErrorContext, other: ErrorContext, *, same: bool) -> dict[str, Any] | None:
    rules = parse_grouping(Options("grouping", {}, ()), [rule])
    prints = {regrouped(error, rules).fingerprint for error in (one, other)}
    return rule if (len(prints) == 1) is same else None


def _as_parts(value: object) -> tuple[str, ...]:
    parts = tuple(as_text(part) for part in as_list(value))
    if not parts or not all(parts):
        raise ConfigError("needs at least one part, and none may be empty")
    for part in parts:
        for name in [] if part == _DEFAULT else _VALUE.findall(part):
            if name == "default":
                raise ConfigError(f"{_DEFAULT} must stand alone, in {part!r}")
            if name not in _VALUES and not (name.startswith("tags.") and name != "tags."):
                known = ["default", *_VALUES, "tags.NAME"]
                raise ConfigError(
                    f"unknown {{{name}}} in {part!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
                )
    return parts
