"""Who may look, and who may change something: tokens, sessions, and the proof that a form is ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llama_logging.exceptions import ConfigError

SESSION = 7 * 86_400
"""Seconds for which a browser stays signed in."""
SHORTEST = 16
"""Characters of a token that somebody chose."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has shown the token.

    Attributes:
        csrf: What a form of this session must carry.
    """

    csrf: str = field(repr=False)


class Keys:
    """Knows the token and the sessions that were begun with it; nothing is kept for one before it is ended.

    Args:
        token: Signs in as often as it is shown; one of this process's own, which signs in once, for None.
        renewed: Gets a new token when that of this process was used.
        clock: Seconds since the epoch.

    Raises:
        ConfigError: If the token is too short to withstand guessing.
    """

    def __init__(
        self, token: str | None = None, renewed: Callable[[str], object] = str, clock: Clock = time.time
    ) -> None:
        if token is not None and len(token) < SHORTEST:
            raise ConfigError(f"the dashboard's token must have at least {SHORTEST} characters")
        self._once = token is None
        self.token = token or secrets.token_urlsafe(32)
        # From a token that is given: a session then outlives a restart, and is one for all workers.
        self._secret = (
            secrets.token_bytes(32) if token is None else hashlib.sha256(f"session {token}".encode()).digest()
        )
        self._renewed = renewed
        self._clock = clock
        # Of sessions that were ended before their time: what their cookies hold, and when they would have ended.
        self._ended: dict[str, int] = {}

    def admits(self, shown: str) -> bool:
        """Whether *shown* is the token; one that signs in once is then another."""
        if not hmac.compare_digest(shown.encode(), self.token.encode()):
            return False
        if self._once:
            self.token = secrets.token_urlsafe(32)
            self._renewed(self.token)
        return True

    def begin(self) -> str:
        """A cookie's value that `session` knows."""
        content = f"{int(self._clock()) + SESSION}.{secrets.token_urlsafe(16)}"
        return f"{content}.{self._signed(content)}"

    def session(self, cookie: str) -> Session | None:
        """The session that a cookie stands for; None if it stands for none, or was one."""
        content, _, signature = cookie.rpartition(".")
        if not content or not hmac.compare_digest(signature.encode(), self._signed(content).encode()):
            return None
        if _end_of(content) < self._clock() or content in self._ended:
            return None
        return Session(self._signed(f"form {content}"))

    def end(self, cookie: str) -> None:
        """Have a cookie and all copies of it stand for no session any more, here and as long as this process runs."""
        if self.session(cookie) is None:
            return
        content, now = cookie.rpartition(".")[0], self._clock()
        still = {each: until for each, until in self._ended.items() if until >= now}
        self._ended = {**still, content: _end_of(content)}

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _end_of(content: str) -> int:
    """When the session ends whose cookie holds that, in seconds since the epoch."""
    return int(content.partition(".")[0])
