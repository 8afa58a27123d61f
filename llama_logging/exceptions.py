"""Every error this package raises.

LlamaLoggingError
├── ConfigError        (also a ValueError)   the YAML or an option asks for something impossible
├── StoreError         the registry could not be read or written
├── ErrorNotFound      (also a LookupError)  no error in the registry has this id
└── MissingExtraError  (also an ImportError) an optional dependency is not installed
"""


class LlamaLoggingError(Exception):
    """Base of every error this package raises."""


class ConfigError(LlamaLoggingError, ValueError):
    """The YAML or an option asks for something impossible."""


class StoreError(LlamaLoggingError):
    """The registry could not be read or written."""


class ErrorNotFound(LlamaLoggingError, LookupError):
    """No error in the registry has this id."""


class MissingExtraError(LlamaLoggingError, ImportError):
    """An optional dependency is not installed; the message says what to install."""
