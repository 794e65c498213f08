"""Places for requests: nobody who comes back after an answer goes before one who waits, and none is lost."""

import asyncio
import http.client
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import toy_models

from pipeline.demo.web import main as web
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.picture import Refused
from pipeline.demo.web.slots import Slots

PICTURE = cv2.imencode(".png", np.zeros((20, 20), "uint8"))[1].tobytes()
BOUNDS = replace(Bounds(), requests=2, queue=0.3, grace=15.0)


def crowd(slots: Slots, clients: int, work: float, seconds: float) -> tuple[list[int], int]:
    """Clients that ask again as soon as they are answered: the answers of each, and the most that worked at a time."""
    answers, most = [0] * clients, 0

    async def client(number: int) -> None:
        nonlocal most
        while asyncio.get_running_loop().time() < end:
            try:
                async with slots.take("full"):
                    most = max(most, slots.taken)
                    await asyncio.sleep(work)
                    answers[number] += 1
            except Refused:
                await asyncio.sleep(0.05)

    async def run() -> None:
        nonlocal end
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*map(client, range(clients)))

    end = 0.0
    asyncio.run(run())
    return answers, most


def test_clients_that_ask_without_a_pause_leave_the_others_their_turn():
    slots = Slots(2, queue=5.0)
    answers, most = crowd(slots, clients=10, work=0.01, seconds=0.5)
    assert most == 2 and slots.taken == 0
    assert min(answers) >= 2 and max(answers) - min(answers) <= 2, "in the order in which they came"


def test_who_waits_too_long_is_refused_and_leaves_the_queue():
    slots = Slots(1, queue=0.02)
    answers, most = crowd(slots, clients=4, work=0.1, seconds=0.3)
    assert most == 1 and sum(answers) >= 2 and slots.taken == 0 and not slots._waiting
    answers, _ = crowd(slots, clients=1, work=0.0, seconds=0.05)
    assert answers[0] > 1, "the slot is free again"


@pytest.mark.parametrize("has_its_turn", [False, True])
def test_a_waiting_request_that_is_cancelled_takes_no_slot_with_it(has_its_turn):
    async def run() -> None:
        slots, taken, go_on = Slots(1, queue=5.0), asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with slots.take("full"):
                taken.set()
                await go_on.wait()

        first = asyncio.create_task(hold())
        await taken.wait()
        second = asyncio.create_task(hold())
        await asyncio.sleep(0.01)
        if has_its_turn:
            go_on.set()
            while slots._waiting:
                await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go_on.set()
        await first
        assert slots.taken == 0
        async with asyncio.timeout(1), slots.take("full"):
            assert slots.taken == 1

    asyncio.run(run())


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """A server with two slots, whose pictures take a while."""
    def look(frame, face, times):
        time.sleep(0.2)
        return {"model": "toy", "width": 20, "height": 20, "milliseconds": 0.1, "faces": []}

    service = SimpleNamespace(bundle=toy_models.bundle(tmp_path_factory.mktemp("web") / "model"), look=look)
    listening = socket.create_server(("127.0.0.1", 0))
    server = web.server(service, BOUNDS, web.LOOPBACK)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(20)


def test_one_too_many_hears_when_to_come_again_even_while_it_sends(port):
    answers = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        # more than the sockets hold: it is still sending when the server refuses
        connection.request("POST", "/predict", PICTURE + bytes(8_000_000))
        response = connection.getresponse()
        answers.append((response.status, response.getheader("Retry-After"), response.read()))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12, "each has an answer"
    assert {status for status, _, _ in answers} == {200, 503}
    for status, later, text in answers:
        assert (later == "1" and b"try again in a second" in text) if status == 503 else later is None
