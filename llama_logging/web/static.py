"""The files that pages load: one for how they look, one for how they move."""

from __future__ import annotations

import hashlib
import os

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_FOLDER = os.path.join(os.path.dirname(__file__), "static")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def _read(name: str) -> bytes:
    with open(os.path.join(_FOLDER, name), "rb") as file:
        return file.read()


FILES = {name: _read(name) for name in sorted(os.listdir(_FOLDER)) if os.path.splitext(name)[1] in _TYPES}
VERSION = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:12]
"""Stands in the address of each: a browser keeps them until they change."""


async def file(request: Request) -> Response:
    """One of them."""
    content = FILES.get(request.path_params["name"])
    if content is None:
        return PlainTextResponse("There is no such file.", 404)
    media_type = _TYPES[os.path.splitext(request.path_params["name"])[1]]
    return Response(content, media_type=media_type, headers={"cache-control": "public, max-age=31536000, immutable"})
