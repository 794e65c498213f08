"""Checks for a screen before a window is opened, because without one Qt aborts the whole process."""

import os
import re
import socket
import sys
from pathlib import Path

from pipeline.system.failure import Failure

INSTEAD = "write a file instead: ferpipe demo SOURCE --headless --out FILE"


def check_screen(kind: str = "opencv") -> None:
    """Raise Failure where a window of this kind (``opencv`` or ``tk``) cannot open."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return
    plugins = _qt_plugins() if kind == "opencv" else []
    # An OpenCV without plugins was built for this system's desktop; Tk supports X11 alone
    wayland = kind == "opencv" and (not plugins or any("wayland" in name for name in plugins))
    if os.environ.get("WAYLAND_DISPLAY") and wayland:
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        raise Failure(f"no screen (DISPLAY is not set); {INSTEAD}")
    if not _answers(display):
        raise Failure(f"no screen answers at DISPLAY={display}; {INSTEAD}")
    if plugins and not wayland:
        # The desktop may ask for Qt's Wayland plugin, which OpenCV's wheel does not have
        os.environ["QT_QPA_PLATFORM"] = "xcb"


def _qt_plugins() -> list[str]:
    import cv2

    return [file.name for file in Path(cv2.__file__).parent.glob("qt/plugins/platforms/*.so")]


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
