"""A slow line: a TCP proxy that delays and rations what goes through it."""

import contextlib
import queue
import socket
import threading
import time

CHUNK = 1000


class Line:
    """A port of this machine that leads to another one. Use it in a ``with``.

    Attributes:
        port: where to connect.
        slow: while true, each direction takes ``latency / 2`` seconds and carries ``rate`` bytes a second.
        sent: bytes from clients so far.
    """

    def __init__(self, target: int, latency: float, rate: float):
        self.target, self.latency, self.rate = target, latency, rate
        self.slow, self.sent = False, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> "Line":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for one, other in ((client, server), (server, client)):
                    waiting: queue.Queue = queue.Queue()
                    threading.Thread(target=self._read, args=(one, waiting, one is client), daemon=True).start()
                    threading.Thread(target=self._write, args=(waiting, other), daemon=True).start()

    def _read(self, end: socket.socket, waiting: queue.Queue, upwards: bool) -> None:
        free = 0.0  # when the line has carried everything before
        while True:
            data = b""
            with contextlib.suppress(OSError):
                data = end.recv(CHUNK)
            now = time.monotonic()
            free = max(free, now) + (len(data) / self.rate if self.slow else 0)
            self.sent += len(data) if upwards else 0
            waiting.put((free + (self.latency / 2 if self.slow else 0), data))
            if not data:
                return

    def _write(self, waiting: queue.Queue, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = waiting.get()
                time.sleep(max(0, due - time.monotonic()))
                if not data:
                    return end.shutdown(socket.SHUT_WR)
                end.sendall(data)
