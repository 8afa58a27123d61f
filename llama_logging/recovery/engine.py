"""Tries the ladder of the first rule that matches, off the caller's thread."""

from __future__ import annotations

import functools
import itertools
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from llama_logging.context import ErrorContext, Stack
from llama_logging.ids import new_id
from llama_logging.recovery.incident import Incident, named
from llama_logging.recovery.outcome import Outcome, Resolution
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.scopes import OwnScopes, Scopes
from llama_logging.recovery.strategy import REGISTERED, Call, Deadline, StrategyTable
from llama_logging.recovery.switch import Switch, off_in_environment
from llama_logging.registry.attempts import Record
from llama_logging.runtime.background import Worker, is_recovering
from llama_logging.saying import say
from llama_logging.tried import ENDS, OutcomeStatus, RecoveryAttempt

THREADS = 8
"""Ladders that run at once; more wait."""
WAITING = 1_000
"""Ladders that may wait, each until its deadline; one more is refused."""

_REMEMBERED = 1_000


class Engine:
    """Decides on a recovery and runs it.

    Args:
        rules: The first that matches is taken; then what code has registered for the error's type.
        audit: Gets every attempt before (pending), as soon as it has its lease, and after; must not raise.
        table: What code has registered.
        scopes: Who may act on a thing; by default decided for this process alone.
        switch: The kill switch.
        records: Gives what each strategy has done for a group so far.
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        audit: Callable[[RecoveryAttempt], object] = lambda attempt: None,
        table: StrategyTable = REGISTERED,
        scopes: Scopes | None = None,
        switch: Switch | None = None,
        records: Callable[[str], Sequence[Record]] = lambda fingerprint: (),
    ) -> None:
        self._rules = tuple(rules)
        self._fitting: dict[int, tuple[Stack, tuple[Rule, ...]]] = {}
        self._audit = audit
        self._table = table
        self._worker = Worker("llama_logging-recovery", threads=THREADS, capacity=WAITING)
        self._scopes = scopes if scopes is not None else OwnScopes()
        self._switch = switch if switch is not None else Switch()
        self._records = records
        self._forget()

    def dispatch(self, context: ErrorContext) -> Outcome:
        """Begin the recovery of *context*, or join one that is under way; returns at once.

        Asked again for the same error, it gives the same outcome; without a rule it looks again, for code may
        have registered a strategy meanwhile.
        """
        if self._pid != os.getpid():
            # What was under way at the fork goes on in the parent; here nobody would end it.
            self._forget()
        known = self._outcomes.get(context.error_id)
        if known is not None:
            return known
        rule = self._rule_for(context)
        if rule is None:
            return Outcome(context.error_id, _unmatched(context.error_type))
        outcome = self._outcomes[context.error_id] = self._decide(rule, context)
        while len(self._outcomes) > _REMEMBERED:
            self._outcomes.popitem(last=False)
        return outcome

    def ahead(self, context: ErrorContext) -> Rule | None:
        """The rule that is for *context*, an error that is predicted; None if nothing may be done about it."""
        if is_recovering() or off_in_environment():
            return None
        rule = next((rule for rule in self._rules_for(context.stack) if rule.applies(context)), None)
        return None if rule is None or rule.mode == "off" else rule

    def prevent(self, rule: Rule, context: ErrorContext) -> Outcome:
        """Begin what *rule*, one that `ahead` gave, does about *context*, or join what is under way."""
        if self._pid != os.getpid():
            self._forget()
        return self._begin(rule, context)

    def finish(self, timeout: float) -> bool:
        """Wait until nothing is under way, so many seconds at most; whether that is so."""
        return self._worker.finish(timeout)

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._under_way: dict[int, Future[Resolution]] = {}
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()

    def _decide(self, rule: Rule, context: ErrorContext) -> Outcome:
        if is_recovering():
            return _refused(context, "it was logged by a recovery strategy")
        off = off_in_environment()
        if off:
            return _refused(context, off)
        if rule.mode == "off":
            return _refused(context, f"the rule {rule.name} is off")
        return self._begin(rule, context)

    def _rule_for(self, context: ErrorContext) -> Rule | None:
        for rule in self._rules_for(context.stack):
            if rule.applies(context):
                return rule
        found = self._table.find(context) if context.mechanism != "text" else None
        if found is None:
            return None
        name, function = found
        return Rule(name=f"registered for {name}", match=bool, ladder=(Step(Call(function)),))

    def _rules_for(self, stack: Stack) -> tuple[Rule, ...]:
        """Those that may match an error of *stack*: for most errors of an application none, and that is found once."""
        known = self._fitting.get(id(stack))
        if known is None:
            if len(self._fitting) >= _REMEMBERED:
                self._fitting.clear()
            known = self._fitting[id(stack)] = stack, tuple(rule for rule in self._rules if rule.fits(stack))
        return known[1]

    def _begin(self, rule: Rule, context: ErrorContext) -> Outcome:
        future: Future[Resolution] = Future()
        self._begin_or_join(rule, context, future)
        return Outcome(context.error_id, future)

    def _begin_or_join(self, rule: Rule, context: ErrorContext, future: Future[Resolution]) -> None:
        """Errors of one rule about one thing have one recovery; two rules know each other by their lease alone."""
        # setdefault is atomic: of two errors at the same moment one begins and one joins.
        first = self._under_way.setdefault(id(rule), future) if rule.scope else future
        if first is future:
            self._submit(rule, context, future)
        else:
            first.add_done_callback(lambda over: self._follow(rule, context, future, over.result()))

    def _follow(self, rule: Rule, context: ErrorContext, future: Future[Resolution], shared: Resolution) -> None:
        """What was done about the thing holds for all who have joined; what is handed over is each one's own."""
        rest = _rest(rule, shared)
        if any(step.strategy.scope for step in rest):
            self._begin_or_join(rule, context, future)  # it was not the thing that helped the first
            return
        tried = tuple(attempt for attempt in shared.attempts if not rest or attempt.status not in ENDS)
        if tried:
            self._audit(_shared(context, tried[-1]))
        if rest:
            self._submit(replace(rule, ladder=rest), context, future, tried)
        else:
            future.set_result(shared)

    def _submit(
        self, rule: Rule, context: ErrorContext, future: Future[Resolution], tried: Sequence[RecoveryAttempt] = ()
    ) -> None:
        deadline = Deadline(rule.deadline)  # from now on: of what has waited for longer nobody wants to know any more

        def run() -> None:
            resolution = self._climbed(rule, context, deadline, tried)
            # Before it is logged: a filter or handler of the application's may raise, or wait for who waits for this.
            self._end(rule, future, resolution)
            _tell(rule, context, resolution)

        if not self._worker.submit(run):
            why = f"{WAITING} recoveries are waiting already, or no thread can be started"
            self._end(rule, future, Resolution(OutcomeStatus.REFUSED, detail=why))

    def _climbed(
        self, rule: Rule, context: ErrorContext, deadline: Deadline, tried: Sequence[RecoveryAttempt]
    ) -> Resolution:
        try:
            incident = Incident(
                rule, context, tried, scopes=self._scopes, switch=self._switch, audit=self._audit, records=self._records
            )
            return incident.run(deadline)
        except BaseException as error:
            return Resolution(OutcomeStatus.FAILED, detail=named(error))

    def _end(self, rule: Rule, future: Future[Resolution], resolution: Resolution) -> None:
        if self._under_way.get(id(rule)) is future:
            del self._under_way[id(rule)]
        future.set_result(resolution)  # also for whoever has joined meanwhile


