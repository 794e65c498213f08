"""A stand-in for ``python -m``: its processes are forked from one that has imported the large libraries.

A process of the pipeline takes seconds to import them, which is half of its time on toy data. The program that
``warm_python`` makes takes a module and its arguments, works in the same folder with the same environment, input and
output, and ends with the same exit code. It cannot stand for a process that is killed: what it started would go on.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

# Nothing of this project: that comes from the folder that a process works in
PRELOADED = ("tensorflow", "keras", "mlflow", "optuna", "great_expectations", "matplotlib.figure", "sklearn.metrics",
             "pandas", "onnx", "onnxruntime", "cv2", "tf2onnx", "dvc.cli")


@contextlib.contextmanager
def warm_python() -> Iterator[Path]:
    """A program ``python`` inside the block; a real one where the system is not Linux."""
    import subprocess
    import tempfile
    import time

    if sys.platform != "linux":
        yield Path(sys.executable)
        return
    with tempfile.TemporaryDirectory(prefix="ferpipe-warm-") as folder:
        address, program = Path(folder, "socket"), Path(folder, "python")
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" "{address}" "$@"\n')
        program.chmod(0o755)
        with subprocess.Popen([sys.executable, __file__, address]) as server:
            try:
                while not address.exists():
                    assert server.poll() is None
                    time.sleep(0.05)
                yield program
            finally:
                server.terminate()


def call(address: str, options: list[str]) -> int:
    """Run ``python -m MODULE ARGUMENTS`` in a process of the server; its exit code."""
    if options[0] != "-m":
        os.execv(sys.executable, [sys.executable, *options])
    request = {"module": options[1], "arguments": options[2:], "folder": str(Path.cwd()),
               "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        content = json.dumps(request).encode()
        socket.send_fds(connection, [len(content).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(content)
        return connection.recv(1)[0]


def serve(address: str) -> None:
    """Fork a process for every request, and answer with its exit code."""
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        listening.settimeout(0.02)
        while True:
            with contextlib.suppress(TimeoutError):
                connection, _ = listening.accept()
                if not (pid := os.fork()):
                    become(connection)
                running[pid] = connection
            for pid, connection in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    with connection, contextlib.suppress(OSError):
                        connection.sendall(bytes([abs(os.waitstatus_to_exitcode(status))]))
                    del running[pid]


def become(connection: socket.socket) -> None:
    """Be the process that is asked for, to its end."""
    import random
    import runpy

    connection.setblocking(True)
    size, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(size, "big")))
    for wanted, descriptor in enumerate(descriptors):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    sys.argv, sys.path[0] = [request["module"], *request["arguments"]], request["folder"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
