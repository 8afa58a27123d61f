"""How frames are taken apart, and what is counted of them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging import process, wire
from llama_logging.context import Breadcrumb, ErrorSeverity, FrameLocals
from llama_logging.journal.framing import seal, unseal
from llama_logging.stores import arriving
from llama_logging.stores.arriving import AT_ONCE, HOT, Arrived, Count, Error, Shape, read
from llama_logging.stores.statements import MINUTE
from llama_logging.stores.tally import tally
from tests.conftest import make_context

DETAILS = {
    "breadcrumbs": (Breadcrumb(created=1.5, severity=ErrorSeverity.INFO, logger_name="a", message="b"),),
    "locals": (FrameLocals(exception=0, frame=0, values={"x": 1}),),
}


def sealed(frame: str, number: int = 7, more: str = "") -> str:
    """As the journal has it."""
    return unseal(seal(frame, f',"n":{number}{more}'))[0][0]


def content_read(arrived: Arrived) -> tuple[Any, ...]:
    errors = [(*error[:-1], json.loads(error[-1])) for error in arrived.errors]
    return errors, arrived.counts, arrived.rows, arrived.numbers, arrived.gone, arrived.refused


def with_another(frame: str) -> Arrived:
    """What is read of *frame* beside one of which nothing is read: alone, it is looked at closely."""
    return read([frame, '{"k":"hologram"}'])


@st.composite
def frames(draw: st.DrawFn) -> str:
    names = draw(st.sets(st.sampled_from(list(DETAILS))))
    message = draw(st.text(max_size=20))
    context = make_context(
        error_message=message,
        logger_name=draw(st.text(max_size=20)),
        additional_context=draw(
            st.dictionaries(st.sampled_from(["ctx", "crumbs", "n", "partial"]), st.text() | st.integers() | st.none())
        ),
        complete=draw(st.booleans()),
        parts=(f"{message}\n",),
        process=draw(st.sampled_from([None, process.current()])),
        **{name: DETAILS[name] for name in names},
    )
    frame = wire.encode_error(context)[0]
    return draw(st.sampled_from([frame, sealed(frame), sealed(frame, 8, ',"lost_before":2')]))


@given(frames())
def test_the_fast_way_reads_what_the_careful_one_does(frame: str) -> None:
    fast = content_read(with_another(frame))
    assert fast == content_read(read([frame]))
    assert not any(set(error[-1]) & set(HOT) for error in fast[0])


@given(frames(), st.data())
def test_the_fast_way_takes_nothing_for_what_it_is_not(frame: str, data: st.DataObject) -> None:
    """Whatever stands in place of what `wire` writes; names of details further within may count as such."""
    place, length = data.draw(st.integers(0, len(frame) - 22)), data.draw(st.integers(0, 3))
    put = data.draw(st.sampled_from([*'"\\,:}{0-a', "[]", '","x":"']))
    odd = f"{frame[:place]}{put}{frame[place + length :]}"
    careful, fast = read([odd]), with_another(odd)
    fast.errors = [(*error[:5], own[5], error[6]) for error, own in zip(fast.errors, careful.errors, strict=False)]
    assert careful.refused or content_read(fast) == content_read(careful)


def test_a_plain_error_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the format change, this tells that it no longer does."""
    monkeypatch.setattr(arriving, "_look_closely", lambda frame, arrived: pytest.fail(frame))
    plain = make_context(additional_context={"a": 1}, process=process.current())
    spoken = make_context(error_message='"Zürich"\n🦙', process=process.current(), complete=False)
    found = read([sealed(wire.encode_error(context)[0]) for context in (plain, spoken, plain)])
    assert [error[3] for error in found.errors] == [plain.error_message, '"Zürich"\n🦙', plain.error_message]
    assert [error[4:6] for error in found.errors] == [(0, 1), (1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("name", "value"), [*DETAILS.items(), ("additional_context", {"a": 1}), ("tags", {"ctx": "no context"})]
)
def test_each_kind_of_details_alone_counts(name: str, value: Any) -> None:
    """What has some is pruned later; tags have all errors of an application that uses them."""
    frame = sealed(wire.encode_error(make_context(process=process.current(), **{name: value}))[0])
    (error,) = with_another(frame).errors
    assert error[5] == (name != "tags")
    assert content_read(with_another(frame)) == content_read(read([frame]))


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ('"error","id":"', '"error","in":"'),
        ('"id":"', '"id":"short","more":"'),
        ('","ts":17', '","at":1,"ts":17'),
        ('"ts":17', '"ts":-7'),
        ('"ts":17', '"ts":1.'),
        ('"sev":40', '"sev":41'),
        ('"crc":"', '"crd":"'),
        ('"id":"01', r'"id":"\t'),
        ('"msg":"no such article"', '"msg":["no such article"]'),
        ('"n":7', '"n":9223372036854775808'),
        ('"msg":"', r'"msg":"\u0000'),
        ('"msg":"', r'"msg":"\ud83d'),
    ],
)
def test_what_wire_does_not_write_is_looked_at_closely(there: str, instead: str) -> None:
    frame = sealed(wire.encode_error(make_context(process=process.current()))[0])
    odd = frame.replace(there, instead, 1)
    assert odd != frame
    assert content_read(with_another(odd)) == content_read(read([odd]))


