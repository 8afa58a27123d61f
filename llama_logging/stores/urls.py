"""Names of stores: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, `postgresql://user@host/database`."""

from __future__ import annotations

import os
import re

from llama_logging.exceptions import ConfigError
from llama_logging.frozen import Frozen
from llama_logging.journal.places import directories_elsewhere, directories_for
from llama_logging.patterns import regex
from llama_logging.plugins import STORES, plugin
from llama_logging.runtime.state import absolute

VARIABLE = "LLAMA_LOGGING_STORE"
"""Names the store where nothing else does."""
DEFAULT = "sqlite:///llama_logging.db"
"""The default store: a file in the folder the process was started in."""
NEEDED = "a PostgreSQL store needs psycopg: pip install 'llama_logging[postgres]'"
"""What to say where psycopg cannot be imported."""
SCHEMA = "llama_logging"
"""The default schema of a PostgreSQL store: names such as `errors` would else meet the application's own."""

POSTGRES = ("postgresql", "postgres")

_SQLITE = "sqlite:///"
_POSTGRES = regex(
    r"(?P<scheme>postgres(?:ql)?://)(?:(?P<user>[^:@/?\s]*)(?P<secret>:[^@/?\s]*)?@)?(?P<hosts>[^/?@\s]*)"
    r"(?:/(?P<database>[^/?@\s]*))?(?:\?(?P<options>[^\s?]*))?"
)
# libpq shows all of a word in which a stray % stands, and an option that is half of a value with an & in it.
_STRAY = regex(r"%(?:00|(?![0-9a-fA-F]{2}))")
_HALF = regex(r"(?:^|&)[^=&]+(?:&|$)")
_USER_INFO = regex(r"//.*@", re.DOTALL)
_SECRET = regex(r"((?:^|&)[^=&]*(?:password|secret)[^=&]*=)([^&]*)", re.IGNORECASE)
_NAME = regex(r"[a-z_][a-z0-9_]{0,62}")


class StoreURL(Frozen, kw_only=False):
    """A store's name.

    Attributes:
        url: All of it, a password too: to connect by, and to know the store by. Texts show `str()`.
        path: The file of a SQLite store, absolute: the process may change its folder later. Otherwise empty.
        shown: What may be shown.
        schema: Where the tables of a PostgreSQL store are.
        place: Which registry another store is, whoever asks for it: of PostgreSQL hosts, database, schema.
    """

    url: str
    path: str
    shown: str = ""
    schema: str = ""
    place: str = ""

    def __str__(self) -> str:
        return self.shown or self.url

    def __repr__(self) -> str:
        return f"StoreURL({str(self)!r})"

    @property
    def scheme(self) -> str:
        """What kind of store it is."""
        return self.url.partition("://")[0]

    @property
    def secrets(self) -> list[str]:
        """What no text may hold, longest first: the passwords of a PostgreSQL store, as written and as they are."""
        parts = _POSTGRES.fullmatch(self.url)
        if parts is None:
            return []
        from urllib.parse import unquote  # as in `_postgres`

        written = [(parts["secret"] or "")[1:], *(value for _, value in _SECRET.findall(parts["options"] or ""))]
        return sorted(filter(None, (*written, *map(unquote, written))), key=len, reverse=True)

    @property
    def directories(self) -> list[str]:
        """Where its journals may lie: writers take the first that they can, readers look into all."""
        if self.path:
            return directories_for(self.path)
        return directories_elsewhere(re.sub(r"[^\w.-]", "_", self.place.partition(" ")[0])[:40], self.place)

    @property
    def state(self) -> str:
        """That of them which lies among the user's state."""
        return self.directories[1 if self.path else 0]


def parse(url: object, folder: str = "") -> StoreURL:
    """Read the name of a store.

    Args:
        folder: Where a relative path begins; default the current folder.

    Raises:
        ConfigError: If it is not one.
    """
    if isinstance(url, str) and url.startswith(_SQLITE) and url != _SQLITE:
        path = absolute(os.path.join(folder, os.path.expanduser(url.removeprefix(_SQLITE))))
        return StoreURL(_SQLITE + path, path)
    scheme, found, _ = url.partition("://") if isinstance(url, str) else ("", "", "")
    if isinstance(url, str) and scheme in POSTGRES:
        return _postgres(url)
    given = _USER_INFO.sub("//***@", url) if isinstance(url, str) else url
    if isinstance(url, str) and found and plugin(STORES, scheme) is not None:
        return StoreURL(url, "", str(given), place=str(given))
    raise ConfigError(
        f"unknown store {given!r}; expected sqlite:///PATH, such as {DEFAULT}, or postgresql://HOST/DATABASE"
    )


def default(folder: str = "") -> StoreURL:
    """The store of `LLAMA_LOGGING_STORE`, else the default one; *folder* as for `parse`.

    Raises:
        ConfigError: If the variable holds something else.
    """
    return parse(os.environ.get(VARIABLE) or DEFAULT, folder)


def _postgres(url: str) -> StoreURL:
    parts = _POSTGRES.fullmatch(url)
    if parts is None or _STRAY.search(url) or _HALF.search(parts["options"] or ""):
        # Nothing of it is shown: what is a password in it cannot be told.
        raise ConfigError(
            "a store's postgresql:// URL cannot be read: @ : / ? % & and spaces in a name or password "
            "are written %40 %3A %2F %3F %25 %26 %20"
        )
    from urllib.parse import parse_qsl, unquote  # here and not above: most stores are files

    options = parse_qsl(parts["options"] or "", keep_blank_values=True)
    schema = dict(options).get("schema", SCHEMA)
    if not _NAME.fullmatch(schema):
        raise ConfigError(f"schema {schema!r} of the store: expected small letters, digits and _")
    plain = {name: value for name, value in options if name in ("host", "port", "dbname")}
    database = unquote(parts["database"] or "") or plain.get("dbname", "")
    hosts = ",".join(sorted(filter(None, [*parts["hosts"].split(","), plain.get("host"), plain.get("port")])))
    user = f"{parts['user']}{':***' if parts['secret'] else ''}@" if parts["user"] or parts["secret"] else ""
    shown = parts["scheme"] + user + parts["hosts"]
    shown += f"/{parts['database']}" if parts["database"] is not None else ""
    shown += "?" + _SECRET.sub(r"\1***", parts["options"]) if parts["options"] else ""
    return StoreURL(url, "", shown, schema, f"{database or 'postgresql'} {schema} {hosts}")


def without_schema(url: StoreURL) -> str:
    """The URL as libpq takes it: `schema` is ours alone."""
    before, _, options = url.url.partition("?")
    kept = "&".join(option for option in options.split("&") if not option.startswith("schema="))
    return f"{before}?{kept}" if kept else before
