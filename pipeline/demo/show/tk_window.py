"""A window of Tk, for an OpenCV that was built without windows; most Pythons have Tk."""

import time
from typing import Any

import numpy as np

from pipeline.demo.show.fitting import Size, at_most, fit
from pipeline.demo.show.screen import INSTEAD
from pipeline.demo.show.window import OPENING, QUIT, TITLE
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
        self._root.withdraw()
        self._root.title(TITLE)
        self._label = tkinter.Label(self._root, borderwidth=0, highlightthickness=0, background="black")
        self._label.pack(fill="both", expand=True)
        self._picture: np.ndarray | None = None
        self._photo: Any = None
        self._keys: list[str] = []
        self._root.bind("<Key>", self._pressed)
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append(QUIT))

    def _pressed(self, event: Any) -> None:
        if event.keysym == "Escape":
            if self._full_screen():
                self.toggle_full_screen()
            else:
                self._keys.append(QUIT)
        elif event.char:
            self._keys.append(event.char.lower())

    def show(self, picture: np.ndarray) -> None:
        if self._picture is None:
            width, height = at_most((picture.shape[1], picture.shape[0]), OPENING)
            # Given in words, so that the size of the label's picture never decides that of the window
            self._root.geometry(f"{width}x{height}")
            self._root.deiconify()
            self._root.update()
        self._picture = picture
        self._draw(picture)
        self._root.update()

    def _draw(self, picture: np.ndarray) -> None:
        from PIL import Image, ImageTk

        image = Image.fromarray(fit(picture, self._inside())[..., ::-1])
        if self._photo is not None and (self._photo.width(), self._photo.height()) == image.size:
            self._photo.paste(image)
        else:
            self._photo = ImageTk.PhotoImage(image, master=self._root)
            self._label.configure(image=self._photo)

    def _inside(self) -> Size:
        return self._label.winfo_width(), self._label.winfo_height()

    def key(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        while True:
            self._root.update()
            if self._photo is not None and self._inside() != (self._photo.width(), self._photo.height()):
                assert self._picture is not None
                self._draw(self._picture)
            if self._keys:
                return self._keys.pop(0)
            left = until - time.monotonic()
            if left <= 0:
                return ""
            time.sleep(min(POLL, left))

    def _full_screen(self) -> bool:
        return bool(self._root.attributes("-fullscreen"))

    def toggle_full_screen(self) -> None:
        self._root.attributes("-fullscreen", not self._full_screen())

    def close(self) -> None:
        self._photo = None
        self._root.destroy()
