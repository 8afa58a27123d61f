"""Has the application do it another way for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.recovery.flags import flags
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy


@dataclass(frozen=True)
class FlagToggle(Strategy):
    """Sets a flag that the application asks for: a smaller model, a mirror, a feature left out."""

    name: ClassVar[str] = "flag.toggle"
    option_names: ClassVar[tuple[str, ...]] = ("flag", "value", "lasting")
    verified: ClassVar[bool] = False
    flag: str
    value: object
    lasting: float | None = None

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `flag`, its name; `value`, anything YAML can say; `lasting`, seconds, else as the process."""
        return cls(
            options.required("flag", as_text),
            options.required("value", lambda value: value),
            options.read("lasting", as_seconds, None),
        )

    @property
    def intent(self) -> str:
        """Says what it will be."""
        lasting = "" if self.lasting is None else f" for {self.lasting:g} s"
        return f"have the flag {self.flag} be {self.value!r}{lasting}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Set it; set again, it lasts anew. What failed may be tried again the other way."""
        flags.set(self.flag, self.value, self.lasting)
        return verdict("", self.intent)
