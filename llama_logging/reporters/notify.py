"""Reports through apprise, which knows some hundred services: the door to that package."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from llama_logging.capture.fingerprint import digest
from llama_logging.config.options import Options
from llama_logging.exceptions import ConfigError, MissingExtraError, ReportError
from llama_logging.reporters.report import Report

try:
    import apprise as _installed
except ImportError:
    apprise: Any = None
else:
    apprise = _installed


@dataclass(frozen=True)
class AppriseReporter:
    """Sends each report to all of *urls*, https://github.com/caronc/apprise/wiki says which there are.

    One that is tried again goes to those alone that have not taken it.
    """

    urls: tuple[str, ...]

    option_names: ClassVar[tuple[str, ...]] = ("urls",)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        if apprise is None:
            raise MissingExtraError("it needs the package apprise: pip install 'llama_logging[notify]'")
        return cls(tuple(options.required("urls", lambda urls: options.every("urls", urls, _url))))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The URLs."""
        return self.urls

    def send(self, report: Report, timeout: float) -> None:
        """Send it; apprise tells no more than whether it went well."""
        until = time.monotonic() + timeout
        left = [url for url in self.urls if digest(url) not in report.taken]
        taken = [url for url in left if time.monotonic() < until and _sent(url, report)]
        if len(taken) < len(left):
            failed = len(left) - len(taken)
            raise ReportError(
                f"apprise could not send it to {failed} of {len(self.urls)} URLs; its own log tells more",
                # Those that take it are not to wait for one that is down.
                refused=failed < len(self.urls),
                taken=tuple(map(digest, taken)),  # each is a secret
            )


def _sent(url: str, report: Report) -> bool:
    service = apprise.Apprise()
    service.add(url)
    return bool(service.notify(title=report.title, body=report.message, body_format=apprise.NotifyFormat.TEXT))


def _url(_place: str, given: object) -> str:
    if not isinstance(given, str) or not apprise.Apprise().add(given):
        raise ConfigError("apprise does not know what to do with it")
    return given
