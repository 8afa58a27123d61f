from __future__ import annotations

import json
from pathlib import Path

from llama_logging.cli.shortening import shortened
from llama_logging.context import Frame
from tests.conftest import Run


def frame(file: str, line: int, *, own: bool) -> Frame:
    name = file.removeprefix("/").partition("/")[0]
    return Frame(module=f"{name}.part", function="f", file=file, line=line, source="x", in_app=own)


def call(file: str, line: int, margin: str = "") -> str:
    return f'{margin}  File "{file}", line {line}, in f\n{margin}    x = f()\n{margin}        ~^^\n'


FRAMES = [
    *(frame("/server/a.py", line, own=False) for line in range(4)),
    *(frame("/web/b.py", line, own=False) for line in range(4)),
    frame("/shop/c.py", 1, own=True),
]
SERVER = "".join(call("/server/a.py", line) for line in range(4))
WEB = "".join(call("/web/b.py", line) for line in range(4))
SHOP = call("/shop/c.py", 1)
HEAD, END = "Traceback (most recent call last):\n", 'ValueError: File "x", line 3\n  ... of two lines'


def test_calls_of_libraries_are_one_line() -> None:
    text = f"{HEAD}{SERVER}{WEB}{SHOP}{END}"
    assert shortened(text, FRAMES) == f"{HEAD}  ... 8 calls of server, web\n{SHOP}{END}"


def test_the_call_that_raised_stays() -> None:
    text = f"{HEAD}{SHOP}{SERVER}{END}"
    assert shortened(text, FRAMES) == f"{HEAD}{SHOP}  ... 3 calls of server\n{call('/server/a.py', 3)}{END}"


def test_two_calls_stay_and_so_do_those_that_nothing_is_known_of() -> None:
    few = call("/server/a.py", 1) + call("/web/b.py", 1)
    for text in (f"{HEAD}{few}{SHOP}{END}", f"{HEAD}{SERVER}{SHOP}{END}".replace("/server", "/other"), END, ""):
        assert shortened(text, FRAMES) == text


def test_each_exception_of_a_chain_or_a_group_is_shortened_by_itself() -> None:
    chain = "\nThe above exception was the direct cause of the following exception:\n\n"
    inner = "".join(call("/web/b.py", line, "    | ") for line in range(4)) + call("/shop/c.py", 1, "    | ")
    text = f"{HEAD}{SERVER}{SHOP}{END}\n{chain}  + Exception Group Traceback:\n{inner}    | ValueError: x"
    short = (
        f"{HEAD}  ... 4 calls of server\n{SHOP}{END}\n{chain}  + Exception Group Traceback:\n"
        f"    |   ... 4 calls of web\n{call('/shop/c.py', 1, '    | ')}    | ValueError: x"
    )
    assert shortened(text, FRAMES) == short


def test_show_shortens_where_that_is_asked_for(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text("import asyncio\nasync def work(): raise ValueError('x')\nasyncio.run(work())\n")
    cli("run", "--", "app.py")
    error_id = json.loads(cli("tail", "--json").out)["error_id"]
    assert "runners.py" in cli("show", error_id).out
    short = cli("show", "--short", error_id).out
    assert "runners.py" not in short
    assert "calls of asyncio\n" in short
    assert "async def work(): raise ValueError('x')\n" in short