def _rest(rule: Rule, shared: Resolution) -> tuple[Step, ...]:
    """What is left of the ladder for an error that has joined another: all from the rung that has helped only that."""
    helped = [attempt.strategy for attempt in shared.attempts if attempt.status in ENDS][:1]
    rest = tuple(itertools.dropwhile(lambda step: step.name not in helped, rule.ladder))
    # A scope that is none of the strategies' was given to the rule: then a function's result is that of the thing.
    of_thing = shared.status is OutcomeStatus.RECOVERED and rule.scope not in {s.strategy.scope for s in rule.ladder}
    return () if not rest or rest[0].for_all or of_thing else rest


def _shared(context: ErrorContext, attempt: RecoveryAttempt) -> RecoveryAttempt:
    """What the record of *context* says of *attempt*, which was made for another error."""
    return replace(
        attempt,
        attempt_id=new_id(),
        error_id=context.error_id,
        fingerprint=context.fingerprint,
        status=OutcomeStatus.SHARED,
        detail=f"{attempt.status} for error {attempt.error_id}: {attempt.detail}",
    )


def _tell(rule: Rule, context: ErrorContext, resolution: Resolution) -> None:
    say(
        "recovery",
        logging.INFO if resolution.status in ENDS else logging.WARNING,
        "%s (%s): %s [error %s]",
        resolution.status,
        rule.name,
        resolution.detail,
        context.error_id,
    )


@functools.lru_cache(maxsize=_REMEMBERED)
def _unmatched(error_type: str) -> Resolution:
    return Resolution(OutcomeStatus.UNMATCHED, detail=f"no recovery strategy for {error_type}")


def _refused(context: ErrorContext, why: str) -> Outcome:
    return Outcome.settled(context.error_id, OutcomeStatus.REFUSED, why)
