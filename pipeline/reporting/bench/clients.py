"""Clients of ``ferpipe web`` for its load test: all in one asyncio loop, so that they take little of its cores."""

import asyncio
import itertools
import json
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp

# A camera's frames a second, and for how many seconds a visitor stays; then he makes room for others
FPS, VISIT = 30, 5.0
# Seconds until an answer counts as missing, and those between an error, a refusal or a visit and the next attempt
PATIENCE, PAUSE = 60.0, 1.0
# WebSocket's "try again later"
BUSY = 1013
CLOCK = struct.Struct("<d")


@dataclass
class Tally:
    """What one client experienced.

    Attributes:
        seconds: of each answer, from its request on.
        refused: answers "try again later": 503 with Retry-After, or a live connection closed with code 1013.
        errors: everything else that is no answer, by kind.
        longest: seconds from a first attempt to its answer, refusals and pauses included, or to the end without one.
    """

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    def wait(self, since: float) -> None:
        """Somebody waited from then until now."""
        self.longest = max(self.longest, time.perf_counter() - since)


@dataclass(frozen=True)
class Picture:
    """An encoded picture, and the server's answer to it while nobody else asks."""

    data: bytes
    answer: dict


# With a session, the client's number and the time (``perf_counter``) until which it asks
Client = Callable[[aiohttp.ClientSession, int, float, Tally], Awaitable[None]]


def session() -> aiohttp.ClientSession:
    """Connections without a limit, whose answers are waited for a minute."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(PATIENCE))


async def crowd(client: Client, count: int, seconds: float) -> list[Tally]:
    """So many clients at the same time, for so many seconds; what each of them experienced."""
    tallies = [Tally() for _ in range(count)]
    end = time.perf_counter() + seconds
    async with session() as shared:
        await asyncio.gather(*(client(shared, number, end, tally) for number, tally in enumerate(tallies)))
    return tallies


async def predict(shared: aiohttp.ClientSession, address: str, data: bytes) -> tuple[int, str | None, dict]:
    """An answer's status, its Retry-After and its content without the time that it took, or the error."""
    async with shared.post(f"{address}/predict", data=data) as response:
        if response.status != 200:
            return response.status, response.headers.get("Retry-After"), {"error": await response.text()}
        content = await response.json(content_type=None)
        content.pop("milliseconds", None)
        return 200, None, content


def caller(address: str, pictures: list[Picture]) -> Client:
    """Clients of the API: each sends one picture after the other, and again after a refusal."""

    async def attempt(shared: aiohttp.ClientSession, picture: Picture, tally: Tally) -> float | None:
        """Seconds until the next attempt, none after an answer."""
        begun = time.perf_counter()
        try:
            status, later, content = await predict(shared, address, picture.data)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            tally.errors[type(error).__name__] += 1
            return PAUSE
        if status == 503 and later is not None:
            tally.refused += 1
            return float(later)
        if status != 200:
            tally.errors[f"status {status}" + " without Retry-After" * (status == 503)] += 1
            return PAUSE
        tally.seconds.append(time.perf_counter() - begun)
        if content != picture.answer:
            tally.errors["another answer than alone"] += 1
        return None

    async def client(shared: aiohttp.ClientSession, number: int, end: float, tally: Tally) -> None:
        for step in itertools.count(number):
            begun = time.perf_counter()
            pause: float | None = 0.0
            while pause is not None and time.perf_counter() < end:
                pause = await attempt(shared, pictures[step % len(pictures)], tally)
                await asyncio.sleep(pause or 0.0)
            tally.wait(begun)
            if time.perf_counter() >= end:
                return

    return client


def camera(address: str, films: list[list[bytes]]) -> Client:
    """Clients of the live connection: each plays a film at a camera's pace, a frame when the last one is answered."""

    async def visit(shared: aiohttp.ClientSession, film: list[bytes], begun: float, end: float, tally: Tally) -> bool:
        """Whether any frame was answered."""
        answered = False
        async with shared.ws_connect(f"{address}/live", max_msg_size=0) as live:
            opened = sent = time.perf_counter()
            for frame in itertools.cycle(film):
                if sent >= min(opened + VISIT, end):
                    return answered
                await live.send_bytes(CLOCK.pack(sent - opened) + frame)
                message = await live.receive(PATIENCE)
                content = json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else {}
                if "faces" not in content:
                    closed = message if "error" not in content else await live.receive(PATIENCE)
                    if closed.data == BUSY:
                        tally.refused += 1
                    else:
                        tally.errors[str(content.get("error", f"closed with {live.close_code}"))] += 1
                    return answered
                tally.seconds.append(time.perf_counter() - sent)
                tally.wait(sent if answered else begun)
                answered = True
                await asyncio.sleep(sent + 1 / FPS - time.perf_counter())
                sent = time.perf_counter()
        return answered

    async def client(shared: aiohttp.ClientSession, number: int, end: float, tally: Tally) -> None:
        begun = time.perf_counter()
        while time.perf_counter() < end:
            try:
                answered = await visit(shared, films[number % len(films)], begun, end, tally)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                tally.errors[type(error).__name__] += 1
                answered = False
            await asyncio.sleep(max(0.0, min(PAUSE, end - time.perf_counter())))
            if answered:
                begun = time.perf_counter()
        tally.wait(begun)

    return client
