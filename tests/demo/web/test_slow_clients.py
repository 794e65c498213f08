"""Clients that send half a request, or take no answer: they are let go, and take nobody's place meanwhile."""

import http.client
import json
import socket
import struct
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

BOUNDS = replace(Bounds(), connections=30, requests=3, queue=0.3, cameras=2, patience=1.0, grace=0.3)
PICTURE = cv2.imencode(".png", np.zeros((20, 20), "uint8"))[1].tobytes()
HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000\r\n\r\n\xff\xd8\xff"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A function that runs a server which looks at no picture; a live answer has two million characters."""
    answer = {"model": "toy", "width": 20, "height": 20, "milliseconds": 0.1, "faces": []}
    service = SimpleNamespace(bundle=toy_models.bundle(tmp_path_factory.mktemp("web") / "model"),
                              look=lambda frame, face, times: answer,
                              watch=lambda: lambda frame, seconds: {"large": "x" * 2_000_000})
    started = []

    def start(bounds):
        listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        running = web.server(service, bounds, web.LOOPBACK)
        running.port = listening.getsockname()[1]
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        started.append((running, thread))
        return running

    yield start
    for running, thread in started:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(start):
    return start(BOUNDS)


@pytest.fixture(scope="module")
def patient(start):
    """A server that gives everybody a long time, unless others wait."""
    return start(replace(BOUNDS, patience=100.0))


@pytest.fixture
def client(server):
    """A function that connects and sends some bytes; every connection is closed at the end, on both sides."""
    opened = []

    def connect(sent=b"", port=server.port):
        connection = socket.create_connection(("127.0.0.1", port))
        opened.append(connection)
        connection.settimeout(10)
        connection.sendall(sent)
        return connection

    yield connect
    for connection in opened:
        connection.close()
    until(lambda: not server.server_state.connections)


def until(check, seconds=10.0):
    """Something becomes true; how long that took."""
    begun = time.monotonic()
    while not check():
        assert time.monotonic() < begun + seconds
        time.sleep(0.02)
    return time.monotonic() - begun


def asks(server, method="GET", path="/about.json", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def drips(connection, sent=b"x", seconds=30.0):
    """Send byte by byte until the server has ended the connection; how long it let that go on."""
    begun = time.monotonic()
    connection.setblocking(False)
    while time.monotonic() < begun + seconds:
        try:
            connection.send(sent)
            if connection.recv(100_000) == b"":
                return time.monotonic() - begun
        except BlockingIOError:
            pass
        except (ConnectionError, BrokenPipeError):
            return time.monotonic() - begun
        time.sleep(0.05)
    return seconds


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", HEAD,
                                  b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"],
                         ids=["nothing", "half a line", "half of the headers", "half of the body", "no chunk"])
def test_many_half_sent_requests_keep_nobody_waiting(patient, client, sent):
    for _ in range(130):
        client(sent, patient.port)
    # long before the others' time is over
    assert until(lambda: asks(patient) == 200, 60) < 50
    assert until(lambda: asks(patient, "POST", "/predict", PICTURE) == 200, 60) < 50


def test_beyond_the_last_place_a_client_is_told_when_to_come_back(start):
    full = start(replace(BOUNDS, connections=3, patience=100.0, grace=5.0))
    sending = [socket.create_connection(("127.0.0.1", full.port)) for _ in range(4)]
    for connection in sending:
        connection.sendall(HEAD)
    until(lambda: len(full.server_state.connections) == 4)
    connection = http.client.HTTPConnection("127.0.0.1", full.port, timeout=10)
    connection.request("GET", "/about.json")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
    assert "too many connections" in json.loads(answer.read())["error"]
    for opened in (connection, *sending):
        opened.close()
    until(lambda: asks(full) == 200)


@pytest.mark.parametrize("begin, byte", [(b"", b"G"), (b"GET / HTTP/1.1\r\nX: ", b"y"),
                                         (HEAD.replace(b"/predict", b"/about.json"), b"z")],
                         ids=["a method", "a header", "a body that nobody reads"])
@pytest.mark.slow
def test_a_request_that_comes_byte_by_byte_is_ended(client, begin, byte):
    assert drips(client(begin), byte) < 25


@pytest.mark.slow
def test_after_an_answer_the_next_request_has_its_own_time_and_not_more(server, client):
    connection = client()
    for _ in range(3):
        connection.sendall(b"GET /about.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(0.4 * BOUNDS.patience)
        connection.setblocking(False)
        while True:
            try:
                assert connection.recv(100_000)
            except BlockingIOError:
                break
        connection.settimeout(10)
    assert drips(connection, b"G") < 25


def test_a_half_sent_body_is_told_so_and_a_slow_one_that_arrives_in_time_is_taken(patient, client):
    half, slow = client(HEAD), client(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                      b"Content-Length: %d\r\n\r\n" % len(PICTURE), patient.port)
    step = -(-len(PICTURE) // 10)
    for start in range(0, len(PICTURE), step):
        slow.sendall(PICTURE[start : start + step])
        time.sleep(0.06 * BOUNDS.patience)
    assert slow.recv(1000).startswith(b"HTTP/1.1 200")
    answer = b"".join(iter(lambda: half.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 408") and b"did not arrive in time" in answer


@pytest.mark.slow
def test_a_client_that_takes_no_answer_is_ended(server, client):
    connection = client()
    connection.setblocking(False)
    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    try:
        for _ in range(200):
            connection.send(request)
            time.sleep(0.005)
    except (BlockingIOError, ConnectionError):
        pass
    until(lambda: not server.server_state.connections, 30)


@pytest.mark.slow
def test_live_connections_that_take_no_answer_leave_their_places(server, client):
    from websockets.sync.client import connect

    def live():
        return connect(f"ws://127.0.0.1:{server.port}/live", max_size=None, max_queue=1, close_timeout=0.1)

    deaf = [live() for _ in range(BOUNDS.cameras)]
    for _ in range(12):
        for connection in deaf:
            connection.send(struct.pack("<d", 0.0) + PICTURE)
    until(lambda: not server.server_state.connections, 30)
    with live() as connection:
        connection.send(struct.pack("<d", 0.0) + PICTURE)
        assert "large" in connection.recv(timeout=10), "no: all cameras are connected"
    for connection in deaf:
        connection.socket.close()
