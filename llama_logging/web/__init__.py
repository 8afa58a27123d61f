"""The dashboard: what the registry holds, in a browser. Needs the extra `web`."""

from llama_logging.exceptions import MissingExtraError

NEEDED = "the dashboard needs the packages starlette, jinja2 and uvicorn: pip install 'llama_logging[web]'"
"""What to say where they cannot be imported."""

try:
    import jinja2  # noqa: F401  asked for here, once, before any other module of this room
    import starlette  # noqa: F401
except ImportError as error:
    raise MissingExtraError(f"{NEEDED} ({error})") from error
else:
    from llama_logging.web.app import dashboard

__all__ = ["dashboard"]
