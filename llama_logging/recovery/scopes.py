"""Who may act on a thing: asked of the registry, or, where that cannot be reached, decided carefully on this host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from llama_logging import process
from llama_logging.exceptions import StoreError
from llama_logging.recovery.naming import PROCESS
from llama_logging.registry import Store, leasing
from llama_logging.registry.attempts import Denial, DenialReason, Lease, Policy, ScopeState
from llama_logging.runtime import forks
from llama_logging.runtime.state import make_folder
from llama_logging.tried import OutcomeStatus

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LONELY_REST = 600.0
"""Seconds between two tries of a host that cannot ask the registry."""


class Scopes(Protocol):
    """Who may act on a thing. Nothing here raises."""

    def acquire(self, scope: str, owner: str, seconds: float, policy: Policy) -> Lease | Denial:
        """See `registry.Store.acquire`."""
        ...

    def renew(self, lease: Lease, seconds: float) -> bool:
        """See `registry.Store.renew`."""
        ...

    def finish(self, lease: Lease, status: OutcomeStatus, detail: str, policy: Policy) -> bool:
        """See `registry.Store.finish`."""
        ...


class OwnScopes:
    """For one process alone, in memory.

    Args:
        clock: Monotonic, in seconds; tests pass their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, ScopeState]] = {}
        self._lock = forks.lock()

    def acquire(self, scope: str, owner: str, seconds: float, policy: Policy) -> Lease | Denial:
        """Decide."""
        with self._lock:
            answer, after = leasing.asked(self._state(scope), owner, seconds, policy, self._clock())
            self._known[scope] = self._clock(), after
            return answer

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Prolong."""
        with self._lock:
            state = self._state(lease.scope)
            if state.token == lease.token:
                self._known[lease.scope] = self._clock(), replace(state, leased_for=seconds)
            return state.token == lease.token

    def finish(self, lease: Lease, status: OutcomeStatus, detail: str, policy: Policy) -> bool:
        """End."""
        with self._lock:
            state = self._state(lease.scope)
            if state.token == lease.token:
                self._known[lease.scope] = self._clock(), leasing.ended(state, status, detail, policy)
            return state.token == lease.token

    def _state(self, scope: str) -> ScopeState:
        at, state = self._known.get(scope, (0.0, ScopeState(scope=scope, status=OutcomeStatus.NONE)))
        passed = self._clock() - at
        left = {name: max(0.0, getattr(state, name) - passed) for name in ("leased_for", "rests_for", "open_for")}
        over = max(0.0, state.over_for + passed - state.leased_for)
        return replace(state, over_for=over, **left)


class SharedScopes:
    """For all processes and machines that share a registry.

    Args:
        open_store: Gives a store of its own for each call's thread.
        folder: Where a host that cannot reach the registry keeps what it has done.
    """

    def __init__(self, open_store: Callable[[], Store], folder: str) -> None:
        self._open_store = open_store
        self._folder = folder
        self._held: dict[tuple[str, int], int] = {}
        self._own = OwnScopes()

    def acquire(self, scope: str, owner: str, seconds: float, policy: Policy) -> Lease | Denial:
        """Ask the registry; without it, be the only one of this host, once in LONELY_REST seconds.

        What lies within this process is nobody else's concern.
        """
        if scope.startswith(PROCESS):
            return self._own.acquire(scope, owner, seconds, policy)
        try:
            with contextlib.closing(self._open_store()) as store:
                return store.acquire(scope, owner, seconds, policy)
        except StoreError as error:
            return self._alone(scope, error)

    def renew(self, lease: Lease, seconds: float) -> bool:
        """A registry that cannot be reached just now takes nothing away."""
        if lease.scope.startswith(PROCESS):
            return self._own.renew(lease, seconds)
        if (lease.scope, lease.token) in self._held:
            return True
        try:
            with contextlib.closing(self._open_store()) as store:
                return store.renew(lease, seconds)
        except StoreError:
            return True

    def finish(self, lease: Lease, status: OutcomeStatus, detail: str, policy: Policy) -> bool:
        """Tell the registry."""
        if lease.scope.startswith(PROCESS):
            return self._own.finish(lease, status, detail, policy)
        held = self._held.pop((lease.scope, lease.token), None)
        if held is not None:
            fcntl.flock(held, fcntl.LOCK_UN)  # to close it is not enough: a child that was forked meanwhile has it, too
            os.close(held)
            return True
        try:
            with contextlib.closing(self._open_store()) as store:
                return store.finish(lease, status, detail, policy)
        except StoreError:
            return True  # the lease runs out by itself

    def _alone(self, scope: str, error: StoreError) -> Lease | Denial:
        if fcntl is None:
            return Denial(DenialReason.OPEN, f"the registry cannot be asked: {error}", LONELY_REST)
        name = hashlib.blake2b(scope.encode(), digest_size=8).hexdigest()
        try:
            make_folder(self._folder, 0o700)
            fd = os.open(os.path.join(self._folder, f"{name}.lease"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            return Denial(DenialReason.OPEN, f"neither the registry nor {self._folder} can be used: {failure}", 60.0)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = _rest_left(os.pread(fd, 1000, 0))
        except OSError:
            os.close(fd)
            return Denial(DenialReason.BUSY, "another process of this host is at it; the registry cannot be asked", 1.0)
        if left:
            os.close(fd)
            return Denial(
                DenialReason.BUDGET, f"the registry cannot be asked, and it was tried a while ago: {error}", left
            )
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps([_clock(), process.current().boot]).encode(), 0)
        lease = Lease(scope, -fd)
        self._held[scope, lease.token] = fd
        return lease


def _rest_left(content: bytes) -> float:
    """Seconds until this host may try again, by what the file of a scope says."""
    with contextlib.suppress(ValueError, TypeError):
        at, boot = json.loads(content)
        if boot == process.current().boot:
            return max(0.0, float(at) + LONELY_REST - _clock())
    return 0.0


def _clock() -> float:
    clock: Any = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
