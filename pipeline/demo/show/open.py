"""A window by its kind."""

from pipeline.demo.show.screen import check_screen
from pipeline.demo.show.window import OpenCVWindow, Window


def open_window(kind: str) -> Window:
    """A window of this kind. Raises Failure without a screen or where the kind is not installed."""
    check_screen(kind)
    if kind == "tk":
        from pipeline.demo.show.tk_window import TkWindow

        return TkWindow()
    return OpenCVWindow()
