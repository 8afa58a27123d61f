"""Rules that are ready made: `- use: ollama` among the rules stands for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_logging.config.options import Options
from llama_logging.config.values import did_you_mean
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.presets import ollama

About = Callable[[ErrorContext], bool]
"""Which errors a preset is for at all."""

PRESETS: dict[str, tuple[tuple[str, ...], Callable[[Options], tuple[list[dict[str, Any]], About]]]] = {
    "ollama": (ollama.OPTIONS, ollama.preset),
}
"""By name: the options it takes, and what makes rules of them, as the YAML would have them."""


def expanded(options: Options, place: str, given: dict[str, Any]) -> tuple[list[dict[str, Any]], About]:
    """The rules that *given* stands for, itself unless it says `use`, and what all of them are about.

    Raises:
        ConfigError: If there is no such preset.
    """
    if "use" not in given:
        return [given], bool
    name = given["use"]
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}{did_you_mean(name, PRESETS)}; expected one of {', '.join(PRESETS)}")
    known, make = PRESETS[name]
    return make(options.nested(place, given, ("use", *known)))
