"""uvicorn with limits: itself it lets a client take for ever to send a request, or to take an answer."""

import time
from typing import Any

import uvicorn
from h11 import IDLE, SEND_BODY
from starlette.requests import Request

from pipeline.demo.web import body
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.picture import Refused


class Server(uvicorn.Server):
    """uvicorn's server, which looks at its connections ten times a second and ends those that are too slow.

    Where there are nearly too many connections, those go first that have kept it waiting longest: clients that send
    half a request take nobody's place. Beyond ``bounds.connections`` a request is answered with 503.
    """

    def __init__(self, config: uvicorn.Config, bounds: Bounds):
        super().__init__(config)
        self._bounds = bounds
        self._watched: dict[Any, _Watch] = {}
        self._answer: Any = config.app
        config.app, config.interface = self._unless_crowded, "asgi3"

    async def _unless_crowded(self, scope: Any, receive: Any, send: Any) -> None:
        """The application, but where there are too many connections: uvicorn's own refusal has no Retry-After."""
        if scope["type"] != "http" or len(self.server_state.connections) <= self._bounds.connections:
            await self._answer(scope, receive, send)
            return
        crowded = Refused(503, "too many connections; try again in a second")
        refusal = await body.refuse(Request(scope, receive), crowded, self._bounds)
        await refusal(scope, receive, send)

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's hook, which it calls every tenth of a second."""
        self._end_slow_ones(time.monotonic())
        return await super().on_tick(counter)

    def _end_slow_ones(self, now: float) -> None:
        connections = self.server_state.connections
        self._watched = {connection: self._watched.get(connection) or _Watch(now) for connection in [*connections]}
        for connection, watch in self._watched.items():
            watch.look(connection, now)
        patience, most = self._bounds.patience, self._bounds.connections
        # a tenth of the places is kept free
        crowd = len(connections) - (most - max(2, most // 10))
        slowest = sorted(self._watched.items(), key=lambda item: item[1].slow(now), reverse=True)
        for rank, (connection, watch) in enumerate(slowest):
            # a body that is too slow is answered by the application, with a reason
            late = watch.slow(now) > patience * (1.5 if watch.body else 1)
            if late or (rank < crowd and watch.slow(now) > (self._bounds.grace if watch.body else 0)):
                connection.transport.abort()


class _Watch:
    """Since when a connection has kept the server waiting."""

    def __init__(self, now: float):
        self.body = False
        self._request: tuple[object, object] | None = None
        self._request_since: float | None = None
        self._unsent = 0
        self._unsent_since = now

    def look(self, connection: Any, now: float) -> None:
        """Note what there is to wait for at this moment."""
        # of HTTP, by uvicorn with h11; a live connection that said goodbye waits for the other's
        state = getattr(connection.conn, "their_state", None)
        waits = state in (IDLE, SEND_BODY) or getattr(connection, "close_sent", False)
        request = (state, getattr(connection, "cycle", None))
        if not waits:
            self._request_since = None
        elif self._request_since is None or request != self._request:
            self._request_since = now
        self._request, self.body = request, state is SEND_BODY
        unsent = connection.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent:
            self._unsent_since = now
        self._unsent = unsent

    def slow(self, now: float) -> float:
        """For how many seconds."""
        for_request = 0.0 if self._request_since is None else now - self._request_since
        return max(for_request, now - self._unsent_since if self._unsent else 0.0)
