from __future__ import annotations

import traceback
from types import TracebackType

import pytest

from llama_logging.context import Frame
from llama_logging.frames import calls_of, frames_of, in_app, innermost
from llama_logging.frozen import replace


def here() -> TracebackType:
    with pytest.raises(AttributeError) as caught:
        traceback.format_tb(len)  # type: ignore[arg-type]
    assert caught.value.__traceback__ is not None
    return caught.value.__traceback__


@pytest.mark.parametrize(
    ("file", "expected"),
    [(__file__, True), (traceback.__file__, False), ("/x/site-packages/a.py", False), ("<frozen os>", False)],
)
def test_in_app_is_what_is_not_installed(file: str, expected: bool) -> None:
    assert in_app(file) is expected


def test_the_innermost_frame_is_the_applications_own() -> None:
    """Where the standard library raised is less telling than where it was called."""
    frames = frames_of(calls_of(here()))
    assert len(frames) > 1
    assert not frames[-1].in_app
    found = innermost(frames)
    assert found is not None
    assert (found.function, found.source) == ("here", "traceback.format_tb(len)  # type: ignore[arg-type]")


def test_what_no_file_has_is_less_telling_than_what_one_has() -> None:
    """As what lxml has compiled, and attrs generated."""
    own = Frame(module="shop", function="read", file="/srv/shop.py", line=3, source="fromstring(text)", in_app=True)
    compiled = replace(own, module="lxml.etree", file="src/lxml/parser.pxi", source="")
    generated = replace(own, function="__init__", file="<attrs generated init shop.A>", source="x(self)")
    assert innermost((own, compiled, generated)) == own
    assert innermost((replace(own, source=""), compiled)) == compiled


def test_without_any_the_last_counts() -> None:
    library = tuple(frame for frame in frames_of(calls_of(here())) if not frame.in_app)
    assert innermost(library) == library[-1]
    assert innermost(()) is None
