"""The lock of a server's studies: PostgreSQL's advisory lock of a transaction.

It ends with its process, or when that has said nothing for SILENCE: it was stopped, or its machine is gone. What it was
about to write under the lock is then refused, for another process has the lock by now.
"""

import contextlib
import random
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from pipeline.system.failure import Failure

# The lock's key: any number that nobody else takes
KEY = 0x6665_7270
# Seconds without a statement after which a server ends a transaction
SILENCE = 60
# The connection that holds the lock for this thread
_held: ContextVar[Any] = ContextVar("held", default=None)


@contextlib.contextmanager
def held(engine, patience: float) -> Iterator[None]:
    """Hold the lock; an engine without a pool. Raises TimeoutError after so many seconds."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    limit(engine)
    with engine.connect() as connection:
        # Of a transaction, not of a session: the one that works through a pool of connections, too
        attempt, begun = text(f"SELECT pg_try_advisory_xact_lock({KEY})"), time.monotonic()
        while not connection.scalar(attempt):
            connection.rollback()
            if time.monotonic() - begun > patience:
                raise TimeoutError
            time.sleep(random.uniform(0.02, 0.1))
        token = _held.set(connection)
        try:
            yield
        finally:
            _held.reset(token)
            # To close one that the server has ended would log a traceback
            with contextlib.suppress(SQLAlchemyError):
                connection.rollback()


def limit(engine) -> None:
    """Let the server end an engine's transactions after SILENCE."""
    from sqlalchemy import event

    statement = f"SET LOCAL idle_in_transaction_session_timeout = {1000 * SILENCE}"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(statement))


def keep_to(engine, where: str) -> None:
    """Let an engine write nothing, but raise Failure, where this thread had the lock and the server has ended it.

    Args:
        where: the server, for the message.
    """
    from sqlalchemy import event
    from sqlalchemy.exc import SQLAlchemyError

    def check(_) -> None:
        try:
            if (connection := _held.get()) is not None:
                connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError as error:
            raise Failure(f"{where}: the server has ended this process' lock, as it does after {SILENCE} s of silence, "
                          "so others go on without it; run it again") from error

    event.listen(engine, "commit", check)
