"""One process at a time: a lock that every system has and that no crash leaves behind."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from pipeline.system.failure import Failure

# Seconds to wait for another process that holds a lock
PATIENCE = 600.0
# The locks that a thread of this process holds: inside, it may take the same one again
_held = threading.local()


@contextlib.contextmanager
def exclusive(path: Path, task: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock ``path``, a file that stays empty, while no other process and no other thread does.

    Args:
        path: an sqlite database without a table, whose lock the system takes back when a process is killed.
        task: what only one may do at a time, for the messages: ``promote``.
        patience: seconds to wait for another that holds it.

    Raises Failure when another still holds it then.
    """
    locks: set[Path] = _held.__dict__.setdefault("locks", set())
    if path.absolute() in locks:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_opened(path)) as gate:
        if not _taken(gate, path):
            print(f"{task}: another process does this at the moment; waiting for it", flush=True)
            gate.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}")
            if not _taken(gate, path):
                raise Failure(f"{task}: another process has been at it for {patience / 60:.0f} minutes; wait for it or "
                              "end it, then run again")
        locks.add(path.absolute())
        try:
            yield
        finally:
            locks.discard(path.absolute())


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: sqlite3.OperationalError) -> Failure:
    return Failure(f"{path}: cannot be locked ({error}); free some space, make its folder writable, or remove it")


def _taken(gate: sqlite3.Connection, path: Path) -> bool:
    try:
        gate.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise _refused(path, error) from error
    except sqlite3.DatabaseError as error:
        raise Failure(f"{path}: no lock of this program ({error}); remove it") from error
    return True
