"""A shop whose pool of connections leaks. An ordinary application: it logs, and no more.

Its clock is given to it, so that a day may pass in seconds.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

log = logging.getLogger("shop")
pool_log = logging.getLogger("shop.pool")

SIZE = 100
STEP = 10.0
"""Seconds between two lines about the pool."""


class PoolExhausted(Exception):
    """No connection is left."""


class Pool:
    """Connections, some of which are never given back once a leak has begun."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.busy, self.lost, self.leaking = 10, 0, 0.0

    @property
    def used(self) -> int:
        """Connections that are not to be had."""
        return min(SIZE, self.busy + self.lost)

    def take(self) -> None:
        """Serve an order.

        Raises:
            PoolExhausted: If no connection is left.
        """
        if self.used >= SIZE:
            raise PoolExhausted("no connection left")

    def pass_time(self) -> None:
        """Ten seconds go by: customers come and go, and what leaks goes on leaking."""
        self.busy = max(3, min(40, self.busy + self._chance.choice((-3, -2, -1, 0, 1, 2, 3))))
        if self.leaking:
            self.lost += self._chance.randint(1, int(2 * self.leaking))
        elif self._chance.random() < STEP / 1_200:
            self.leaking = self._chance.uniform(1.0, 3.0)

    def recycle(self) -> int:
        """Take back what was lost; how many connections."""
        taken, self.lost, self.leaking = self.lost, 0, 0.0
        return taken


class Shop:
    """Serves orders, and restarts its pool after too many failures, as many a watchdog does it.

    Args:
        wait: Lets so many seconds pass.
    """

    def __init__(self, pool: Pool, chance: random.Random, wait: Callable[[float], object]) -> None:
        self._pool, self._chance, self._wait = pool, chance, wait
        self.failures = 0
        self.outages = 0

    def work(self) -> None:
        """Ten seconds of business."""
        self._wait(STEP)
        self._pool.pass_time()
        pool_log.info("%d of %d connections in use", self._pool.used, SIZE)
        for _ in range(self._chance.choice((0, 0, 1, 1, 2))):
            self._order()
        if self._chance.random() < STEP / 5_000:
            log.error("payment provider answered late, order put back")
        if self.failures >= 3:
            self.failures = 0
            self.outages += 1
            self._pool.recycle()
            pool_log.warning("pool restarted by the watchdog")

    def _order(self) -> None:
        self._wait(self._chance.uniform(0.1, 2.0))
        try:
            self._pool.take()
            log.info("order paid: %.2f", self._chance.uniform(5, 90))
        except PoolExhausted:
            self.failures += 1
            log.exception("order failed")
