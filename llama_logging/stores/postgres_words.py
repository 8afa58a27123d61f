"""The index of words in PostgreSQL: columns of type tsvector, one lexeme for each word, as it is.

The words of errors are divided by days, as these are. PostgreSQL cannot look for the newest rows of a word: it
looks for all of them, or goes through all rows from the newest on. So it is asked day by day, until enough are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llama_logging.stores import words
from llama_logging.stores.postgres_schema import DAYS
from llama_logging.stores.statements import Execute

_SAMPLE, _FREQUENT = 500, 25
"""A word in so many of the newest errors is sooner found by going through them from the newest on."""
_LOOKED_UP = 2_500
"""Errors of a word that are looked at."""
_FETCHED = 20_000
"""About so many of a day are fetched, of more some; the newest of these are looked at."""
_AT_ONCE = 31
"""Days in one statement."""

# PostgreSQL keeps no statistics of words that are in few rows, and takes each for one that many have: so it is told how
# to go about it. Processes are not started: that took 30 ms, and the search 1.
_FROM_THE_NEWEST = "SET LOCAL enable_bitmapscan = off", "timestamp DESC, id DESC"
_ALL_OF_A_DAY = f"SET LOCAL gin_fuzzy_search_limit = {_FETCHED}", "timestamp + 0 DESC"
_PLANNED = "SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0"
_AS_BEFORE = "".join(
    f"SET LOCAL {name} = DEFAULT; "
    for name in ("enable_bitmapscan", "enable_seqscan", "gin_fuzzy_search_limit", "max_parallel_workers_per_gather")
)

# LIMIT has PostgreSQL go from each to its error and its group, whatever it thinks of how many they are.
_OF_A_DAY = f"""
    (SELECT own.id, error.group_id, own.words || coalesce(shared.words, '') @@ ?::tsquery
    FROM (
        SELECT id, words FROM error_words_{{day}} WHERE words @@ ?::tsquery ORDER BY {{order}} LIMIT {_LOOKED_UP}
    ) AS own
    CROSS JOIN LATERAL (SELECT group_id FROM errors_{{day}} WHERE position = own.id LIMIT 1) AS error
    LEFT JOIN LATERAL (SELECT words FROM group_words WHERE id = error.group_id LIMIT 1) AS shared ON true)
"""


class Words(words.Index):
    """See `words.Index`."""

    def put(self, execute: Execute, table: str, rows: Sequence[tuple[int, str, int]]) -> None:
        execute(
            f"INSERT INTO {table} (id, words, timestamp) "
            "SELECT id, array_to_tsvector(string_to_array(words, ' ')), timestamp "
            "FROM unnest(?::bigint[], ?::text[], ?::bigint[]) AS new (id, words, timestamp) ON CONFLICT DO NOTHING",
            tuple([row[column] for row in rows] for column in range(3)),
        )

    def groups_with(self, execute: Execute, asked: Sequence[str]) -> set[int]:
        rows = execute(
            "SELECT id FROM group_words WHERE words @@ ?::tsquery ORDER BY id DESC LIMIT ?", (_query(asked), words.MOST)
        )
        return {row[0] for row in rows.fetchall()}

    def errors_with(self, execute: Execute, asked: Sequence[str]) -> Iterator[tuple[int, int]]:
        found: dict[int, int] = {}
        # All at once, too: of words that many errors have, each alone, the newest may have but one.
        for some in {tuple(asked), *((word,) for word in asked)}:
            found.update(self._of_these(execute, some, asked))
        yield from found.items()

    def _of_these(self, execute: Execute, some: Sequence[str], asked: Sequence[str]) -> dict[int, int]:
        """Of the newest errors that have *some* of the words by themselves, those which have all that are *asked*."""
        query = (_query(some),)
        # It also has days that are dropped wait until these were read.
        newest = f"SELECT words FROM error_words ORDER BY timestamp DESC, id DESC LIMIT {_SAMPLE}"
        often = execute(f"SELECT count(*) FROM ({newest}) AS newest WHERE words @@ ?::tsquery", query).fetchone()[0]
        way, order = _FROM_THE_NEWEST if often >= _FREQUENT else _ALL_OF_A_DAY
        days = ["after", *(row[0] for row in execute(f"{DAYS} DESC").fetchall()), "before"]
        execute(f"{_PLANNED}; {way}")
        rows: list[tuple[int, int, bool]] = []
        while days and len(rows) < _LOOKED_UP:
            next_ones, days = days[:_AT_ONCE], days[_AT_ONCE:]
            # One after the other, and no further than needed: this is what PostgreSQL does for LIMIT of UNION ALL.
            each = " UNION ALL ".join(_OF_A_DAY.format(day=day, order=order) for day in next_ones)
            rows += execute(f"{each} LIMIT {_LOOKED_UP}", (_query(asked), *query) * len(next_ones)).fetchall()
        execute(_AS_BEFORE)
        return {position: group for position, group, has_all in rows if has_all}


def _query(asked: Sequence[str]) -> str:
    return " & ".join(f"'{word}':*" for word in asked)
