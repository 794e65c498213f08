"""What every answer carries, and which names this server answers to."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEADERS = {
    # Nothing is loaded from elsewhere and nothing is sent elsewhere: the browser itself holds the page to it
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
                               "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The page asks anew each time, so that it fits the program that serves it
    "Cache-Control": "no-cache",
}


class Guard:
    """Refuses a foreign Host (a page elsewhere could let its own name point at 127.0.0.1) and adds the headers."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], hosts: tuple[str, ...]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        named = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if "*" not in self.hosts and host_of(named) not in self.hosts:
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            await send({"type": "http.response.start", "status": 421, "headers": [(b"content-type", b"text/plain")]})
            return await send({"type": "http.response.body", "body": b"This server has another name.\n"})

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((name.lower().encode(), value.encode())
                                                             for name, value in HEADERS.items())]
            await send(message)

        return await self.app(scope, receive, with_headers)


def host_of(named: str) -> str:
    """The name in a Host header without its port: ``[::1]:80`` is ``::1``."""
    if named.startswith("["):
        return named[1:].partition("]")[0]
    return named.partition(":")[0].lower()
