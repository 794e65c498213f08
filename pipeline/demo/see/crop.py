"""Cutting faces out of a frame as FER-2013 was cropped: gray, upright, 48x48."""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.faces.faces import SIZE


def crops(frame: np.ndarray, boxes: Sequence[Box], margin: float) -> np.ndarray:
    """The classifier's input for the N faces of a BGR or gray frame: uint8 ``(N, 48, 48)``.

    Args:
        margin: the box's side as a share of the crop's (``Bundle.crop_margin``).
    """
    gray = to_gray(frame) if boxes else frame
    return np.array([square(gray, box, max(box.width, box.height) / margin) for box in boxes],
                    "uint8").reshape(-1, SIZE, SIZE)


def middle(frame: np.ndarray) -> Box:
    """The largest square in the middle of a picture that is one face already; its crop has the margin 1."""
    height, width = frame.shape[:2]
    side = min(height, width)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def square(gray: np.ndarray, box: Box, side: float, size: int = SIZE) -> np.ndarray:
    """The square of ``side`` pixels around a box's centre, rotated upright and resized to uint8 ``(size, size)``.

    Beyond the frame's edge, its edge pixels are repeated.
    """
    if box.angle:
        # Resize first, then rotate: warpAffine samples single pixels, so rotating the large square would alias. Half of
        # the side more on every axis (1.5 > the square root of 2) leaves no corner of the rotated square empty
        wide = square(gray, Box(box.x, box.y, box.width, box.height), side * 1.5, round(size * 1.5))
        middle, edge = (len(wide) - 1) / 2, (len(wide) - size) // 2
        matrix = cv2.getRotationMatrix2D((middle, middle), box.angle, 1)
        rotated = cv2.warpAffine(wide, matrix, wide.shape, borderMode=cv2.BORDER_REPLICATE)
        return rotated[edge : edge + size, edge : edge + size]
    side = max(1, round(side))
    left, top = round(box.x + (box.width - side) / 2), round(box.y + (box.height - side) / 2)
    # Clipped indices repeat the edge pixels
    rows = np.clip(np.arange(top, top + side), 0, gray.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, gray.shape[1] - 1)
    cut = gray[rows[:, None], columns]
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def to_gray(frame: np.ndarray) -> np.ndarray:
    """A BGR or gray frame as gray ``(H, W)``."""
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
