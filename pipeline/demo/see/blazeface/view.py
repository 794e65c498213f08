"""Square views of a picture, which may be turned and may reach beyond it: what a detector's network looks at."""

from typing import NamedTuple

import cv2
import numpy as np


class View(NamedTuple):
    """A square of a picture, in its pixels.

    Attributes:
        x, y: the centre.
        roll: how far the square is turned, in degrees clockwise as one looks at the picture.
    """

    x: float
    y: float
    side: float
    roll: float = 0.0


def whole(frame: np.ndarray) -> View:
    """The smallest upright view with all of a frame ``(H, W, ...)``."""
    height, width = frame.shape[:2]
    return View(width / 2, height / 2, max(width, height))


def pixels(frame: np.ndarray, view: View, size: int) -> np.ndarray:
    """A view of a BGR or gray frame as uint8 RGB ``(size, size, 3)``; black beyond the frame's edges.

    Quarter turns only reorder the pixels; other rolls are sampled from the smallest upright square round the view.
    """
    quarter = round(view.roll / 90)
    if abs(view.roll - 90 * quarter) > 1e-6:
        return _turned(frame, view, size)
    upright = _upright(frame, round(view.x - view.side / 2), round(view.y - view.side / 2), round(view.side), size)
    return np.ascontiguousarray(np.rot90(upright, quarter % 4))


def _upright(frame: np.ndarray, left: int, top: int, side: int, size: int) -> np.ndarray:
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    out = np.zeros((size, size, 3), "uint8")
    if x1 <= x0 or y1 <= y0:
        return out
    scale = size / side
    # The part inside the frame goes to these rows and columns
    u0, v0, u1, v1 = (round(scale * value) for value in (x0 - left, y0 - top, x1 - left, y1 - top))
    if u1 > u0 and v1 > v0:
        part = _resized(frame[y0:y1, x0:x1], u1 - u0, v1 - v0)
        out[v0:v1, u0:u1] = part[:, :, ::-1] if part.ndim == 3 else part[:, :, None]
    return out


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Halved as often as it can be and then resized linearly: an eighth of INTER_AREA's time, and as many faces."""
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _turned(frame: np.ndarray, view: View, size: int) -> np.ndarray:
    # Resize first, then rotate: warpAffine samples single pixels, so rotating the large square would alias. Half of the
    # side more on every axis (1.5 > the square root of 2) leaves no corner of the rotated square empty
    wide_side, wide_size = round(view.side * 1.5), round(size * 1.5)
    wide = _upright(frame, round(view.x - wide_side / 2), round(view.y - wide_side / 2), wide_side, wide_size)
    matrix = cv2.getRotationMatrix2D(((wide_size - 1) / 2,) * 2, view.roll, 1)
    matrix[:, 2] = matrix[:, 2] - (wide_size - size) / 2
    return cv2.warpAffine(wide, matrix, (size, size))
