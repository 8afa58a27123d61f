"""Templates: everything in them is escaped, and what could forge or hide text is made visible."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup

from llama_logging.answers.wording import ago, doing, state_of
from llama_logging.visible import counted, noun_for, printable_lines
from llama_logging.web import charts, static


def rendered(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: Name of the file.
        values: What it shows.
    """
    return _templates.get_template(template).render(values)


def cut(text: str, length: int) -> str:
    """*text*, or its beginning.

    >>> cut("abcdef", 4)
    'abc…'
    """
    text = text.rstrip()
    return text if len(text) <= length else text[: length - 1] + "…"


def one_line(text: str, length: int = 300) -> str:
    """The beginning of *text* without line breaks."""
    return cut(" ".join(text[: length * 4].split()), length)


def short(name: str) -> str:
    """A fingerprint without its version."""
    return name.partition(":")[2] or name


def segment(text: str) -> str:
    """*text* as one part of a path."""
    return quote(text, safe=":", errors="replace")


def moment(value: datetime) -> str:
    """For people, to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: float) -> str:
    """With signs that group the digits.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def brief(value: int) -> str:
    """In few digits.

    >>> [brief(n) for n in (999, 1234, 56_789, 7_000_000)]
    ['999', '1.2k', '57k', '7.0M']
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.1f}{unit}" if value < 10 * size else f"{value / size:.0f}{unit}"
    return str(value)


def size(value: int) -> str:
    """Bytes.

    >>> size(2_500_000)
    '2.5 MB'
    """
    for step, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= step:
            return f"{value / step:.1f} {unit}"
    return f"{value} bytes"


def duration(seconds: float) -> str:
    """For people.

    >>> [duration(n) for n in (0, 0.004, 0.2, 42, 90, 7200, 200_000)]
    ['0 s', '4 ms', '0.2 s', '42 s', '2 min', '2 h', '2 d']
    """
    for step, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= step:
            return f"{seconds / step:.0f} {unit}"
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{seconds:.0f} s"


def as_json(value: Any, length: int = 2_000) -> str:
    """*value* as JSON text, its beginning."""
    return cut(json.dumps(value, indent=2, ensure_ascii=False, default=str), length)


def query(values: Mapping[str, Any], **changes: Any) -> str:
    """*values* with *changes* as the query of an address; what is empty is left out."""
    kept = {name: value for name, value in {**values, **changes}.items() if value not in ("", None, 0)}
    return f"?{urlencode(kept, errors='replace')}" if kept else ""


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable_lines(value)
    return "" if value is None else value


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(os.path.join(os.path.dirname(__file__), "templates")),
    autoescape=True,
    auto_reload=False,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_shown,
)
_templates.filters.update(
    {
        function.__name__: function
        for function in (
            cut, one_line, short, segment, moment, number, brief, size, duration, as_json, ago, doing, state_of,
            counted, noun_for,
        )
    }
)  # fmt: skip
_templates.globals.update(version=static.VERSION, query=query, bars=charts.bars, stacked=charts.stacked)
