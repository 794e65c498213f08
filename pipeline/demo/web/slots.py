"""Places for requests: so many at a time, in the order in which they came, and whoever fills one slowly gives way."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from pipeline.demo.web.picture import Refused


class Slots:
    """At most ``limit`` at a time; one more waits a while for its turn."""

    def __init__(self, limit: int, patience: float = 0.0, grace: float = 0.0, queue: float = 0.0):
        """
        Args:
            limit: how many.
            patience: seconds that a request in a slot may take to arrive.
            grace: seconds after which one that is still arriving gives way to the next, where all slots are taken.
            queue: seconds that a request waits for a slot. Without a queue a client that asks without a pause has
                the next slot before anybody who comes back after a refusal.
        """
        self.limit, self.patience, self.grace, self.queue = limit, patience, grace, queue
        self.taken = 0
        # by when they began, the first is the oldest
        self._arriving: dict[asyncio.Timeout, float] = {}
        # each has its slot, which counts as taken, when its future is done
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def take(self, sentence: str) -> AsyncIterator[None]:
        """Hold a slot. Raises Refused (503) with this sentence when none becomes free in time and none gives way."""
        if self.taken < self.limit or self._let_one_go():
            self.taken += 1
        elif not await self._turn():
            if not self._let_one_go():
                raise Refused(503, sentence)
            self.taken += 1
        try:
            yield
        finally:
            self._leave()

    @contextlib.asynccontextmanager
    async def arriving(self) -> AsyncIterator[None]:
        """Around the reading of a request in a slot. Raises TimeoutError when it took too long or had to give way."""
        async with asyncio.timeout(self.patience) as limit:
            self._arriving[limit] = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                self._arriving.pop(limit, None)

    async def _turn(self) -> bool:
        """Wait for a slot; whether there was one in time."""
        if not self.queue:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            # leaves the future alone, which may be done in the same moment
            await asyncio.wait([turn], timeout=self.queue)
        except asyncio.CancelledError:
            if turn.done():
                self._leave()
            raise
        finally:
            if not turn.done():
                self._waiting.remove(turn)
        return turn.done()

    def _leave(self) -> None:
        """Give a slot back, to the one who has waited longest."""
        self.taken -= 1
        if self._waiting and self.taken < self.limit:
            self.taken += 1
            self._waiting.popleft().set_result(None)

    def _let_one_go(self) -> bool:
        """End the oldest request that is still arriving; its slot counts once more until it has heard of it."""
        now = asyncio.get_running_loop().time()
        oldest, begun = next(iter(self._arriving.items()), (None, now))
        if oldest is None or now - begun < self.grace:
            return False
        del self._arriving[oldest]
        oldest.reschedule(now)
        return True
