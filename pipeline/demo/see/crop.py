"""Cutting a face out of a gray frame."""

import cv2
import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.faces.faces import SIZE


def square(gray: np.ndarray, box: Box, side: float, size: int = SIZE) -> np.ndarray:
    """The square of ``side`` pixels round a box's centre, turned upright and resized to ``(size, size)``.

    Where it leaves the frame, the frame's edge pixels go on.
    """
    if box.angle:
        # First smaller, then turned: turning alone would pick single pixels
        wide = square(gray, Box(box.x, box.y, box.width, box.height), side * 1.5, round(size * 1.5))
        middle, edge = (len(wide) - 1) / 2, (len(wide) - size) // 2
        matrix = cv2.getRotationMatrix2D((middle, middle), box.angle, 1)
        turned = cv2.warpAffine(wide, matrix, wide.shape, borderMode=cv2.BORDER_REPLICATE)
        return turned[edge : edge + size, edge : edge + size]
    side = max(1, round(side))
    left, top = round(box.x + (box.width - side) / 2), round(box.y + (box.height - side) / 2)
    rows = np.clip(np.arange(top, top + side), 0, gray.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, gray.shape[1] - 1)
    cut = gray[rows[:, None], columns]
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def to_gray(frame: np.ndarray) -> np.ndarray:
    """A BGR or gray frame as gray ``(H, W)``."""
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
