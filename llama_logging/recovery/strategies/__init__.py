"""The strategies that are shipped, by the name a rule uses; each is imported when a rule names it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from llama_logging import plugins
from llama_logging.recovery.strategy import Strategy

SHIPPED = {
    "wait_and_probe": "strategies.wait_and_probe:WaitAndProbe",
    "wait_for_dependency": "strategies.wait_and_probe:WaitForDependency",
    "retry": "strategies.later:Retry",
    "rate_limit": "strategies.later:RateLimit",
    "db.reconnect": "strategies.hooked:DbReconnect",
    "process.restart": "strategies.hooked:ProcessRestart",
    "reload_config": "strategies.hooked:ReloadConfig",
    "sqlite.busy": "strategies.sqlite_busy:SqliteBusy",
    "disk.free": "strategies.disk_free:DiskFree",
    "fd.relief": "strategies.relief:FdRelief",
    "memory.relief": "strategies.relief:MemoryRelief",
    "dns.refresh": "strategies.dns_refresh:DnsRefresh",
    "tls.recheck": "strategies.tls_recheck:TlsRecheck",
    "token.refresh": "strategies.token_refresh:TokenRefresh",
    "systemd.restart": "strategies.services:SystemdRestart",
    "docker.restart": "strategies.services:DockerRestart",
    "k8s.rollout": "strategies.services:K8sRollout",
    "command": "strategies.command:Command",
    "flag.toggle": "strategies.flag_toggle:FlagToggle",
    "notify": "strategies.notify:Notify",
    "call": "strategy:Call",
    "fallback_value": "strategies.fallback:FallbackValue",
    "advice": "strategies.advice:Advice",
    "ollama.wait": "strategies.ollama.wait:OllamaWait",
    "ollama.warm": "strategies.ollama.warm:OllamaWarm",
    "ollama.unload": "strategies.ollama.unload:OllamaUnload",
    "ollama.smaller_model": "strategies.ollama.smaller_model:OllamaSmallerModel",
    "ollama.reduce_context": "strategies.ollama.reduce_context:OllamaReduceContext",
    "ollama.restart": "strategies.ollama.restart:OllamaRestart",
    "ollama.pull": "strategies.ollama.pull:OllamaPull",
    "llm.reask_json": "strategies.reask_json:ReaskJson",
    "llm.fallback_model": "strategies.fallback_model:FallbackModel",
    "llm.fallback_text": "strategies.fallback:FallbackText",
}
"""Where each is, below `llama_logging.recovery`."""


def load(name: str) -> type[Strategy] | Callable[..., Any] | None:
    """The strategy of that name, shipped or of another package, which may be a function; None if there is none.

    Raises:
        ConfigError: If another package names one, or a dotted path does, that cannot be imported.
    """
    if name in SHIPPED:
        module, _, cls = SHIPPED[name].partition(":")
        found: type[Strategy] = getattr(importlib.import_module(f"llama_logging.recovery.{module}"), cls)
        return found
    other: type[Strategy] | Callable[..., Any] | None = plugins.plugin(plugins.STRATEGIES, name)
    return other
