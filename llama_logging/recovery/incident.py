"""One ladder, climbed for one error: alone where something is acted on, verified, and on record.

Harmless rungs need nobody's leave. Before the first that stops or restarts something, the thing is
leased in the registry: one acts, and all others wait for what comes of it. The lease lasts for the
rest of the ladder, so that a budget counts incidents and not rungs. Who has lost it, as by a pause in
which another has taken over, acts no more.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from llama_logging import process
from llama_logging.context import ErrorContext
from llama_logging.exceptions import StoreError
from llama_logging.ids import new_id
from llama_logging.plain import last_line
from llama_logging.recovery import apart, commands, learning
from llama_logging.recovery.outcome import Resolution
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.scopes import Scopes
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.recovery.switch import Switch
from llama_logging.redaction import clean
from llama_logging.registry.attempts import Denial, DenialReason, Lease, Record
from llama_logging.tried import ENDS, FOR_ONE, OutcomeStatus, RecoveryAttempt

LEASE = 10.0
"""Seconds for which a thing is leased; prolonged at a third of it. A lost owner is succeeded after that."""
WATCH = 10.0
"""Seconds for which a rule that only observes watches whether it comes back by itself."""
ESCALATION = 10.0
"""Seconds that telling somebody may take."""
GRACE = 1.0
"""Seconds in which a strategy that keeps its deadline can still say what it saw."""

_LOOKS = 0.2
_TO_DO = Remedy(OutcomeStatus.PENDING)


class Incident:
    """The climb of one ladder.

    Args:
        tried: What was tried already, for this error too.
        audit: Gets every attempt before (pending), as soon as it has its lease, and after; must not raise.
        records: What each strategy has done for a group so far.
    """

    def __init__(
        self,
        rule: Rule,
        context: ErrorContext,
        tried: Sequence[RecoveryAttempt] = (),
        *,
        scopes: Scopes,
        switch: Switch,
        audit: Callable[[RecoveryAttempt], object],
        records: Callable[[str], Sequence[Record]],
    ) -> None:
        self._rule, self._context = rule, context
        self._scopes, self._switch, self._audit, self._records = scopes, switch, audit, records
        self._owner = f"{process.current().host}/{process.current().pid}/{process.current().process}/{new_id()[-6:]}"
        self._lease: Lease | None = None
        self._overtaken = False
        self._stopped = ""
        self._denial: Denial | None = None
        self._attempts = list(tried)

    def run(self, deadline: Deadline) -> Resolution:
        """Climb until a rung helps, none is left, or the time is over."""
        try:
            resolution = self._climb(deadline)
        except Exception as error:  # the lease must be given back all the same
            resolution = Resolution(OutcomeStatus.FAILED, detail=named(error))
        lease, self._lease = self._lease, None
        if lease is not None:
            healed = resolution.status is OutcomeStatus.RECOVERED
            status = OutcomeStatus.RECOVERED if healed else OutcomeStatus.FAILED
            # Others are told this; a fallback and advice were for one.
            acted = [attempt.detail for attempt in self._attempts if attempt.token and attempt.status not in FOR_ONE]
            self._scopes.finish(lease, status, acted[-1] if acted else resolution.detail, self._rule.policy)
        failed = resolution.status not in ENDS or resolution.status is OutcomeStatus.FALLBACK
        if failed and (lease is not None or (self._denial is not None and self._denial.escalate)):
            self._escalate()
        return dataclasses.replace(resolution, attempts=tuple(self._attempts))

    def _climb(self, deadline: Deadline) -> Resolution:
        for step in self._ladder():
            if self._off():
                break
            if not deadline.remaining() and not step.strategy.instant:
                continue
            remedy = self._try(step, deadline)
            if remedy.status in ENDS:
                ready_at = time.monotonic() + _seconds_until(remedy)
                retry_at = remedy.retry_at
                if remedy.status is not OutcomeStatus.RECOVERED:
                    retry_at = retry_at or self._retry_at()  # what stands in does so until it may be acted again
                status, value, hint = remedy.status, remedy.value, remedy.is_hint
                return Resolution(status, value, remedy.detail, remedy.advice, retry_at, ready_at, is_hint=hint)
        if self._stopped:
            return Resolution(OutcomeStatus.REFUSED, detail=self._stopped)
        told = "; ".join(f"{attempt.strategy}: {attempt.detail}" for attempt in self._attempts)
        seen = {attempt.status for attempt in self._attempts}
        status = next((s for s in (OutcomeStatus.OBSERVED, OutcomeStatus.FAILED) if s in seen), OutcomeStatus.FAILED)
        if self._denial is not None and OutcomeStatus.FAILED not in seen:
            status = OutcomeStatus.REFUSED
        return Resolution(status, detail=told or "there was no time left", retry_at=self._retry_at())

    def _off(self) -> bool:
        """Whether recovery is switched off; for this climb it then stays so."""
        self._stopped = self._stopped or self._switch.off()
        return bool(self._stopped)

    def _ladder(self) -> Sequence[Step]:
        if not self._rule.learned:
            return self._rule.ladder
        try:
            records = self._records(self._context.fingerprint)
        except StoreError:
            return self._rule.ladder
        return learning.ordered(self._rule.ladder, records, random.Random())

    def _try(self, step: Step, deadline: Deadline) -> Remedy:
        attempt = self._begun(step)
        remedy = self._before(step, deadline)
        if remedy is None:
            attempt = self._leased(attempt)
            remedy = self._acted(step, deadline)
        return self._told(step, attempt, remedy)

    def _begun(self, step: Step) -> RecoveryAttempt:
        attempt = RecoveryAttempt(
            attempt_id=new_id(),
            error_id=self._context.error_id,
            fingerprint=self._context.fingerprint,
            rule=clean(self._rule.name),
            strategy=step.name,
            scope=clean(self._rule.scope),
            status=OutcomeStatus.PENDING,
            started_at=datetime.now(UTC),
            detail=clean(step.strategy.intent),
            token=self._lease.token if self._lease is not None else 0,
        )
        self._audit(attempt)
        return attempt

    def _leased(self, attempt: RecoveryAttempt) -> RecoveryAttempt:
        """*attempt* with the lease that it has got by now."""
        if self._lease is None or attempt.token:
            return attempt
        lost = f"; {self._lease.lost_owner}, which was at it, is gone" if self._lease.lost_owner else ""
        leased = dataclasses.replace(attempt, token=self._lease.token, detail=attempt.detail + lost)
        self._audit(leased)
        return leased

    def _told(self, step: Step, attempt: RecoveryAttempt, remedy: Remedy) -> Remedy:
        doubt = step.strategy.doubt(self._context)
        ended = dataclasses.replace(
            attempt,
            status=remedy.status,
            detail=clean(f"{remedy.detail}; but {doubt}" if doubt else remedy.detail, commands.TAIL),
            duration=round((datetime.now(UTC) - attempt.started_at).total_seconds() + _seconds_until(remedy), 6),
        )
        self._attempts.append(ended)
        self._audit(ended)
        return dataclasses.replace(remedy, detail=ended.detail)

    def _before(self, step: Step, deadline: Deadline) -> Remedy | None:
        """What stands in place of acting: it works, nothing helps, it may not be; None if it is to be acted."""
        if self._rule.observes(step.strategy):
            return self._observed(step, deadline)
        # Before the lease: of what needs nothing done there is no incident, that its rest, breaker or budget counts.
        seen = self._look(step, deadline)
        if seen is not None:
            return seen
        if not step.strategy.destructive:
            return None
        refused, waited = self._leave(deadline)
        if not waited or self._stopped:
            return refused
        # Who was at it may have helped before he was gone, or without a word: a registry that is away tells nothing.
        seen = self._look(step, deadline) if refused is None or refused.status is OutcomeStatus.REFUSED else None
        return seen if refused is None or (seen is not None and seen.status is OutcomeStatus.RECOVERED) else refused

    def _leave(self, deadline: Deadline) -> tuple[Remedy | None, bool]:
        """Lease what is acted on, or prolong it.

        Returns:
            None once it is ours, else what stands in place of the attempt; and whether another was waited for.
        """
        if not self._holds():
            return Remedy(OutcomeStatus.REFUSED, detail="another has taken over"), False
        if self._lease is not None or not self._rule.scope:
            return None, False
        waited = False
        while True:
            answer = self._scopes.acquire(self._rule.scope, self._owner, LEASE, self._rule.policy)
            if isinstance(answer, Lease):
                self._lease = answer
                return None, waited
            if answer.reason is DenialReason.BUSY and deadline.remaining():
                if self._off():
                    return Remedy(OutcomeStatus.REFUSED, detail=self._stopped), waited
                time.sleep(min(_LOOKS * random.uniform(0.8, 1.2), deadline.remaining()))
                waited = True
                continue
            self._denial, told = answer, f"{answer.reason}: {answer.detail}"
            if answer.reason is DenialReason.RECOVERED:
                healed = Remedy(OutcomeStatus.RECOVERED, detail=answer.detail)
                if waited or self._is_over(healed, answer, deadline):
                    return healed, waited
                told = f"it has failed again: {answer.detail}"
            return Remedy(OutcomeStatus.REFUSED, detail=f"{told}; {answer.retry_in:.0f} s left"), waited

    def _is_over(self, healed: Remedy, answer: Denial, deadline: Deadline) -> bool:
        """Whether what another has recovered is what this error was about, and works."""
        if self._rule.verify is not None:
            return self._verified(healed, deadline).status is OutcomeStatus.RECOVERED
        age = datetime.now(UTC) - self._context.timestamp
        return age.total_seconds() > answer.over_for

    def _holds(self) -> bool:
        """Prolong the lease, if there is one; False from the moment on at which another has it."""
        if self._lease is not None and not self._scopes.renew(self._lease, LEASE):
            self._lease, self._overtaken = None, True
        return not self._overtaken

    def _look(self, step: Step, deadline: Deadline) -> Remedy | None:
        if type(step.strategy).look is Strategy.look:
            return None
        allowed = deadline.within(step.timeout or deadline.remaining())
        job = partial(step.strategy.look, self._context, allowed)
        seen = self._apart(step.name, lambda: job() or _TO_DO, allowed.remaining())
        return None if seen is _TO_DO else self._believed(step, seen, deadline)

    def _acted(self, step: Step, deadline: Deadline) -> Remedy:
        remedy = self._answer(step, deadline.within(step.timeout or deadline.remaining()))
        return self._believed(step, remedy, deadline)

    def _believed(self, step: Step, remedy: Remedy, deadline: Deadline) -> Remedy:
        if remedy.status is OutcomeStatus.RECOVERED and step.strategy.verified:
            return self._verified(remedy, deadline, self._rule.settle)
        return remedy

    def _observed(self, step: Step, deadline: Deadline) -> Remedy:
        told = f"would {step.strategy.intent}; `mode: act` in the rule lets it"
        verify = self._rule.verify
        if verify is None:
            return Remedy(OutcomeStatus.OBSERVED, detail=told)
        watch, began = deadline.within(WATCH), time.monotonic()

        def watched() -> Remedy:
            problem = watch.wait_for(verify)
            if problem:
                return Remedy(OutcomeStatus.OBSERVED, detail=f"{told}; it did not come back by itself: {problem}")
            passed = time.monotonic() - began
            return Remedy(OutcomeStatus.RECOVERED, detail=f"{told}; it came back by itself within {passed:.1f} s")

        seen = self._apart(f"verify of {self._rule.name}", watched, watch.remaining())
        if seen.status is OutcomeStatus.FAILED:  # the probe has, and not what was never tried
            return Remedy(OutcomeStatus.OBSERVED, detail=f"{told}; {seen.detail}")
        return seen

    def _verified(self, remedy: Remedy, deadline: Deadline, settle: float = 0.0) -> Remedy:
        """*remedy*, if the rule's probe is content for so many seconds, or the rule has none."""
        verify, settled = self._rule.verify, Deadline(settle)
        if verify is None:
            return remedy

        def looked() -> Remedy:
            while True:
                problem = verify(deadline)
                if problem:
                    return _failed(f"{remedy.detail}; but then: {problem}")
                if not settled.remaining():
                    return remedy
                time.sleep(min(0.5, settled.remaining()))

        return self._apart(f"verify of {self._rule.name}", looked, settle + deadline.remaining())

    def _answer(self, step: Step, deadline: Deadline) -> Remedy:
        if self._off():  # to lease, and to write down what is tried, may have taken long
            return Remedy(OutcomeStatus.REFUSED, detail=self._stopped)
        return self._apart(step.name, lambda: step.strategy.recover(self._context, deadline), deadline.remaining())

    def _apart(self, name: str, job: Callable[[], Remedy], allowed: float) -> Remedy:
        """What *job* brings, which is left behind if it takes longer than it may. Nobody takes the lease meanwhile."""
        lease = self._lease

        def work() -> Remedy:
            try:
                with commands.fenced(lease.token if lease is not None else 0):
                    answer = job()
                if not isinstance(answer, Remedy):
                    raise TypeError(f"{name} gave {type(answer).__name__} and not a Remedy")
                return answer
            except BaseException as error:
                return _failed(named(error))

        answer, patience = apart.begin(name, work), Deadline(allowed + GRACE)
        if answer is None:
            return _failed(f"{name}: {apart.MOST} of it are at work, and do not come to an end")
        while True:
            try:
                return answer.result(min(LEASE / 3, patience.remaining()) if lease else patience.remaining())
            except TimeoutError:
                if not patience.remaining():
                    return _failed(f"{name}: no answer within {allowed:.1f} s; it was left behind")
                if lease is not None and not self._holds():
                    return _failed("another has taken over; its answer is not waited for")

    def _escalate(self) -> None:
        for step in self._rule.escalate:
            attempt, deadline = self._begun(step), Deadline(step.timeout or ESCALATION)
            self._told(step, attempt, self._look(step, deadline) or self._answer(step, deadline))

    def _retry_at(self) -> datetime | None:
        return datetime.now(UTC) + timedelta(seconds=self._denial.retry_in) if self._denial is not None else None


def _failed(detail: str) -> Remedy:
    return Remedy(OutcomeStatus.FAILED, detail=detail)


def _seconds_until(remedy: Remedy) -> float:
    """Until what has recovered may be tried again."""
    if remedy.status is not OutcomeStatus.RECOVERED or remedy.retry_at is None:
        return 0.0
    return max(0.0, (remedy.retry_at - datetime.now(UTC)).total_seconds())


def named(error: BaseException) -> str:
    """What *error* says, bounded; never raises."""
    try:
        return clean(last_line(type(error).__name__, str(error)), 1000)
    except BaseException:
        return type(error).__name__
