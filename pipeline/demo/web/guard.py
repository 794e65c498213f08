"""Security headers for every answer, and a check of the Host header."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEADERS = {
    # The browser itself lets the page load nothing from elsewhere and send nothing elsewhere
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
                               "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Revalidated on each use, so that a cached page fits the program that serves it
    "Cache-Control": "no-cache",
}


class Guard:
    """Adds the headers, and answers 421 to a foreign Host: a site elsewhere could let its own name point at 127.0.0.1.

    (DNS rebinding: the browser would then count that site and this server as one origin.)
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if "*" not in self.hosts and (name := host_of(host)) not in self.hosts:
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            return await send({"type": "http.response.body", "body": foreign(name).encode()})

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((name.lower().encode(), value.encode())
                                                             for name, value in HEADERS.items())]
            await send(message)

        return await self.app(scope, receive, with_headers)


def foreign(name: str) -> str:
    """The answer to a foreign name: what to do if it is one of the owner's, as that of a proxy or tunnel."""
    # Nothing else that a client sends is repeated, least of all to be pasted into a shell
    plain = name if re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,252}", name) else ""
    return (f"This server does not answer to {f'the name {plain}' if plain else 'this name'}. If it is yours, start "
            f"the server with this option: ferpipe web --allow-host {plain or 'NAME'}\n")


def host_of(header: str) -> str:
    """The name in a Host header without its port: ``[::1]:80`` is ``::1``."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def may_connect(origin: str | None, host: str | None, origins: tuple[str, ...]) -> bool:
    """Whether a page of this Origin may open a live connection: this server's own, an allowed one, or no page."""
    if not origin or "*" in origins or origin.lower() in origins:
        return True
    try:
        return urlsplit(origin).netloc == host
    except ValueError:  # such as http://[
        return False
