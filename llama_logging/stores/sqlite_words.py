"""The index of words in SQLite: FTS5 tables without content; what is found is a row's number, and no more is asked.

From such a table only who knows the words can delete them. So those of groups are kept beside it, and those of errors
divided by their positions: a table of these goes whole, once there are none of its errors any more, and all of them go
once most errors are gone that have words in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from llama_logging.stores import words
from llama_logging.stores.statements import REMEMBER, Execute, marks, only, parts

SPAN = 2_000_000
"""Errors whose words are in one table; each that is asked takes some 0.1 ms."""

_FEW = 500
"""Groups whose words are looked through; of more, all that have a word are asked for."""
_MERGED, _PAGES = 50, 16
"""Groups whose words are deleted before so many pages are merged: until then both take room (sqlite.org/fts5.html)."""
_OVER = 3
"""So many times as many errors as are kept may have words in the index: then it is begun anew, as after an update."""
_COUNT = "errors in the index"
_OF_ERRORS = re.compile(r"error_words_(\d+)")


class Words(words.Index):
    """See `words.Index`."""

    def put(self, execute: Execute, table: str, rows: Sequence[tuple[int, str, int]]) -> None:
        made: set[str] = set()
        if table == "error_words":
            self._count(execute, self._indexed(execute) + len(rows))
        for number, text, _ in rows:
            name = table if table == "group_words" else f"{table}_{number // SPAN}"
            if name not in made:
                made.add(name)
                # Short beginnings have an index of their own: they are those of very many words.
                execute(
                    f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING fts5(words, content='', detail=none, "
                    "columnsize=0, prefix='2 3', tokenize=\"unicode61 remove_diacritics 0 tokenchars '_'\")"
                )
            execute(f"INSERT INTO {name} (rowid, words) VALUES (?, ?)", (number, text))
            if table == "group_words":
                execute("INSERT INTO group_texts VALUES (?, ?)", (number, text))

    def drop(self, execute: Execute, groups: Sequence[int]) -> None:
        for part in parts(groups, _MERGED):
            known = list(self.of_groups(execute, part))
            for row in known:
                execute("INSERT INTO group_words (group_words, rowid, words) VALUES ('delete', ?, ?)", row)
            if known:
                execute(f"INSERT INTO group_words (group_words, rank) VALUES ('merge', -{_PAGES})")
            execute(f"DELETE FROM group_texts WHERE id IN ({marks(part)})", part)

    def forget(self, execute: Execute) -> None:
        """Drop the words of errors that are gone: tables of which none is left; all, to begin anew, once most are."""
        indexed = self._indexed(execute)
        if not indexed:
            return
        reached = self._reached(execute, "errors indexed")
        first, kept = execute("SELECT coalesce(min(position), ?), count(*) FROM errors", (reached,)).fetchone()
        is_anew = indexed > _OVER * kept + _FEW
        gone = [number for number in self._numbers(execute) if is_anew or (number + 1) * SPAN <= first]
        for number in gone:
            execute(f"DROP TABLE error_words_{number}")
        if is_anew:
            execute("UPDATE registry SET value = '0' WHERE name = 'errors indexed'")
        if gone:
            self._count(execute, 0 if is_anew else max(kept, indexed - len(gone) * SPAN))

    def _indexed(self, execute: Execute) -> int:
        """How many errors have words in the index, those that are gone as well."""
        # In a registry of before they were counted, as many as it has come to.
        ask = "SELECT value FROM registry WHERE name IN (?, 'errors indexed') ORDER BY name = ? DESC LIMIT 1"
        return int(only(execute(ask, (_COUNT, _COUNT))))

    def _count(self, execute: Execute, indexed: int) -> None:
        execute(REMEMBER, (_COUNT, str(indexed)))

    def _numbers(self, execute: Execute) -> list[int]:
        """Of the tables for errors, the newest first."""
        rows = execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'error_words_*'")
        return sorted((int(found[1]) for (name,) in rows if (found := _OF_ERRORS.fullmatch(name))), reverse=True)

    def of_groups(self, execute: Execute, groups: Sequence[int]) -> Iterable[tuple[int, str]]:
        rows = execute(f"SELECT id, words FROM group_texts WHERE id IN ({marks(groups)})", groups)
        return list(rows)

    def groups_with(self, execute: Execute, asked: Sequence[str], most: int = words.MOST) -> set[int]:
        return self._match(execute, "group_words", asked, most)

    def errors_with(self, execute: Execute, asked: Sequence[str]) -> tuple[list[tuple[int, int]], bool]:
        errors = {word: self._match(execute, "error_words", [word], words.MOST) for word in asked}
        are_all = all(len(found) < words.MOST for found in errors.values())
        if not are_all and len(asked) > 1:
            # Of words that many errors have the newest may have but one.
            with_all = self._match(execute, "error_words", asked, words.MOST)
            errors = {word: found | with_all for word, found in errors.items()}
        placed = [
            row
            for part in parts(sorted(set().union(*errors.values())))
            for row in execute(f"SELECT position, group_id FROM errors WHERE position IN ({marks(part)})", part)
        ]
        # Of few groups it is to be known, where one of the words is rare: few errors lack the others.
        lacking = {word: {group for position, group in placed if position not in errors[word]} for word in asked}
        groups = {word: self._among(execute, lacking[word], word) for word in asked}
        having = [
            (position, group)
            for position, group in placed
            if all(position in errors[word] or group in groups[word] for word in asked)
        ]
        return having, are_all

    def _among(self, execute: Execute, groups: set[int], word: str) -> set[int]:
        """Those of *groups* that have *word*, and perhaps others."""
        if len(groups) > _FEW:
            return self._match(execute, "group_words", [word], words.MOST)
        learned = self.learned(execute, groups)
        return {group for group in groups if _has(learned.get(group, ()), word)}

    def _match(self, execute: Execute, table: str, asked: Sequence[str], most: int) -> set[int]:
        if table == "group_words":  # which is not there if whoever may write has never asked for a word
            names = [row[0] for row in execute("SELECT name FROM sqlite_master WHERE name = ?", (table,)).fetchall()]
        else:
            names = [f"{table}_{number}" for number in self._numbers(execute)]
        query = " ".join(f'"{word}"*' for word in asked)
        found: set[int] = set()
        for name in names:
            if len(found) < most:
                rows = execute(
                    f"SELECT rowid FROM {name} WHERE {name} MATCH ? ORDER BY rowid DESC LIMIT ?",
                    (query, most - len(found)),
                )
                found.update(row[0] for row in rows)
        return found


def _has(said: Iterable[str], beginning: str) -> bool:
    return any(word.startswith(beginning) for word in said)
