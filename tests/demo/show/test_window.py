"""OpenCV's window, on a pretended desktop: its size and full screen. On a virtual screen it is in test_play."""

import cv2
import numpy as np
import pytest

from pipeline.demo.show.window import OPENING, QUIT, OpenCVWindow


class Desktop:
    """Takes the place of OpenCV's functions for windows; ``size`` is what the person gave the window, if anything."""

    def __init__(self, monkeypatch):
        self.shown, self.codes, self.size, self.full = [], [], None, 0.0
        for name in ("namedWindow", "resizeWindow", "imshow", "getWindowImageRect", "getWindowProperty",
                     "setWindowProperty", "waitKey", "destroyAllWindows"):
            monkeypatch.setattr(cv2, name, getattr(self, name))

    def namedWindow(self, _, flags):
        assert flags & cv2.WINDOW_AUTOSIZE == 0, "that one cannot be resized"

    def resizeWindow(self, _, width, height):
        self.opened = self.size = width, height

    def imshow(self, _, picture):
        self.shown.append(picture)

    def getWindowImageRect(self, _):
        if self.size is None:
            raise cv2.error("not implemented")
        return 0, 0, *self.size

    def getWindowProperty(self, _, which):
        return self.full if which == cv2.WND_PROP_FULLSCREEN else 1.0

    def setWindowProperty(self, _, which, value):
        assert which == cv2.WND_PROP_FULLSCREEN
        self.full = value

    def waitKey(self, _):
        return self.codes.pop(0) if self.codes else -1

    def destroyAllWindows(self):
        pass


@pytest.fixture
def desktop(monkeypatch):
    return Desktop(monkeypatch)


def picture(width, height):
    return np.full((height, width, 3), 200, "uint8")


@pytest.mark.parametrize("size, opened", [((900, 480), (900, 480)), ((2400, 1080), (1200, 540)),
                                          ((540, 1440), (270, 720))])
def test_it_opens_in_the_pictures_size_where_a_small_screen_has_room_for_it(desktop, size, opened):
    OpenCVWindow().show(picture(*size))
    assert desktop.opened == opened <= OPENING
    assert desktop.shown[0].shape[1::-1] == opened


def test_pictures_fill_it_in_their_proportions_also_when_it_is_resized_while_one_stands_still(desktop):
    window = OpenCVWindow()
    window.show(picture(900, 480))
    desktop.size = 450, 640
    assert window.key(0.0) == ""
    shown = desktop.shown[-1]
    assert shown.shape == (640, 450, 3)
    assert (shown[200:440] == 200).all() and not shown[:200].any() and not shown[440:].any()
    count = len(desktop.shown)
    window.key(0.0)
    assert len(desktop.shown) == count, "and only then it is drawn again"


@pytest.mark.parametrize("size", [(0, 0), None], ids=["minimised", "not told"])
def test_a_window_that_does_not_tell_its_size_gets_pictures_of_the_last_one(desktop, size):
    window = OpenCVWindow()
    window.show(picture(900, 480))
    desktop.size = size
    window.show(picture(900, 480))
    assert window.key(0.0) == "" and desktop.shown[-1].shape == (480, 900, 3)


def test_escape_leaves_full_screen_first_and_then_the_demo(desktop):
    window = OpenCVWindow()
    window.show(picture(900, 480))
    window.toggle_full_screen()
    assert desktop.full == cv2.WINDOW_FULLSCREEN
    desktop.codes = [27]
    assert (window.key(0.0), desktop.full) == ("", cv2.WINDOW_NORMAL)
    window.toggle_full_screen()
    window.toggle_full_screen()
    assert desktop.full == cv2.WINDOW_NORMAL
    desktop.codes = [27]
    assert window.key(0.0) == QUIT
