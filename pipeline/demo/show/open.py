"""Opens a window by its name."""

from pipeline.demo.show.screen import check_screen
from pipeline.demo.show.window import OpenCVWindow, Window


def open_window(kind: str) -> Window:
    """A window of this kind, ``opencv`` or ``tk``. Raises Failure without a screen or when it is not installed."""
    check_screen(kind)
    if kind == "tk":
        from pipeline.demo.show.tk_window import TkWindow

        return TkWindow()
    return OpenCVWindow()
