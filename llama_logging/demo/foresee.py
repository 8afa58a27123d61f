"""Plays the demo of prediction: a leak is seen coming, and averted.

Days pass in seconds, by a clock of its own; all else is as it is in an application: the handlers of a logging.yaml, the
predictor, the registry, the recovery.
"""

from __future__ import annotations

import logging
import logging.config
import os
import random
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from llama_logging.config.files import load
from llama_logging.context import ErrorContext
from llama_logging.demo.leak import STEP, Pool, Shop
from llama_logging.opening import open_registry
from llama_logging.pipeline import flush
from llama_logging.prediction.effect import effects
from llama_logging.prediction.forecast import Fate
from llama_logging.prediction.ledger import GRACE, KEPT
from llama_logging.recovery import active
from llama_logging.stores import urls
from llama_logging.visible import wants_colour

DAYS = 3
"""Days that pass before you watch."""
WATCH = 86_400.0
"""Seconds of them that it may take until there is something to see."""
LINES = 6
"""Of the log that are shown before an announcement, and after."""
PATIENCE = 5.0
"""Seconds of yours for which the clock of the demo stands still until a recovery is over."""
SEED = 17

LOGGING_YAML = """\
# The shop knows nothing of this file.
version: 1
disable_existing_loggers: false
handlers:
  registry: {{class: llama_logging.handlers.RegistryHandler, store: "{store}"}}
  recovery:
    class: llama_logging.handlers.RecoveryHandler
    store: "{store}"
    rules:
      - name: pool-runs-out
        when: predicted
        match: {{class: PoolExhausted}}
        ladder: [llama_logging.demo.foresee.recycle]
  predict:
    class: llama_logging.handlers.PredictionHandler
    store: "{store}"
    level: INFO
    horizons: 5m
    inline: true                             # the clock of the demo is that of its records
root: {{level: INFO, handlers: [registry, recovery, predict]}}
"""


class World:
    """The shop, its clock, and what is logged.

    Args:
        began: Seconds since the epoch.
    """

    def __init__(self, began: float) -> None:
        self.now = began
        chance = random.Random(SEED)
        self.pool = Pool(chance)
        self.shop = Shop(self.pool, chance, self._wait)
        self.lines: deque[str] = deque(maxlen=LINES)
        self.announced = self.acted = 0

    def _wait(self, seconds: float) -> None:
        self.now += seconds

    def record(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """A record of this world's time."""
        made = logging.LogRecord(*args, **kwargs)
        made.created, made.msecs = self.now, self.now % 1 * 1_000
        return made

    def live(self, until: float, *, watching: bool = False) -> bool:
        """Let time pass until then, or until something is announced if you are *watching*; whether it was."""
        while self.now < until:
            before = self.announced
            self.shop.work()
            if self.announced > before:
                active.current().finish(PATIENCE)
                if watching:
                    return True
        return False


class Spectator(logging.Handler):
    """Keeps what a terminal would show, the last of it.

    Args:
        world: Where it happens.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Note *record*, unless it is about an order that went well."""
        self._world.announced += hasattr(record, "prediction_id")
        if record.name != "shop" or record.levelno > logging.INFO:
            moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
            self._world.lines.append(f"  {moment} {record.levelname:<7} {record.name}: {record.getMessage()}")


def recycle(context: ErrorContext) -> str:
    """What the recovery of the demo does ahead of the failure."""
    assert _world is not None
    assert context.predicted
    _world.acted += 1
    return f"{_world.pool.recycle()} lost connections taken back"


def play(directory: str | None) -> int:
    """Play the demo in *directory*, by default a new one below the current.

    Returns:
        0 if the failure was announced before it came, and did not come where it was acted on; else 1.
    """
    global _world
    directory = os.path.abspath(directory or f"llama-logging-demo-{time.strftime('%Y%m%d-%H%M%S')}")
    os.makedirs(directory, exist_ok=True)
    path, store = os.path.join(directory, "logging.yaml"), f"sqlite:///{directory}/llama_logging.db"
    with open(path, "w", encoding="utf-8") as file:
        file.write(LOGGING_YAML.format(store=store))
    random.seed(SEED)  # which of the predictions are held back
    _world = world = World(time.time() - DAYS * 86_400 - WATCH / 8)
    logging.setLogRecordFactory(world.record)
    logging.config.dictConfig(load(path))
    logging.root.handlers.insert(0, Spectator(world))  # before the one that may have something to say about it
    try:
        _say(f"A shop whose pool leaks now and then; {DAYS} days of it in a few seconds. All files are in {directory}")
        _pass_days(world)
        _say("Now watch its log")
        shown = _watch(world)
        world.live(world.now + 600)
    finally:
        logging.shutdown()
        logging.setLogRecordFactory(logging.LogRecord)
    flush()
    averted = _ask_registry(store, world.now)
    return 0 if shown and averted else 1


def _pass_days(world: World) -> None:
    for day in range(1, DAYS + 1):
        outages, announced, acted = world.shop.outages, world.announced, world.acted
        world.live(world.now + 86_400)
        print(
            f"  day {day}: {world.shop.outages - outages} outages, {world.announced - announced} predictions, "
            f"{world.acted - acted} of them acted on",
            flush=True,
        )


def _watch(world: World) -> bool:
    """Show an announcement that was acted on; whether there was one, and no failure after it."""
    until, acted = world.now + WATCH, world.acted
    while world.acted == acted:
        if not world.live(until, watching=True):
            return False
    print("\n".join(world.lines))
    world.lines.clear()
    outages = world.shop.outages
    world.live(world.now + (LINES - 1) * STEP)
    print("\n".join(world.lines))
    world.live(world.now + 300 - LINES * STEP)
    print(f"  ... and within five minutes {world.shop.outages - outages or 'no'} outage")
    return world.shop.outages == outages


def _ask_registry(store: str, now: float) -> bool:
    """Print how it came out; whether there was an announcement before an error, and acting kept errors away."""
    command = [sys.executable, "-m", "llama_logging", "predict", "status", "--store", store, "--limit", "12"]
    _say(f"How it came out: llama-logging {' '.join(command[3:])}")
    opened = open_registry(urls.parse(store))
    try:
        opened.settle_predictions(datetime.fromtimestamp(now - GRACE, UTC))
        hits = [one for one in opened.predictions(limit=KEPT) if one.fate is Fate.HIT and (one.lead or 0) > 0]
        found = [effect for effect in effects(opened.prediction_arms()) if effect.difference is not None]
    finally:
        opened.close()
    subprocess.run(command, check=False)
    return bool(hits) and any((effect.high or 0) < 0 for effect in found)


def _say(text: str) -> None:
    colour, plain = ("\x1b[1;36m", "\x1b[0m") if wants_colour(sys.stdout) else ("", "")
    print(f"\n{colour}>> {text}{plain}", flush=True)


_world: World | None = None
