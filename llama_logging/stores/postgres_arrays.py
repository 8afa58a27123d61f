"""Rows as PostgreSQL takes many at once: a column of them is one parameter.

psycopg takes longer for each of many than the server for all that it does with them, and JSON takes the server five
times as long. COPY would be faster, but one that waits for a client which was stopped can hardly be ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def unnested(columns: Mapping[str, str], each: str = "?") -> str:
    """The table of arrays, one for each of *columns* of these types; *each* is where it is, a parameter.

    >>> unnested({"shape": "INTEGER PRIMARY KEY", "content": "TEXT"})
    'unnest(CAST(? AS bigint[]), CAST(? AS text[]))'
    """
    return f"unnest({', '.join(f'CAST({each} AS {postgres_type(kind)}[])' for kind in columns.values())})"


def postgres_type(kind: str) -> str:
    """What PostgreSQL calls that *kind* of column, which SQLite calls so."""
    return "bigint" if kind.startswith("INTEGER") else kind.lower()


def arrays(rows: Iterable[Sequence[object]], columns: Mapping[str, str]) -> list[str]:
    """The parameters that have *rows* of these *columns*; there is at least one."""
    return [array(values, kind) for values, kind in zip(zip(*rows, strict=True), columns.values(), strict=True)]


def array(values: Iterable[object], kind: str) -> str:
    r"""*values* of a column of that *kind*; None is NULL.

    >>> array([1, None], "INTEGER"), array(['a "b"', None, "\\"], "TEXT")
    ('{1,NULL}', '{"a \\"b\\"",NULL,"\\\\"}')
    """
    told = _quoted if kind == "TEXT" else str
    return f"{{{','.join('NULL' if value is None else told(value) for value in values)}}}"


def _quoted(text: object) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
