"""SQL with its parameters, as SQLAlchemy prints them: the values stand in the one, their names in the other."""

from __future__ import annotations

from llama_logging.patterns import regex
from llama_logging.redaction.credentials import PREFIX, QUOTED, REDACTED
from llama_logging.redaction.keys import is_secret

PARAMETERS = "[parameters: "
_SQL = "[SQL: "
_LONGEST = 16_384
"""Characters of a statement that are looked into."""

_INSERT = regex(r"(?i)\s*(?:INSERT|REPLACE)\b[^()]{0,256}\(([^()]*)\)[^()?%]{0,256}\bVALUES\b")
# A place for a value; a column and what compares or sets it; a text; what parts the values of a row.
_IN_SQL = regex(
    r"(?P<place>\?|%s|\$\d{1,5}|(?<![:\w]):\d{1,5}|@P\d{1,5})"
    r"|(?<!\w)(?P<column>[a-zA-Z_]\w*)[\\\"`\]]{0,5}\s{0,3}(?:[=<>!]|(?i:NOT\s{1,3})?(?i:I?LIKE|IN)\b)"
    r"|'[^']*'|(?P<sign>[(),])"
)
_IN_ROW = regex(rf"{PREFIX}{QUOTED}|[()\[\]{{}},]")
_KEY = regex(r"\s*\\{0,4}['\"]([^'\"\\]{1,64})\\{0,4}['\"]:\s")
# `token__0`, of a row of many, and `token_1`, of a comparison.
_NUMBER = regex(r"_\d{1,5}$")
_CUT = " truncated "


def without_secrets(text: str) -> str:
    """*text* without the parameters that are for a column whose name is a secret's.

    >>> without_secrets("[SQL: UPDATE u SET password=? WHERE id = ?] [parameters: ('horse', 7)]")
    '[SQL: UPDATE u SET password=? WHERE id = ?] [parameters: ([redacted], 7)]'
    """
    pieces, position = [], 0
    while (found := text.find(PARAMETERS, position)) >= 0:
        begin = found + len(PARAMETERS)
        statement = text.rfind(_SQL, position, found)
        columns = _columns(text[statement + len(_SQL) : found][:_LONGEST]) if statement >= 0 else []
        pieces.append(text[position:begin])
        told, position = _rows(text, begin, columns)
        pieces.append(told)
    return "".join([*pieces, text[position:]])


def _columns(sql: str) -> list[str]:
    """What each place for a value is for, in their order; empty where nothing tells."""
    insert = _INSERT.match(sql)
    row = [name.strip(' \\"`[]\n') for name in insert[1].split(",")] if insert is not None else []
    columns, column, depth, at = [], "", 0, 0
    for found in _IN_SQL.finditer(sql, insert.end() if insert is not None else 0):
        sign = found["sign"]
        if found["place"]:
            columns.append(row[at] if depth and at < len(row) else column)
        elif found["column"]:
            column = found["column"]
        elif sign == "(":
            depth += 1
            at = 0 if depth == 1 else at
        elif sign == ")":
            depth -= 1
        elif sign and depth == 1:
            at += 1
    return columns


def _rows(text: str, begin: int, columns: list[str]) -> tuple[str, int]:
    """The parameters from *begin* on, and where they end: one row, or a list of them."""
    row = 2 if text[begin : begin + 1] == "[" else 1
    pieces, done, start, depth, at, any_secret = [], begin, begin, 0, 0, any(map(is_secret, columns))
    cut = False
    for found in _IN_ROW.finditer(text, begin):
        sign = found[0]
        if sign in "([{":
            depth += 1
            if depth == row:
                start, at, cut = found.end(), 0, False
            continue
        if depth == row and sign in ",)]}":
            value = text[start : found.start()]
            # Behind what was left out nobody knows the place of a value.
            cut = cut or _CUT in value
            key = _KEY.match(value)
            name = _NUMBER.sub("", key[1]) if key is not None else columns[at] if at < len(columns) else ""
            if (is_secret(name) or (cut and any_secret and key is None)) and value.strip() not in ("", "None"):
                pieces += [text[done : start + (key.end() if key is not None else at > 0)], REDACTED]
                done = found.start()
            start, at = found.end(), at + 1
        if sign in ")]}":
            depth -= 1
            if depth < 1:
                return "".join([*pieces, text[done : found.end()]]), found.end()
    return "".join([*pieces, text[done:]]), len(text)
