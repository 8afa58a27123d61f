from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from llama_logging.capture import frames
from llama_logging.capture.frames import calls_of, frames_of, in_app, innermost
from llama_logging.context import Frame
from llama_logging.frozen import replace
from llama_logging.redaction import own as own_redaction


def here() -> TracebackType:
    with pytest.raises(AttributeError) as caught:
        traceback.format_tb(len)  # type: ignore[arg-type]
    assert caught.value.__traceback__ is not None
    return caught.value.__traceback__


def of_compiled(origin: str) -> TracebackType:
    """As Cython's are: the file is told as seen from where it was compiled, and the loader has no source."""
    spec = spec_from_file_location("loop.core", origin, loader=ExtensionFileLoader("loop.core", origin))
    names: dict[str, Any] = {
        "__name__": "loop.core",
        "__file__": origin,
        "__spec__": spec,
        "__loader__": spec and spec.loader,
    }
    exec(compile("def call():\n    raise LookupError\n", "loop/core.pyx", "exec"), names)
    with pytest.raises(LookupError) as caught:
        names["call"]()
    assert caught.value.__traceback__ is not None
    assert caught.value.__traceback__.tb_next is not None
    return caught.value.__traceback__.tb_next


@pytest.mark.parametrize(("folder", "own"), [("/x/site-packages/loop", False), ("/srv/shop/loop", True)])
def test_what_is_compiled_is_the_applications_own_where_its_module_is(folder: str, own: bool) -> None:
    (call,) = calls_of(of_compiled(f"{folder}/core.so"))
    assert (call.frame.file, call.frame.in_app) == ("loop/core.pyx", own)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is counted as the application's own is forgotten after the test."""
    monkeypatch.setattr(frames, "_own_packages", set())
    yield
    monkeypatch.undo()
    frames.in_app.cache_clear()
    own_redaction.forget_all()


@pytest.mark.usefixtures("own")
def test_an_installed_package_may_be_the_applications_own() -> None:
    frames.count_as_own(["acme", "tools.shop"])
    place = "/venv/lib/python3.13/site-packages"
    ours = ["acme/cart.py", "acme/deep/cart.py", "acme.py", "tools/shop/cart.py", "tools/shop.cpython-313.so"]
    theirs = ["acmex/cart.py", "tools/cart.py", "tools/shopping.py", "other/acme/cart.py", "other.py"]
    assert [file for file in (*ours, *theirs) if in_app(f"{place}/{file}")] == ours
    assert in_app("/usr/lib/python3/dist-packages/acme/cart.py")
    assert not in_app("<frozen acme>")


@pytest.mark.usefixtures("own")
def test_what_was_learned_of_calls_before_a_package_is_counted_as_own_is_learned_anew() -> None:
    names: dict[str, Any] = {"__name__": "acme.cart"}
    exec(compile("def call():\n    raise LookupError\n", "/venv/site-packages/acme/cart.py", "exec"), names)

    def last() -> bool:
        with pytest.raises(LookupError) as caught:
            names["call"]()
        return frames_of(calls_of(caught.value.__traceback__))[-1].in_app

    assert not last()
    frames.count_as_own(["acme"])
    assert last()


def test_what_is_executed_without_a_name_has_that_of_its_file() -> None:
    with pytest.raises(LookupError) as caught:
        exec(compile("raise LookupError", "/srv/master.cfg", "exec"), {})
    assert frames_of(calls_of(caught.value.__traceback__))[-1].module == "master"


def test_who_asks_for_the_source_of_what_is_compiled_finds_it_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As loguru does, which asks without the loader."""
    folder = tmp_path / "installed" / "loop"
    folder.mkdir(parents=True)
    (folder / "core.pyx").write_text("def call():\n    raise LookupError\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(linecache, "cache", {})
    calls_of(of_compiled(str(folder / "core.so")))
    assert linecache.getline("loop/core.pyx", 2) == "    raise LookupError\n"


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
