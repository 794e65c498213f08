"""The interface of windows, and OpenCV's."""

import time
from typing import Protocol

import cv2
import numpy as np

from pipeline.demo.show.fitting import Size, at_most, fit
from pipeline.demo.show.screen import INSTEAD
from pipeline.system.failure import Failure

TITLE = "ferpipe demo"
ESCAPE = 27
QUIT = "q"
# A window opens in the picture's size where that is within these bounds, which fit on nearly every screen
OPENING: Size = (1200, 720)


class Window(Protocol):
    """Shows pictures and receives keys. A person may resize it: pictures fill it as far as their proportions allow."""

    def show(self, picture: np.ndarray) -> None:
        """Show a BGR picture; the first one opens the window."""

    def key(self, seconds: float) -> str:
        """The next key in lower case within this time, else "".

        A closed window counts as ``q``, and so does Esc, which in full screen only leaves that.
        """

    def toggle_full_screen(self) -> None:
        """Fill the screen, or leave it again."""

    def close(self) -> None: ...


class OpenCVWindow:
    """OpenCV's own window."""

    def __init__(self) -> None:
        self._picture: np.ndarray | None = None
        self._size = OPENING

    def show(self, picture: np.ndarray) -> None:
        if self._picture is None:  # not earlier, as that would show an empty window
            try:
                cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
            except cv2.error as error:
                raise Failure(f"this OpenCV opens no windows (opencv-python-headless?): take --window tk, or "
                              f"{INSTEAD}") from error
            self._size = at_most((picture.shape[1], picture.shape[0]), OPENING)
            cv2.resizeWindow(TITLE, *self._size)
        else:
            self._size = self._inside()
        self._picture = picture
        # Scaled here, as OpenCV takes the nearest pixel, which makes small letters illegible
        cv2.imshow(TITLE, fit(picture, self._size))

    def _inside(self) -> Size:
        """Width and height for the picture; as before where the window does not tell, as when it is minimised."""
        try:
            _, _, width, height = cv2.getWindowImageRect(TITLE)
        except cv2.error:
            return self._size
        return (width, height) if width > 0 and height > 0 else self._size

    def key(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        while True:
            # In steps of 50 ms, to notice a closed or resized window
            left = until - time.monotonic()
            code = cv2.waitKey(max(1, min(50, int(1000 * left)))) & 0xFF
            try:
                if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                    return QUIT
            except cv2.error:  # with its last window closed, Qt is gone altogether
                return QUIT
            if code == ESCAPE:
                if not self._full_screen():
                    return QUIT
                self.toggle_full_screen()
            elif code != 0xFF:
                return chr(code).lower()
            if self._picture is not None and self._inside() != self._size:
                self.show(self._picture)
            if time.monotonic() >= until:
                return ""

    def _full_screen(self) -> bool:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN) == cv2.WINDOW_FULLSCREEN

    def toggle_full_screen(self) -> None:
        mode = cv2.WINDOW_NORMAL if self._full_screen() else cv2.WINDOW_FULLSCREEN
        cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, mode)

    def close(self) -> None:
        if self._picture is not None:
            cv2.destroyAllWindows()
