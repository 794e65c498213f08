"""Finds faces in a frame and cuts them out the way that FER-2013 was cut."""

from pathlib import Path
from typing import Protocol

import cv2
import cv2.data
import numpy as np

from pipeline.demo.boxes import Box
from pipeline.faces import SIZE


class Detector(Protocol):
    """What the demo needs of a detector."""

    def find(self, frame: np.ndarray) -> list[Box]:
        """The faces of a BGR or gray frame, the largest first."""

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """What the classifier sees of a face in a gray frame: uint8 ``(48, 48)``.

        It belongs to the detector because every detector draws its box differently.
        """


class HaarDetector:
    """OpenCV's frontal-face cascade ``alt2`` on a frame of half the size: about 15 ms at 640x480.

    Args:
        share: the box's side as a share of FER-2013's crop of the same face (measured: .97).
    """

    SCALE = 0.5
    # The searched frame's longer side, pixels: below, small faces are lost; above, it takes too long
    SIDES = (320, 640)
    # The smallest face, pixels of the searched frame (so 48 of a 640x480 frame, as large as the network's input)
    SMALLEST = 24

    def __init__(self, share: float = 0.97):
        self.share = share
        # Evens out the light region by region. Measured: finds as many faces as no equalisation in good light, and most
        # of them in the dark or beside a lamp, where that finds none; a global equalizeHist loses a quarter
        self._light = cv2.createCLAHE(clipLimit=1.5, tileGridSize=(4, 4))
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml"))

    def find(self, frame: np.ndarray) -> list[Box]:
        gray = to_gray(frame)
        longer = max(gray.shape)
        scale = min(max(self.SCALE, self.SIDES[0] / longer), self.SIDES[1] / longer)
        size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        found = self._cascade.detectMultiScale(
            self._light.apply(small), scaleFactor=1.1, minNeighbors=4, minSize=(self.SMALLEST, self.SMALLEST)
        )
        boxes = [Box(*(round(value / scale) for value in box)) for box in np.asarray(found).reshape(-1, 4).tolist()]
        # A fixed order: the cascade's threads return faces in any
        return sorted(boxes, key=lambda box: (-box.area, box.x, box.y))

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        return square(gray, box, max(box.width, box.height) / self.share)


def square(gray: np.ndarray, box: Box, side: float, size: int = SIZE) -> np.ndarray:
    """The square of ``side`` pixels round a box's centre, resized to ``(size, size)``.

    Where it leaves the frame, the frame's edge pixels go on.
    """
    side = max(1, round(side))
    left, top = round(box.x + (box.width - side) / 2), round(box.y + (box.height - side) / 2)
    rows = np.clip(np.arange(top, top + side), 0, gray.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, gray.shape[1] - 1)
    cut = gray[rows[:, None], columns]
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def to_gray(frame: np.ndarray) -> np.ndarray:
    """A BGR or gray frame as gray ``(H, W)``."""
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
