"""Small changes of a module's source, for `benchmarks.mutants` to try.

Most are made by the operators of cosmic-ray, which know nothing of SQL and regular expressions, and leave no
statement out: those are below.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

EACH = 2
"""Replacements of one kind at one place that are tried."""

SQL = (
    (r">=", ">"), (r"<=", "<"), (r" < ", " <= "), (r" > ", " >= "), (r" = ", " <> "), (r" <> ", " = "),
    (r" \+ ", " - "), (r" - ", " + "), (r" / ", " * "), (r"\bAND\b", "OR"), (r"\bOR\b", "AND"), (r"\bmin\(", "max("),
    (r"\bmax\(", "min("), (r"\bsum\(", "count("), (r"\bDESC\b", "ASC"), (r"\bASC\b", "DESC"),
    (r"\bIS NULL\b", "IS NOT NULL"), (r"\bIS NOT NULL\b", "IS NULL"), (r"\bLEFT JOIN\b", "JOIN"),
    (r"\bNOT EXISTS\b", "EXISTS"), (r"\b(NOT )?IN \(", "= ("), (r"(?<![\w?'])0(?!\w)", "1"),
    (r"(?<!SELECT )(?<![\w?'])1(?!\w)", "2"), (r"\bDISTINCT ", ""), (r" UNION ALL ", " UNION "),
    (r" DO NOTHING", " DO UPDATE"), (r"'\w+'", "'x'"),
)  # fmt: skip
PATTERN = (
    (r"\(\?<!", "(?<="), (r"\(\?<=", "(?<!"), (r"\(\?!", "(?="), (r"\(\?=", "(?!"), (r"\[\^", "["),
    (r"(?<=[\])\w.])\+(?!\+)", ""), (r"(?<=[\])\w.])\*", "+"), (r"(?<=[\])}\w])\?", ""), (r"\\d", r"\\D"),
    (r"\\w", r"\\W"), (r"\\s", r"\\S"), (r"\(\?i:", "(?:"), (r"\\b", ""),
)  # fmt: skip
_IS_SQL = re.compile(r"\b(SELECT|FROM|WHERE|UPDATE|SET|ORDER BY|GROUP BY|JOIN|AND|CASE|END|VALUES|INSERT)\b")
_COUNTS = re.compile(r"\{(\d+)(,?)(\d*)\}+?")


Change = tuple[str, tuple[int, int], str]
"""Its kind, where it is, and the source with it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module.

    Attributes:
        function: First and last line of the function that it is inside of; None if it is in none.
        told: What was changed, for people.
    """

    source: str
    line: int
    kind: str
    told: str
    function: tuple[int, int] | None


def mutants(source: str, names: Sequence[str], seed: int = 0) -> list[Mutant]:
    """Those that are tried of *source*, in a random order."""
    tree, rng = ast.parse(source), random.Random(seed)
    meant = _spans(tree, names)
    found: dict[tuple[str, tuple[int, int]], list[str]] = {}
    same = _meaning(ast.parse(source))
    for kind, start, changed in (*_operators(source), *_left_out(source, tree), *_texts(source)):
        if meant and not any(first <= start[0] <= last for first, last in meant):
            continue
        with contextlib.suppress(SyntaxError):
            if _meaning(ast.parse(changed)) != same:
                found.setdefault((kind, start), []).append(changed)
    chosen: list[Mutant] = []
    for (kind, (line, _)), each in found.items():
        for changed in rng.sample(each, min(EACH, len(each))):
            chosen.append(Mutant(changed, line, kind, _difference(source, changed), _function(tree, line)))
    rng.shuffle(chosen)
    return chosen


def _operators(source: str) -> Iterator[Change]:
    """What cosmic-ray makes of it, but `is` for `==`: which numbers and texts are one is up to the interpreter."""
    plugins = importlib.import_module("cosmic_ray.plugins")
    starts, nodes = _starts(source), list(_walk(_parsed(source)))
    for name in sorted(plugins.operator_names()):
        if "Variable" in name or re.search(r"(?<!Is)(?<!IsNot)_Is(Not)?$", name):
            continue
        operator = plugins.get_operator(name)()
        for node in nodes:
            places = list(operator.mutation_positions(node))
            (line, column), (last, end) = node.get_start_pos_of_prefix(), node.end_pos
            for number, place in enumerate(places):
                # It changes the tree in place.
                was = [
                    (each, [*each.children] if hasattr(each, "children") else None, getattr(each, "value", ""))
                    for each in _walk(node)
                ]
                text = ""
                with contextlib.suppress(AttributeError):  # `except socket.timeout` is more than a name
                    text = operator.mutate(node, number).get_code()
                for each, children, value in was:
                    if children is not None:
                        each.children[:] = children
                    else:
                        each.value = value
                yield (
                    name.split("/")[-1].split("_")[0],
                    place[0],
                    source[: starts[line - 1] + column] + text + source[starts[last - 1] + end :],
                )


def _parsed(source: str) -> Any:
    """As cosmic-ray's operators want it."""
    return importlib.import_module("parso").parse(source)


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def _starts(source: str) -> list[int]:
    """Where each line begins."""
    return [0, *(match.end() for match in re.finditer("\n", source))]


