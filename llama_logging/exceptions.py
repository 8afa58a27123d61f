"""Every error this package raises.

LlamaLoggingError
├── ConfigError        (also a ValueError)   the YAML or an option asks for something impossible
├── StoreError         the registry could not be read or written
├── ErrorNotFound      (also a LookupError)  no error in the registry has this id
├── ReportError        a report could not be sent
└── MissingExtraError  (also an ImportError) an optional dependency is not installed
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class LlamaLoggingError(Exception):
    """Base of every error this package raises."""


class ConfigError(LlamaLoggingError, ValueError):
    """The YAML or an option asks for something impossible."""


class StoreError(LlamaLoggingError):
    """The registry could not be read or written."""

    @classmethod
    def of(cls, error: Exception) -> Self:
        """*error* itself, if it is one; else one that says what it was, for a fault that nobody foresaw."""
        return error if isinstance(error, cls) else cls(f"{type(error).__name__}: {error}")


UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What comes of reading data that are damaged, or were made to look like a registry's."""


class ErrorNotFound(LlamaLoggingError, LookupError):
    """No error in the registry has this id."""


class ReportError(LlamaLoggingError):
    """A report could not be sent; it says so without a secret.

    Attributes:
        retry_after: Seconds for which the receiver asks to be left alone; None if it did not say.
        refused: Whether it is this report that is not taken, while others may be.
        taken: Names of those of the channel's receivers that have taken it, no secrets: `Report.taken` has them
            when it is sent again.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, refused: bool = False, taken: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.retry_after, self.refused, self.taken = retry_after, refused, taken


class MissingExtraError(LlamaLoggingError, ImportError):
    """An optional dependency is not installed; the message says what to install."""
