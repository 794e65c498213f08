"""The interface of windows, and OpenCV's."""

import time
from typing import Protocol

import cv2
import numpy as np

from pipeline.demo.show.screen import INSTEAD
from pipeline.system.failure import Failure

TITLE = "ferpipe demo"
ESCAPE = 27
QUIT = "q"


class Window(Protocol):
    """Shows pictures and receives keys."""

    def show(self, picture: np.ndarray) -> None:
        """Show a BGR picture; the first one opens the window."""

    def key(self, seconds: float) -> str:
        """The next key in lower case within this time, else "". Esc and a closed window count as ``q``."""

    def close(self) -> None: ...


class OpenCVWindow:
    """OpenCV's own window."""

    def __init__(self) -> None:
        self._open = False

    def show(self, picture: np.ndarray) -> None:
        if not self._open:  # not earlier, as that would show an empty window
            try:
                cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            except cv2.error as error:
                raise Failure(f"this OpenCV opens no windows (opencv-python-headless?): take --window tk, or "
                              f"{INSTEAD}") from error
            self._open = True
        cv2.imshow(TITLE, picture)

    def key(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        while True:
            # In steps of 50 ms, to notice a closed window
            left = until - time.monotonic()
            code = cv2.waitKey(max(1, min(50, int(1000 * left)))) & 0xFF
            try:
                if code == ESCAPE or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                    return QUIT
            except cv2.error:  # with its last window closed, Qt is gone altogether
                return QUIT
            if code != 0xFF:
                return chr(code).lower()
            if time.monotonic() >= until:
                return ""

    def close(self) -> None:
        if self._open:
            cv2.destroyAllWindows()
