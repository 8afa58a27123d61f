"""Reports through apprise, which knows some hundred services: the door to that package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from llama_logging.config import Options, as_text
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
    """Sends each report to all of *urls*, https://github.com/caronc/apprise/wiki says which there are."""

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
        """Send it; apprise tells no more than whether all went well."""
        service = apprise.Apprise()
        for url in self.urls:
            service.add(url)
        if not service.notify(title=report.title, body=report.message, body_format=apprise.NotifyFormat.TEXT):
            raise ReportError("apprise could not send it to every URL; its own log tells more")


def _url(_place: str, given: object) -> str:
    url = as_text(given)
    if not apprise.Apprise().add(url):
        raise ConfigError("apprise does not know what to do with it")
    return url
