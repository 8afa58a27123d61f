from __future__ import annotations

import re

import pytest

from llama_logging.patterns import regex


def test_it_is_the_pattern_of_re() -> None:
    later, now = regex(r"(a)|b", re.IGNORECASE), re.compile(r"(a)|b", re.IGNORECASE)
    assert later.sub("x", "AB") == now.sub("x", "AB") == "xx"
    assert later.split("1A2") == now.split("1A2")
    assert (later.pattern, later.flags, later.groups) == (now.pattern, now.flags, now.groups)


def test_one_that_could_not_be_compiled_for_want_of_stack_is_tried_again() -> None:
    pattern = regex("(" * 20 + "once more" + ")" * 20)
    failures: list[RecursionError] = []

    def deep() -> None:
        try:
            deep()
        except RecursionError:
            try:
                assert pattern.search("and once more")
            except RecursionError as error:
                failures.append(error)
                raise

    deep()
    assert failures


def test_a_wrong_one_is_told_at_its_first_use() -> None:
    with pytest.raises(re.error):
        regex("(").search("")
