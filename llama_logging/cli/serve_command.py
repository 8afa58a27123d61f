"""`llama-logging serve`."""

from __future__ import annotations

import argparse
import os

from llama_logging.attachment.checking import rules_of
from llama_logging.cli import registries
from llama_logging.cli.looking import tell_of_none
from llama_logging.cli.options import count
from llama_logging.config.files import load

HELP = "serve the dashboard, to view the registry in a browser"
EPILOG = "Only a browser that opened the printed link can change anything. See docs/dashboard.md."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--store", metavar="URL", help=registries.OF_CONFIG)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; default 127.0.0.1"
    )
    parser.add_argument("--port", type=count, default=8321, metavar="N", help="default 8321; 0 for any free port")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name under which browsers may reach it",
    )
    parser.add_argument("--read-only", action="store_true", help="allow no changes")
    parser.add_argument("--private", action="store_true", help="require the printed link for reading, too")
    parser.add_argument("--ssl-certfile", default="", metavar="FILE", help="serve over TLS with this certificate")
    parser.add_argument("--ssl-keyfile", default="", metavar="FILE", help="and this private key")
    parser.add_argument("--root-path", default="", metavar="PATH", help="path under which a proxy serves it")
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="a logging.yaml, for its registry and its recovery rules"
    )


def execute(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from llama_logging.web.serving import Settings, serve

    url = registries.named(args)
    if url.path and not os.path.isdir(os.path.dirname(url.path)):
        tell_of_none(url)
    serve(
        Settings(
            url=url,
            bind=args.host,
            port=args.port,
            hosts=args.allow_host,
            token=os.environ.get("LLAMA_LOGGING_DASHBOARD_TOKEN") or None,
            read_only=args.read_only,
            private=args.private,
            certificate=args.ssl_certfile,
            key=args.ssl_keyfile,
            root=args.root_path,
            rules=rules_of(load(args.config)) if args.config else (),
        )
    )
    return 0