@pytest.mark.parametrize(
    "more", ['"later":1', '"ctx":{"a":1,"partial":true}', '"ctx":{"a":1,"partial":true},"partial":true']
)
def test_whether_an_error_is_partial_does_not_hang_on_its_place(more: str) -> None:
    """A later version may write a member behind it; else the whole error that follows would be taken for a repeat."""
    for complete in (True, False):
        frame = wire.encode_error(make_context(process=process.current(), complete=complete))[0]
        odd = sealed(f"{frame[:-1]},{more}}}")
        assert content_read(with_another(odd)) == content_read(read([odd]))


def test_members_of_one_text_keep_out_of_the_way_of_others() -> None:
    """What ends the fast way's parts may stand in texts, too, where its quotes are escaped."""
    odd = '","msg":"x","n":5,"crc":"01234567"}'
    context = make_context(error_message=odd, log_message=odd, additional_context={"n": odd}, process=process.current())
    frame = sealed(wire.encode_error(context)[0], 9)
    assert content_read(with_another(frame)) == content_read(read([frame]))
    assert read([frame]).numbers == [9]


@pytest.mark.parametrize("number", [1, 2, 3, AT_ONCE - 1, AT_ONCE, AT_ONCE + 5, 2 * AT_ONCE + 1])
def test_errors_stay_in_their_order(number: int) -> None:
    contexts = [make_context(error_message=f"{place}", logger_name='"' * (place % 3 == 0)) for place in range(number)]
    found = read([sealed(wire.encode_error(context)[0], place) for place, context in enumerate(contexts)])
    assert [error[0] for error in found.errors] == [context.error_id for context in contexts]
    assert found.numbers == list(range(number))


SHAPES = st.builds(
    Shape,
    fingerprint=st.sampled_from(["v1:a", "v1:b"]),
    stack=st.sampled_from(["s", "t"]),
    process=st.sampled_from(["p", "q"]),
    severity=st.sampled_from([30, 40]),
    error_type=st.sampled_from(["A", "B"]),
    logger_name=st.sampled_from(["l", "m"]),
)
MOMENTS = st.integers(0, 3 * MINUTE)


@st.composite
def errors(draw: st.DrawFn) -> list[Error]:
    moments = draw(st.lists(MOMENTS, unique=True, max_size=12))
    return [(f"id {moment}", moment, draw(SHAPES), f"said {moment}", 0, 0, "{}") for moment in moments]


@st.composite
def counts(draw: st.DrawFn) -> list[Count]:
    moments = draw(st.lists(MOMENTS, unique=True, max_size=6))
    return [(("", moment, draw(SHAPES), "", 0, 0, ""), draw(st.integers(1, 10**12))) for moment in moments]


@given(errors(), counts())
def test_the_tally_is_what_one_counts_by_hand(kept: list[Error], counted: list[Count]) -> None:
    tallied = tally(kept, counted)
    shapes = {number: shape for shape, number in tallied.numbers.items()}
    assert len(shapes) == len(tallied.numbers)
    everything = [(error, 1, 1) for error in kept] + [(error, amount, 0) for error, amount in counted]
    by_place: Counter[tuple[Any, ...]] = Counter()
    for (_, moment, shape, *_), amount, number in everything:
        by_place[shape, moment // MINUTE, "amount"] += amount
        by_place[shape, moment // MINUTE, "errors"] += number
    found: Counter[tuple[Any, ...]] = Counter()
    for number, minute, amount, errors, first, last in tallied.told:
        assert first // MINUTE == last // MINUTE == minute
        assert first <= last
        found[shapes[number], minute, "amount"] += amount
        found[shapes[number], minute, "errors"] += errors
    assert found == by_place

    assert {row[0] for row in tallied.news} == {error[2].fingerprint for error, *_ in everything}
    for fingerprint, count, severity, first, last, began, newest, error_id, message in tallied.news:
        own = [(error, amount) for error, amount, _ in everything if error[2].fingerprint == fingerprint]
        moments = [error[1] for error, _ in own]
        assert (count, severity) == (sum(amount for _, amount in own), max(error[2].severity for error, _ in own))
        assert (first, last) == (min(moments), max(moments))
        assert shapes[began] in {error[2] for error, _ in own if error[1] == first}
        speaker = max((error for error, _ in own), key=lambda error: (error[0] != "", error[1]))
        assert (error_id, message) == (speaker[0], speaker[3])
        assert shapes[newest] in {error[2] for error, _ in own if error[1] == speaker[1]}
