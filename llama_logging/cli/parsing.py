"""The parser of a command: what is mistyped is told by that command, with the nearest right word."""

from __future__ import annotations

import argparse
from typing import Any

from llama_logging.config.values import did_you_mean


class Parser(argparse.ArgumentParser):
    """Those of its own commands are of this class, too."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, where nothing is unknown: it would leave that to the parser above, which has other options."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = next((word.partition("=")[0] for word in unknown if word.startswith("--")), "")
            hint = did_you_mean(option, self._option_string_actions) if option else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        hint = did_you_mean(value, map(str, action.choices or ()))
        # Without it, all there are.
        if hint and value not in (action.choices or ()):
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint}")
        super()._check_value(action, value)
