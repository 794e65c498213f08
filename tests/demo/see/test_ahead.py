"""Working ahead: the same items, the same exceptions, and a thread that ends."""

import threading
import time

import pytest

from pipeline.demo.see.ahead import ahead


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_the_items_come_in_their_order():
    assert list(ahead(range(100))) == list(range(100)) and not threads()
    assert list(ahead([])) == [] and list(ahead([None, None])) == [None, None]


def test_the_next_item_is_made_while_this_one_is_used():
    made = []
    items = ahead(made.append(number) or number for number in range(9))
    assert next(items) == 0
    until = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert 3 <= len(made) <= 4, "two wait, and one more may be in work"
    items.close()


def test_an_exception_is_raised_where_its_item_would_have_come():
    def broken():
        yield 1
        raise ValueError("the third frame is broken")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="third frame"):
        next(items)
    assert not threads()


def test_closing_waits_for_the_item_in_work():
    finished = threading.Event()

    def slow():
        yield 1
        time.sleep(0.3)
        finished.set()
        yield 2
        raise AssertionError("nobody wants a third")

    items = ahead(slow())
    assert next(items) == 1
    items.close()
    assert finished.is_set() and not threads()
