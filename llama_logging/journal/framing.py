"""What a frame looks like on disk."""

from __future__ import annotations

import zlib

from llama_logging.patterns import regex

FRAME_BYTES = 256 * 2**10
"""A larger frame is not written."""

DIGITS = 18
"""So many has a frame's number that the stores can keep."""
# At the end of a frame: in a text of its own the quotes would be escaped.
_NUMBER = regex(rf',"n":(\d{{1,{DIGITS}}})(?:,"lost_before":\d+)?(?:,"crc":"[0-9a-f]{{8}}")?\}}$')
_CRC_LENGTH = len(b',"crc":"01234567"}')
_crc32 = zlib.crc32


def seal(text: str, more: str = "") -> bytes:
    r"""A frame of the JSON object *text*, with the members *more*.

    >>> seal('{"k":"error"}', ',"n":1')
    b'\n{"k":"error","n":1,"crc":"ce87e384"}\n'
    """
    body = f"{text[:-1]}{more}".encode("ascii")
    return b'\n%b,"crc":"%08x"}\n' % (body, _crc32(body))


def number_of(frame: str) -> int | None:
    """The sequence number of a *frame*; None if it has none.

    >>> number_of('{"k":"error","n":1,"crc":"ce87e384"}')
    1
    """
    found = _NUMBER.search(frame)
    return int(found[1]) if found else None


def unseal(data: bytes) -> tuple[list[str], int]:
    """The JSON texts of the whole frames in *data*, and how many were not whole; a hole is none."""
    lines = [line for line in data.split(b"\n") if line.strip(b"\0")]
    whole = [line.decode("ascii") for line in lines if _is_whole(line)]
    return whole, len(lines) - len(whole)


def _is_whole(line: bytes) -> bool:
    body = line[:-_CRC_LENGTH]
    return line.isascii() and line[-_CRC_LENGTH:] == b',"crc":"%08x"}' % _crc32(body)
