"""Places for requests: so many at a time, and whoever fills one slowly gives way to the next."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from pipeline.demo.web.picture import Refused


class Slots:
    """At most ``limit`` at a time; one more is refused at once instead of queued."""

    def __init__(self, limit: int, patience: float = 0.0, grace: float = 0.0):
        """
        Args:
            limit: how many.
            patience: seconds that a request in a slot may take to arrive.
            grace: seconds after which one that is still arriving gives way to the next, where all slots are taken.
        """
        self.limit, self.patience, self.grace = limit, patience, grace
        self.taken = 0
        # by when they began, the first is the oldest
        self._arriving: dict[asyncio.Timeout, float] = {}

    @contextlib.contextmanager
    def take(self, sentence: str) -> Iterator[None]:
        """Hold a slot. Raises Refused (503) with this sentence when all are taken and none gives way."""
        if self.taken >= self.limit and not self._let_one_go():
            raise Refused(503, sentence)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    @contextlib.asynccontextmanager
    async def arriving(self) -> AsyncIterator[None]:
        """Around the reading of a request in a slot. Raises TimeoutError when it took too long or had to give way."""
        async with asyncio.timeout(self.patience) as limit:
            self._arriving[limit] = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                self._arriving.pop(limit, None)

    def _let_one_go(self) -> bool:
        """End the oldest request that is still arriving; its slot counts once more until it has heard of it."""
        now = asyncio.get_running_loop().time()
        oldest, begun = next(iter(self._arriving.items()), (None, now))
        if oldest is None or now - begun < self.grace:
            return False
        del self._arriving[oldest]
        oldest.reschedule(now)
        return True
