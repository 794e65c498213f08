"""Whose turn it is to train a study's finalists: one process does, and the others wait for what comes of it.

The turn is an attribute of the study: a process, and a count that goes up with its heartbeat. It passes on when the
process is seen to be gone, or when the count has stood still for the grace period; the clocks of two machines are never
compared.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.tune import process
from pipeline.tune.beat import beating
from pipeline.tune.slots import TooLate
from pipeline.tune.storage import Address

# The study's user attribute, and in it the count
TURN, BEATS = "trains the finalists", "beats"
# Seconds between two looks at what the other processes do; the heartbeat's where that is shorter
LOOK = 5


def holder(study) -> dict[str, Any] | None:
    """The process whose turn it is in an open study of Optuna's; None where there is none or it is seen to be gone."""
    known = study.user_attrs.get(TURN)
    return None if not known or process.is_gone(known) else known


@contextlib.contextmanager
def taken(study, where: Address, needed: Callable[[], Any]) -> Iterator[bool]:
    """Have the turn inside the block, after the others. False, and nobody has it, once nothing is ``needed`` any more.

    Whoever has it calls ``check`` from time to time.
    """
    seen, since, waiting = None, 0.0, False
    while needed():
        with where.alone():
            known = holder(study)
            if known != seen:
                seen, since = known, time.monotonic()
            free = known is None or process.is_this(known) or time.monotonic() - since > where.grace
            if free:
                study.set_user_attr(TURN, {**process.this(), BEATS: 0})
        if free:
            with _beating(study, where):
                yield True
            return
        if known is not None and not waiting:
            print(f"tune: {known[process.HOST]} trains the recipe and the finalists at full length (process "
                  f"{known[process.PROCESS].split()[0]}); this process waits for the result", flush=True)
        waiting = True
        pause(where)
    yield False


def pause(where: Address) -> None:
    """Wait until the next look at what the other processes do."""
    time.sleep(min(LOOK, where.heartbeat))


def check(study) -> None:
    """Raise TooLate where the turn is no longer this process's, which was silent for longer than the grace period."""
    if not process.is_this(study.user_attrs.get(TURN) or {}):
        raise TooLate


@contextlib.contextmanager
def _beating(study, where: Address) -> Iterator[None]:
    """Count on inside the block, and give the turn back at its end."""
    counts = itertools.count(1)

    def set_count(count: int | None) -> None:
        # The training meets the storage's errors itself, and a turn that is not given back ends with its process
        with contextlib.suppress(Exception), where.alone():
            check(study)
            study.set_user_attr(TURN, None if count is None else {**process.this(), BEATS: count})

    try:
        with beating(lambda: set_count(next(counts)), where.heartbeat):
            yield
    finally:
        set_count(None)
