"""An iterator that works ahead, in a thread: a video's next frame is decoded and searched while this one is drawn."""

import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")
# Seconds after which the thread looks whether it is still wanted
PATIENCE = 0.1


def ahead(items: Iterable[T], most: int = 2) -> Generator[T]:
    """The same items in the same order, up to ``most`` of them made in advance by a thread of their own.

    An exception of ``items`` is raised where its item would have come. Closing the iterator waits until the thread is
    done with the item in work, so that what ``items`` reads can be freed afterwards.
    """
    # An item, or how it ended: with an exception, or None at the end
    queue: Queue[tuple[T] | BaseException | None] = Queue(most)
    unwanted = threading.Event()

    def put(entry: tuple[T] | BaseException | None) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                queue.put(entry, timeout=PATIENCE)
                return

    def work() -> None:
        end = None
        try:
            for item in items:
                put((item,))
                if unwanted.is_set():
                    return
        except BaseException as error:
            end = error
        put(end)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (entry := queue.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        unwanted.set()
        while thread.is_alive():
            with suppress(Empty):
                queue.get(timeout=PATIENCE)
        thread.join()
