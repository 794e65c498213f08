"""What a thread repeats while a block runs, and no longer: a process that is stopped falls silent."""

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def beating(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call ``action``, which raises nothing, every so many seconds inside the block."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            action()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
