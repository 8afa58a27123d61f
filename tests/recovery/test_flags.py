from __future__ import annotations

import threading

import llama_logging
from llama_logging.recovery.flags import Flags


def test_a_flag_holds_for_its_time() -> None:
    now = [0.0]
    flags = Flags(clock=lambda: now[0])
    flags.set("model", "small", lasting=10)
    flags.set("num_ctx", 2048)
    assert (flags.get("model"), flags["num_ctx"], "model" in flags, flags.current()) == (
        "small",
        2048,
        True,
        {"model": "small", "num_ctx": 2048},
    )
    now[0] = 10.0
    assert flags.get("model", "large") == "large"
    assert flags.current() == {"num_ctx": 2048}
    flags.clear("num_ctx")
    flags.clear("num_ctx")
    assert "num_ctx" not in flags


def test_setting_it_again_begins_anew() -> None:
    now = [0.0]
    flags = Flags(clock=lambda: now[0])
    flags.set("model", "small", lasting=10)
    now[0] = 9.0
    flags.set("model", "smaller", lasting=10)
    now[0] = 18.0
    assert flags.get("model") == "smaller"


def test_any_thread_may_set_and_read() -> None:
    flags = Flags()
    wrong: list[object] = []

    def work(number: int) -> None:
        for count in range(2_000):
            flags.set(f"{number}", count, lasting=60)
            flags.current()
            if flags.get(f"{number}") != count:
                wrong.append(count)
            flags.clear(f"{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, flags.current()) == ([], {})


def test_the_flags_of_the_process_are_public() -> None:
    llama_logging.flags.set("ollama.model", "llama3.2:1b")
    assert llama_logging.flags.get("ollama.model") == "llama3.2:1b"
