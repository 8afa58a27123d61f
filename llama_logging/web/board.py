"""What all pages of a dashboard share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llama_logging.recovery.rules import Rule
from llama_logging.web.desk import Desk
from llama_logging.web.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What all pages share.

    Attributes:
        keys: None where nobody can sign in.
        read_only: Nothing can be changed.
        private: Reading needs a session, too.
        journals: Folders in which journals of the registry may lie; empty where that is not known.
        rules: The recovery rules, where the configuration is known.
        failure: Says why errors do not come in; empty if they do.
    """

    desk: Desk
    keys: Keys | None
    read_only: bool
    private: bool
    journals: Sequence[str] = ()
    rules: Sequence[Rule] = ()
    failure: Callable[[], str] = field(default=lambda: "")

    @property
    def why_not(self) -> str:
        """Why a browser without session may change nothing."""
        if self.keys is None:
            return "This dashboard only shows: it was given no token."
        if self.read_only:
            return "This dashboard only shows: it was started with --read-only."
        return "To change something, open the link that llama-logging serve has printed."
