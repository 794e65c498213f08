"""The servers that a team shares, as processes of a test: PostgreSQL, which refuses to run as root, and MLflow."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

# Where Debian puts PostgreSQL's programs, which are on nobody's PATH
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def shows(text: str, password: str) -> bool:
    """Whether a text has four characters of a password in a row, as it is in an address or as it is meant."""
    return any(form[i : i + 4].lower() in text.lower() for form in (password, unquote(password))
               for i in range(len(form) - 3))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def postgresql(user: str, password: str) -> Iterator[int]:
    """A PostgreSQL with this superuser; its port at 127.0.0.1."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    become = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="ferpipe-postgresql-"))
    (folder / "password").write_text(password)
    if become:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
    port = free_port()

    def run(*command):
        subprocess.run([*become, PROGRAMS[-1] / command[0], *command[1:]], check=True, cwd=folder,
                       stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})

    data = folder / "data"
    try:
        run("initdb", "-D", data, "-U", user, "-A", "scram-sha-256", "--pwfile", folder / "password", "--no-sync")
        run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o",
            f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off", "start")
        try:
            yield port
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(command: list[str], health: str, log: Path, seconds: float = 180, **options) -> Iterator[None]:
    """A server in a process group of its own, inside the block; it begins when its address answers."""
    with open(log, "wb") as output, subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True,
                                                     **options) as process:
        try:
            deadline = time.monotonic() + seconds
            while not _answers(health):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
                time.sleep(0.3)
            yield
        finally:
            os.killpg(process.pid, 9)


def _answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=2).status == 200
    except OSError:
        return False
