"""The strategies that are shipped, by the name a rule uses."""

from __future__ import annotations

from llama_logging.recovery.strategies.fallback import FallbackText, FallbackValue
from llama_logging.recovery.strategies.ollama import OllamaRestart
from llama_logging.recovery.strategies.wait_and_probe import WaitAndProbe
from llama_logging.recovery.strategy import Call, Strategy

SHIPPED: dict[str, type[Strategy]] = {
    cls.name: cls for cls in (WaitAndProbe, OllamaRestart, Call, FallbackValue, FallbackText)
}
