"""The window on the screen, where there is a screen."""

import os
import re
import socket
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.failure import Failure

TITLE = "ferpipe demo"
INSTEAD = "write a file instead: ferpipe demo SOURCE --headless --out FILE"
ESCAPE = 27


class Window:
    """Shows pictures in their time; ``q``, Esc or closing it ends the show. Raises Failure without a screen."""

    def __init__(self) -> None:
        check_screen()
        self._open = False
        self._start: float | None = None

    def show(self, picture: np.ndarray, seconds: float | None = None) -> bool:
        """Show a picture, at ``seconds`` after the first one where given; False when the person wants to end."""
        if not self._open:  # with the first picture, not as an empty window before it
            try:
                cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            except cv2.error as error:
                raise Failure(f"this OpenCV opens no windows (opencv-python-headless?); {INSTEAD}") from error
            self._open = True
        wait = 1.0
        if seconds is not None:
            if self._start is None:
                self._start = time.monotonic() - seconds
            wait = max(1.0, 1000 * (self._start + seconds - time.monotonic()))
        cv2.imshow(TITLE, picture)
        until = time.monotonic() + wait / 1000
        while True:
            if self._ended(min(wait, 50)):
                return False
            if time.monotonic() >= until:
                return True

    def hold(self) -> None:
        """Leave the last picture on the screen until the person ends it."""
        while not self._ended(50):
            pass

    def close(self) -> None:
        if self._open:
            cv2.destroyAllWindows()

    @staticmethod
    def _ended(milliseconds: float) -> bool:
        key = cv2.waitKey(max(1, int(milliseconds))) & 0xFF
        try:
            return key in (ESCAPE, ord("q"), ord("Q")) or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # with its last window closed, Qt is gone altogether
            return True


def check_screen() -> None:
    """Raise Failure where a window cannot open: Qt would not say so but abort the whole process."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return
    plugins = [file.name for file in Path(cv2.__file__).parent.glob("qt/plugins/platforms/*.so")]
    wayland = any("wayland" in name for name in plugins) or not plugins
    if os.environ.get("WAYLAND_DISPLAY") and wayland:
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        raise Failure(f"no screen (DISPLAY is not set); {INSTEAD}")
    if not _answers(display):
        raise Failure(f"no screen answers at DISPLAY={display}; {INSTEAD}")
    if plugins and not wayland:
        # A desktop that asks for Wayland's plugin, which the wheel has not
        os.environ["QT_QPA_PLATFORM"] = "xcb"


def _answers(display: str) -> bool:
    """Whether an X server listens at ``[host]:number[.screen]``."""
    match = re.fullmatch(r"(?:unix/?)?([^:/]*):(\d+)(?:\.\d+)?", display)
    if not match:
        return bool(display)  # an unusual form: let Qt try
    host, number = match[1], int(match[2])
    if host:
        try:
            socket.create_connection((host, 6000 + number), timeout=2).close()
            return True
        except OSError:
            return False
    path = f"/tmp/.X11-unix/X{number}"
    for address in (path, "\0" + path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(address)
                return True
            except OSError:
                pass
    return False