def _left_out(source: str, tree: ast.Module) -> Iterator[Change]:
    """Calls, assignments to what lives longer, and `raise` left out (statement deletion: Untch, ACM SE 2009)."""
    for node in ast.walk(tree):
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        kept = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript)
        if call or kept or isinstance(node, ast.AugAssign | ast.Raise):
            assert isinstance(node, ast.stmt)
            lines = source.splitlines(keepends=True)
            begin, end = node.lineno - 1, (node.end_lineno or 0) - 1
            before, after = lines[begin].encode()[: node.col_offset], lines[end].encode()[node.end_col_offset :]
            lines[begin : end + 1] = [f"{before.decode()}pass{after.decode()}", *["\n"] * (end - begin)]
            yield "LeaveOut", (node.lineno, node.col_offset), "".join(lines)


def _texts(source: str) -> Iterator[Change]:
    """Changes within SQL and regular expressions."""
    starts = _starts(source)
    for leaf in _walk(_parsed(source)):
        if leaf.type not in ("string", "fstring_string"):
            continue
        text = leaf.value
        raw = text if leaf.type == "string" else leaf.parent.children[0].value
        offset = starts[leaf.start_pos[0] - 1] + leaf.start_pos[1]
        changes: list[tuple[int, int, str]] = []
        if re.match(r"[bf]*r", raw):
            changes += [(*m.span(), m.expand(by)) for sign, by in PATTERN for m in re.finditer(sign, text)]
            changes += [(*m.span(), by) for m in _COUNTS.finditer(text) for by in _other_counts(m)]
        elif _IS_SQL.search(text):
            changes += [(*m.span(), m.expand(by)) for sign, by in SQL for m in re.finditer(sign, text)]
        for begin, end, by in changes:
            at = offset + begin
            line = leaf.start_pos[0] + text.count("\n", 0, begin)
            yield "Text", (line, at), f"{source[:at]}{by}{source[offset + end :]}"


def _other_counts(match: re.Match[str]) -> Iterator[str]:
    """`{2,5}` is `{3,5}` or `{2,4}`."""
    whole, low, comma, high = match[0], int(match[1]), match[2], match[3]
    yield whole.replace(f"{{{low}", f"{{{low + 1}")
    if high:
        yield whole.replace(f",{high}}}", f",{int(high) - 1}}}")
    elif comma:
        yield whole.replace(f"{{{low}", f"{{{max(0, low - 1)}")


def _meaning(tree: ast.Module) -> str:
    """What is left without annotations and docstrings, which change nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(0)
        elif isinstance(node, ast.arguments):  # who may name an argument, and who must
            node.defaults += [each for each in node.kw_defaults if each is not None]
            node.args, node.posonlyargs, node.kwonlyargs = [*node.posonlyargs, *node.args, *node.kwonlyargs], [], []
            node.kw_defaults = []
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [each for each in body if not _is_text(each)]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _spans(tree: ast.Module, names: Sequence[str]) -> list[tuple[int, int]]:
    """First and last lines of what has one of these *names*."""
    found = []
    for node in ast.walk(tree):
        named = {getattr(node, "name", "")}
        if isinstance(node, ast.Assign):
            named = {to.id for to in node.targets if isinstance(to, ast.Name)}
        if isinstance(node, ast.stmt) and named & set(names):
            found.append((node.lineno, node.end_lineno or 0))
    return found


def _function(tree: ast.Module, line: int) -> tuple[int, int] | None:
    """The outermost function whose body has that *line*: from its first decorator to its end."""
    inner = [each for node in tree.body if isinstance(node, ast.ClassDef) for each in node.body]
    for node in [*tree.body, *inner]:
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line <= (node.end_lineno or 0):
            return min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno or 0
    return None


def _difference(before: str, after: str) -> str:
    pairs = [(a.strip(), b.strip()) for a, b in zip(before.splitlines(), after.splitlines(), strict=False) if a != b]
    return f"{pairs[0][0]}   ->   {pairs[0][1]}" if pairs else ""
