"""A window of Tk, for an OpenCV that was built without windows; most Pythons have Tk."""

import time
from typing import Any

import numpy as np

from pipeline.demo.show.screen import INSTEAD
from pipeline.demo.show.window import QUIT, TITLE
from pipeline.system.failure import Failure

# Seconds between two checks of the keyboard
POLL = 0.005


class TkWindow:
    """A ``Window``. Raises Failure when Python has no Tk or there is no screen."""

    def __init__(self) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise Failure("this Python has no tkinter (Debian: apt-get install python3-tk); take --window opencv"
                          ) from error
        try:
            # The class name is what the desktop shows as the program's name
            self._root = tkinter.Tk(className="ferpipe")
        except tkinter.TclError as error:
            raise Failure(f"no screen for Tk ({error}); {INSTEAD}") from error
        self._error = tkinter.TclError
        self._root.withdraw()
        self._root.title(TITLE)
        self._root.resizable(False, False)
        self._label = tkinter.Label(self._root, borderwidth=0, highlightthickness=0)
        self._label.pack()
        self._photo: Any = None
        self._keys: list[str] = []
        self._root.bind("<Key>", self._pressed)
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append(QUIT))

    def _pressed(self, event: Any) -> None:
        key = QUIT if event.keysym == "Escape" else event.char.lower()
        if key:
            self._keys.append(key)

    def show(self, picture: np.ndarray) -> None:
        from PIL import Image, ImageTk

        image = Image.fromarray(picture[..., ::-1])
        if self._photo is not None and (self._photo.width(), self._photo.height()) == image.size:
            self._photo.paste(image)
        else:
            first, self._photo = self._photo is None, ImageTk.PhotoImage(image, master=self._root)
            self._label.configure(image=self._photo)
            if first:
                self._root.deiconify()
        self._root.update()

    def key(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        while True:
            self._root.update()
            if self._keys:
                return self._keys.pop(0)
            left = until - time.monotonic()
            if left <= 0:
                return ""
            time.sleep(min(POLL, left))

    def close(self) -> None:
        self._photo = None
        self._root.destroy()
