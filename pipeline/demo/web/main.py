"""The command ``ferpipe web``: the page and the API on this machine."""

import argparse
import contextlib
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.system.failure import Failure
from pipeline.system.project import CHAMPION, model_folder

if TYPE_CHECKING:
    from pipeline.demo.web.bounds import Bounds
    from pipeline.demo.web.server import Server
    from pipeline.demo.web.service import Service

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(argv: list[str] | None = None) -> None:
    """Serve until Ctrl-C. Raises Failure when the model is missing or the port is in use."""
    args = _arguments(argv)
    listening = _listen(args.host, args.port)

    from pipeline.bundle.bundle import Bundle

    bundle = Bundle.load(args.model)

    from pipeline.demo.notice import NOTICE
    from pipeline.demo.web.bounds import Bounds
    from pipeline.demo.web.service import Service

    running = server(Service(bundle), Bounds(), hosts(args.host, args.allow_host), tuple(args.allow_origin))
    shown = f"[{args.host}]" if ":" in args.host else args.host
    print(f"ferpipe web: http://{shown}:{listening.getsockname()[1]} (the API: /docs); Ctrl-C stops it", flush=True)
    print(NOTICE, file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        running.run(sockets=[listening])


def hosts(address: str, allowed: list[str]) -> tuple[str, ...]:
    """The Host names to answer: this machine's and the allowed ones; any, when others may connect and none is named."""
    if address not in LOOPBACK and not allowed:
        return ("*",)
    from pipeline.demo.web.guard import host_of

    return (*LOOPBACK, address, *map(host_of, allowed))


def server(service: "Service", bounds: "Bounds", hosts: tuple[str, ...],
           origins: tuple[str, ...] = ()) -> "Server":
    """Uvicorn with the application, ready to run."""
    import uvicorn

    from pipeline.demo.web.app import create
    from pipeline.demo.web.server import Server

    config = uvicorn.Config(create(service, bounds, hosts, origins), log_level="warning", access_log=False,
                            lifespan="off", server_header=False, timeout_graceful_shutdown=2, http="h11",
                            ws="websockets-sansio", ws_max_size=bounds.frame_bytes, ws_per_message_deflate=False)
    return Server(config, bounds)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise Failure(f"{host}, port {port}: {why}; stop what listens there or choose another with --port (make: PORT=)"
                      ) from None


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("ferpipe web", description="Serve the page and the API on this machine.")
    parser.add_argument("--port", type=int, default=8000, help="0: any free port (default: 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="another address lets other machines connect (default: "
                                                            "127.0.0.1; browsers allow no camera without https)")
    parser.add_argument("--allow-host", metavar="NAME", action="append", default=[],
                        help="also answer to this name, as that of a proxy or tunnel; may be repeated")
    parser.add_argument("--allow-origin", metavar="ORIGIN", action="append", default=[], type=_origin,
                        help="let pages of this site call the API (CORS), as https://example.org; may be repeated; "
                             "default: no other site's")
    parser.add_argument("--model", metavar="DIR", type=Path, default=model_folder(),
                        help=f"a model bundle (default: {CHAMPION.as_posix()} here, else the one that was installed)")
    return parser.parse_args(argv)


def _origin(text: str) -> str:
    origin = text.rstrip("/").lower()
    if origin != "*" and not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?", origin):
        raise argparse.ArgumentTypeError(f"{text!r} is no origin; expected one such as https://example.org, without a "
                                         "path, or '*' for every site")
    return origin
