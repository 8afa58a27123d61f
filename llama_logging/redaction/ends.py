"""Where a value ends that began behind `password=`: at its quotes, its brackets, or what an operator joins to it.

Data ends with its bracket, and may have lines of its own.
"""

from __future__ import annotations

from llama_logging.patterns import regex
from llama_logging.redaction.credentials import BLANKS, FAR, LONGEST, PREFIX, QUOTED

# What goes on behind a value: a literal next to one, and what an operator joins to it, to its end or its bracket.
_NEXT = regex(rf"(?<=['\"])[ \t]{{1,3}}{PREFIX}{QUOTED}")
_JOINED = regex(
    rf"{BLANKS}(?:\+|or\b|\|\||\?\?|%|=(?!=)|if\b[^'\"\n]{FAR}\belse\b){BLANKS}"
    rf"(?:{PREFIX}{QUOTED}|[\w.]*+[(\[{{])"
)
_BEHIND = frozenset(" \t+|?%=")
_BRACKET = regex(rf"{QUOTED}|[()\[\]{{}}]")


def end_of(text: str, begin: int, end: int) -> int:
    """Where what began as a value really ends: `Box('x')`, `get("X") or "y"`, `"a" "b"`."""
    if text[end - 1] not in "'\"":
        value = text[begin:end]
        if value[0] == "<" and ">" not in value:
            line = _line(text, end)
            return text.find(">", end, line) + 1 or line
        if "(" in value or "[" in value or "{" in value:
            depth = sum(map(value.count, "([{")) - sum(map(value.count, ")]}"))
            if depth > 0:
                end = _closed(text, end, _far(text, end) if "\n" in value else _line(text, end), depth)
    # Else nothing goes on, and most often nothing does.
    while text[end : end + 1] in _BEHIND and (more := _NEXT.match(text, end) or _JOINED.match(text, end)) is not None:
        end = more.end()
        if text[end - 1] in "([{":
            end = _closed(text, end, _line(text, end))
    return end


def end_of_data(text: str, begin: int) -> int:
    """Where the bracket before *begin* is closed; if it is not, the end of as much as a secret may take."""
    return _closed(text, begin, _far(text, begin))


def _closed(text: str, end: int, limit: int, depth: int = 1) -> int:
    """Where *depth* brackets are closed; *limit* if they are not."""
    for found in _BRACKET.finditer(text, end, limit):
        if found[0] in "([{":
            depth += 1
        elif found[0] in ")]}":
            depth -= 1
            if not depth:
                return found.end()
    return limit


def _line(text: str, position: int) -> int:
    """The end of the line at *position*, or of as much of it as a secret may take."""
    end = text.find("\n", position, position + LONGEST)
    return end if end >= 0 else _far(text, position)


def _far(text: str, position: int) -> int:
    return min(len(text), position + LONGEST)
