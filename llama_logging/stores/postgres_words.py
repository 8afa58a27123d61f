"""The index of words in PostgreSQL: columns of type tsvector, one lexeme for each word, as it is.

The words of errors are divided by days, as these are. PostgreSQL cannot look for the newest rows of a word: it
looks for all of them, or goes through all rows from the newest on. So it is asked day by day, until enough are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llama_logging.stores import words
from llama_logging.stores.postgres_schema import DAYS
from llama_logging.stores.statements import Execute, marks, only, parts

_SAMPLE, _FREQUENT = 500, 25
"""A word in so many of the newest errors is sooner found by going through them from the newest on."""
_LOOKED_UP = 2_500
"""Errors of a word that are looked at."""
_FETCHED = 5_000
"""About so many of a day are fetched, of more some; the newest of these are looked at."""
_AT_ONCE = 31
"""Days in one statement."""

_KEYS = {"group_words": "id", "error_words": "timestamp, id"}

# PostgreSQL keeps no statistics of words that are in few rows, and takes each for one that many have: so it is told how
# to go about it. Processes are not started: that took 30 ms, and the search 1.
_FROM_THE_NEWEST = "SET LOCAL enable_bitmapscan = off", "timestamp DESC, id DESC"
_ALL_OF_A_DAY = f"SET LOCAL gin_fuzzy_search_limit = {_FETCHED}", "timestamp + 0 DESC"
_PLANNED = "SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0"
_AS_BEFORE = "".join(
    f"SET LOCAL {name} = DEFAULT; "
    for name in ("enable_bitmapscan", "enable_seqscan", "gin_fuzzy_search_limit", "max_parallel_workers_per_gather")
)

_OF_A_DAY = f"""
    (SELECT '{{day}}', id, timestamp FROM error_words_{{day}}
    WHERE words @@ ?::tsquery ORDER BY {{order}} LIMIT {_LOOKED_UP})
"""
# LIMIT has PostgreSQL go from each to its error and its group, whatever it thinks of how many they are. In those of
# the day: to be led there from the table of all takes 10 microseconds.
_PLACES = """
    SELECT own.id, error.group_id, {has_all}
    FROM unnest(?::bigint[], ?::bigint[]) AS own (id, timestamp)
    CROSS JOIN LATERAL (SELECT group_id FROM errors_{day} WHERE position = own.id LIMIT 1) AS error
"""
_HAS_ALL = """
    coalesce((
        SELECT words FROM error_words_{day} AS said WHERE said.timestamp = own.timestamp AND said.id = own.id LIMIT 1
    ) || (SELECT words FROM group_words WHERE group_words.id = error.group_id LIMIT 1) @@ ?::tsquery, false)
"""


class Words(words.Index):
    """See `words.Index`."""

    def put(self, execute: Execute, table: str, rows: Sequence[tuple[int, str, int]]) -> None:
        execute(
            f"INSERT INTO {table} (id, words, timestamp) "
            "SELECT id, array_to_tsvector(string_to_array(words, ' ')), timestamp "
            "FROM unnest(?::bigint[], ?::text[], ?::bigint[]) AS new (id, words, timestamp) "
            f"ON CONFLICT ({_KEYS[table]}) DO UPDATE SET words = {table}.words || excluded.words",
            tuple([row[column] for row in rows] for column in range(3)),
        )

    def drop(self, execute: Execute, groups: Sequence[int]) -> None:
        execute(f"DELETE FROM group_words WHERE id IN ({marks(groups)})", groups)

    def of_groups(self, execute: Execute, groups: Sequence[int]) -> Iterable[tuple[int, str]]:
        ask = "SELECT id, array_to_string(tsvector_to_array(words), ' ') FROM group_words WHERE id IN"
        return list(execute(f"{ask} ({marks(groups)})", groups))

    def groups_with(self, execute: Execute, asked: Sequence[str], most: int = words.MOST) -> set[int]:
        rows = execute(
            "SELECT id FROM group_words WHERE words @@ ?::tsquery ORDER BY id DESC LIMIT ?", (_query(asked), most)
        )
        return {row[0] for row in rows.fetchall()}

    def errors_with(self, execute: Execute, asked: Sequence[str]) -> tuple[list[tuple[int, int]], bool]:
        # Days that are to go wait until these were read.
        execute("LOCK TABLE error_words, errors IN ACCESS SHARE MODE")
        days = ["after", *(row[0] for row in execute(f"{DAYS} DESC").fetchall()), "before"]
        found: dict[str, dict[int, int]] = {}
        rows = self._having(execute, days, _query(asked, " | "))
        are_all = len(rows) < _LOOKED_UP
        if not are_all and len(asked) > 1:
            # Of words that many errors have the newest may have but one.
            for some in (asked, *([word] for word in asked)):
                rows += self._having(execute, days, _query(some))
        for day, position, timestamp in rows:
            found.setdefault(day, {})[position] = timestamp
        having: list[tuple[int, int]] = []
        query = (_query(asked),) if len(asked) > 1 else ()
        has_all = _HAS_ALL if query else "true"
        for some_days in parts(sorted(found), _AT_ONCE):
            places = " UNION ALL ".join(_PLACES.format(has_all=has_all.format(day=day), day=day) for day in some_days)
            told = [each for day in some_days for each in (*query, _array(found[day]), _array(found[day].values()))]
            rows_of_days = execute(places, told).fetchall()
            having += [(position, group) for position, group, has_them in rows_of_days if has_them]
        return having, are_all

    def _having(self, execute: Execute, days: Sequence[str], query: str) -> list[tuple[str, int, int]]:
        """Of the newest errors that have these words by themselves, the days, positions and moments."""
        newest = f"SELECT words FROM error_words ORDER BY timestamp DESC, id DESC LIMIT {_SAMPLE}"
        often = only(execute(f"SELECT count(*) FROM ({newest}) AS newest WHERE words @@ ?::tsquery", (query,)))
        way, order = _FROM_THE_NEWEST if often >= _FREQUENT else _ALL_OF_A_DAY
        rows: list[tuple[str, int, int]] = []
        execute(f"{_PLANNED}; {way}")
        for some in parts(days, _AT_ONCE):
            # One after the other, and no further than needed: this is what PostgreSQL does for LIMIT of UNION ALL.
            each = " UNION ALL ".join(_OF_A_DAY.format(day=day, order=order) for day in some)
            rows += execute(f"{each} LIMIT {_LOOKED_UP}", (query,) * len(some)).fetchall()
            if len(rows) >= _LOOKED_UP:
                break
        execute(_AS_BEFORE)
        return rows[:_LOOKED_UP]


def _array(numbers: Iterable[int]) -> str:
    """*numbers* as PostgreSQL writes an array: psycopg looks each over for what is to be quoted."""
    return f"{{{','.join(map(str, numbers))}}}"


def _query(asked: Sequence[str], joined: str = " & ") -> str:
    return joined.join(f"'{word}':*" for word in asked)
