"""The lock of a server's studies: PostgreSQL's advisory lock of a transaction.

A thread keeps it for as long as its process runs, however long that waits for something else, such as MLflow. It ends
with its process, or when that has been silent for SILENCE: it was stopped, or its machine is gone. Another process may
have the lock by then, so what an opened storage was about to commit under it is refused.
"""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pipeline.system.failure import Failure
from pipeline.tune.beat import beating

# The lock's key: any number that nobody else takes
KEY = 0x6665_7270
# Seconds without a statement after which a server ends a transaction
SILENCE = 60


@dataclass(frozen=True)
class _Lock:
    """A lock that a thread of this process has.

    Attributes:
        connection: SQLAlchemy's; its transaction has the lock.
        where: the server, for messages.
        guard: a connection is one thread's at a time.
    """

    connection: Any
    where: str
    guard: threading.Lock = field(default_factory=threading.Lock)

    def ping(self) -> None:
        """Break the silence. Raises SQLAlchemyError where the server has ended the lock."""
        with self.guard:
            self.connection.exec_driver_sql("SELECT 1")

    def check(self) -> None:
        """Raise Failure where the server has ended the lock."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self.ping()
        except SQLAlchemyError as error:
            raise Failure(f"{self.where}: the server has ended this process' lock, as it does after {SILENCE} s of "
                          "silence, so others go on without it; run it again") from error

    def keep(self) -> None:
        """Ping from another thread. An error is for the thread that has the lock: it meets the same one."""
        from sqlalchemy.exc import SQLAlchemyError

        with contextlib.suppress(SQLAlchemyError):
            self.ping()


# The lock that this thread has
_held: ContextVar[_Lock | None] = ContextVar("held", default=None)


@contextlib.contextmanager
def held(engine, where: str, patience: float) -> Iterator[None]:
    """Hold the lock in the block; an engine without a pool.

    Raises TimeoutError after so many seconds of patience, and Failure at the end of a block that raises nothing, where
    the server has ended the lock.

    Args:
        where: the server, for the message.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    limit_silence(engine)
    with engine.connect() as connection:
        # Of a transaction, not of a session: the one that works through a pool of connections, too
        attempt, begun = text(f"SELECT pg_try_advisory_xact_lock({KEY})"), time.monotonic()
        while not connection.scalar(attempt):
            connection.rollback()
            if time.monotonic() - begun > patience:
                raise TimeoutError
            time.sleep(random.uniform(0.02, 0.1))
        lock = _Lock(connection, where)
        token = _held.set(lock)
        try:
            with beating(lock.keep, SILENCE / 3):
                yield
            lock.check()
        finally:
            _held.reset(token)
            # To close one that the server has ended would log a traceback
            with contextlib.suppress(SQLAlchemyError):
                connection.rollback()


def limit_silence(engine) -> None:
    """Let the server end an engine's transactions after SILENCE."""
    from sqlalchemy import event

    statement = f"SET LOCAL idle_in_transaction_session_timeout = {1000 * SILENCE}"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(statement))


def refuse_writes_without(engine) -> None:
    """Let an engine commit nothing, but raise Failure, where this thread had the lock and the server has ended it."""
    from sqlalchemy import event

    def check(_) -> None:
        if (lock := _held.get()) is not None:
            lock.check()

    event.listen(engine, "commit", check)
