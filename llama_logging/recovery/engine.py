"""Tries the ladder of the first rule that matches, off the caller's thread."""

from __future__ import annotations

import dataclasses
import logging
import os
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

from llama_logging.background import Worker
from llama_logging.context import ErrorContext, new_id
from llama_logging.recovery.outcome import Outcome, Resolution
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.strategy import REGISTERED, Call, Deadline, Remedy, StrategyTable
from llama_logging.redaction import clean
from llama_logging.registry import OutcomeStatus, RecoveryAttempt

THREADS = 4
"""Ladders that run at once; more wait."""
WAITING = 32
"""Ladders that may wait; one more is refused."""

ENDS = (OutcomeStatus.RECOVERED, OutcomeStatus.FALLBACK, OutcomeStatus.ADVICE)
"""What ends a ladder."""

_REMEMBERED = 1_000
_logger = logging.getLogger("llama_logging.recovery")
_local = threading.local()


def switched_off() -> bool:
    """Whether `LLAMA_LOGGING_RECOVERY` says off."""
    return os.environ.get("LLAMA_LOGGING_RECOVERY", "").lower() in ("off", "0", "false", "no")


class Engine:
    """Decides on a recovery and runs it.

    Args:
        rules: The first that matches is taken; then what code has registered for the error's type.
        audit: Gets every attempt twice, before (pending) and after; must not raise.
        table: What code has registered.
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        audit: Callable[[RecoveryAttempt], object] = lambda attempt: None,
        table: StrategyTable = REGISTERED,
    ) -> None:
        self._rules = tuple(rules)
        self._audit = audit
        self._table = table
        self._worker = Worker("llama_logging-recovery", threads=THREADS, capacity=WAITING)
        self._failed_at: dict[tuple[str, str], float] = {}
        self._forget()

    def dispatch(self, context: ErrorContext) -> Outcome:
        """Begin the recovery of *context*, or join one that is under way; returns at once.

        Asked again for the same error, it gives the same outcome.
        """
        if self._pid != os.getpid():
            # What was under way at the fork goes on in the parent; here nobody would end it.
            self._forget()
        known = self._outcomes.get(context.error_id)
        if known is not None:
            return known
        outcome = self._decide(context)
        self._outcomes[context.error_id] = outcome
        while len(self._outcomes) > _REMEMBERED:
            self._outcomes.popitem(last=False)
        return outcome

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._under_way: dict[str, Outcome] = {}
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()

    def _decide(self, context: ErrorContext) -> Outcome:
        if getattr(_local, "inside", False):
            return _refused(context, "it was logged by a recovery strategy")
        if switched_off():
            return _refused(context, "recovery is switched off by LLAMA_LOGGING_RECOVERY")
        rule = self._rule_for(context)
        if rule is None:
            return Outcome.settled(
                context.error_id, OutcomeStatus.UNMATCHED, f"no recovery strategy for {context.error_type}"
            )
        if rule.mode == "off":
            return _refused(context, f"the rule {rule.name} is off")
        shared = self._under_way.get(rule.scope) if rule.scope else None
        return shared.shared_with(context.error_id) if shared else self._begin(rule, context)

    def _rule_for(self, context: ErrorContext) -> Rule | None:
        for rule in self._rules:
            if rule.applies(context):
                return rule
        found = self._table.find(context) if context.mechanism != "text" else None
        if found is None:
            return None
        name, function = found
        return Rule(name=f"registered for {name}", match=bool, ladder=(Step(Call(function)),))

    def _begin(self, rule: Rule, context: ErrorContext) -> Outcome:
        future: Future[Resolution] = Future()
        outcome = Outcome(context.error_id, future)
        if rule.scope:
            # setdefault is atomic: of two errors at the same moment one begins and one joins.
            first = self._under_way.setdefault(rule.scope, outcome)
            if first is not outcome:
                return first.shared_with(context.error_id)
        if not self._worker.submit(lambda: self._run(rule, context, future)):
            self._under_way.pop(rule.scope, None)
            return _refused(context, f"{WAITING} recoveries are waiting already, or no thread can be started")
        return outcome

    def _run(self, rule: Rule, context: ErrorContext, future: Future[Resolution]) -> None:
        try:
            resolution = self._climb(rule, context, Deadline(rule.deadline))
        except Exception as error:
            resolution = Resolution(OutcomeStatus.FAILED, detail=_named(error))
        self._under_way.pop(rule.scope, None)
        _tell(rule, context, resolution)
        future.set_result(resolution)

    def _climb(self, rule: Rule, context: ErrorContext, deadline: Deadline) -> Resolution:
        attempts: list[RecoveryAttempt] = []
        remedy = Remedy(OutcomeStatus.FAILED, detail="there was no time left")
        for step in rule.ladder:
            if not deadline.remaining():
                break
            attempt, remedy = self._attempt(rule, step, context, deadline)
            attempts.append(attempt)
            if remedy.status in ENDS:
                return Resolution(
                    remedy.status, remedy.value, remedy.detail, remedy.advice, remedy.retry_at, tuple(attempts)
                )
        detail = "; ".join(f"{attempt.strategy}: {attempt.detail}" for attempt in attempts) or remedy.detail
        observed = any(attempt.status is OutcomeStatus.OBSERVED for attempt in attempts)
        status = OutcomeStatus.OBSERVED if observed else OutcomeStatus.FAILED
        return Resolution(status, detail=detail, attempts=tuple(attempts))

    def _attempt(
        self, rule: Rule, step: Step, context: ErrorContext, deadline: Deadline
    ) -> tuple[RecoveryAttempt, Remedy]:
        strategy = step.strategy
        attempt = RecoveryAttempt(
            attempt_id=new_id(),
            error_id=context.error_id,
            fingerprint=context.fingerprint,
            rule=clean(rule.name),
            strategy=strategy.name,
            scope=clean(rule.scope),
            status=OutcomeStatus.PENDING,
            started_at=datetime.now(UTC),
            detail=clean(strategy.intent),
        )
        self._audit(attempt)
        began = time.monotonic()
        remedy = self._remedy(rule, step, context, deadline)
        remedy = dataclasses.replace(remedy, detail=clean(remedy.detail, 4096))
        if strategy.destructive and remedy.status is OutcomeStatus.FAILED:
            self._failed_at[rule.scope, strategy.name] = time.monotonic()
        attempt = dataclasses.replace(
            attempt,
            status=remedy.status,
            detail=remedy.detail,
            duration=round(time.monotonic() - began, 6),
        )
        self._audit(attempt)
        return attempt, remedy

    def _remedy(self, rule: Rule, step: Step, context: ErrorContext, deadline: Deadline) -> Remedy:
        if rule.observes(step.strategy):
            detail = f"would {step.strategy.intent}; `mode: act` in the rule lets it"
            return Remedy(OutcomeStatus.OBSERVED, detail=detail)
        since = time.monotonic() - self._failed_at.get((rule.scope, step.strategy.name), float("-inf"))
        if since < rule.cooldown:
            return Remedy(
                OutcomeStatus.REFUSED,
                detail=f"it failed {since:.0f} s ago; the cooldown is {rule.cooldown:g} s",
            )
        return _on_own_thread(step, context, deadline.within(step.timeout or deadline.remaining()))


def _on_own_thread(step: Step, context: ErrorContext, deadline: Deadline) -> Remedy:
    """Run the strategy; one that blocks beyond its deadline is left behind on its thread."""
    answers: queue.SimpleQueue[Remedy] = queue.SimpleQueue()
    allowed = deadline.remaining()

    def work() -> None:
        _local.inside = True
        try:
            answers.put(step.strategy.recover(context, deadline))
        except BaseException as error:
            answers.put(Remedy(OutcomeStatus.FAILED, detail=_named(error)))

    threading.Thread(target=work, name=f"llama_logging-{step.strategy.name}", daemon=True).start()
    try:
        # A second of grace: a strategy that keeps the deadline itself can still say what it saw.
        return answers.get(timeout=allowed + 1.0)
    except queue.Empty:
        return Remedy(OutcomeStatus.FAILED, detail=f"no answer within {allowed:.1f} s; it was left behind")


def _tell(rule: Rule, context: ErrorContext, resolution: Resolution) -> None:
    good = resolution.status in (OutcomeStatus.RECOVERED, OutcomeStatus.FALLBACK)
    _logger.log(
        logging.INFO if good else logging.WARNING,
        "%s (%s): %s [error %s]",
        resolution.status,
        rule.name,
        resolution.detail,
        context.error_id,
    )


def _refused(context: ErrorContext, why: str) -> Outcome:
    return Outcome.settled(context.error_id, OutcomeStatus.REFUSED, why)


def _named(error: BaseException) -> str:
    try:
        return clean(f"{type(error).__name__}: {error}", 1000)
    except BaseException:
        return type(error).__name__
