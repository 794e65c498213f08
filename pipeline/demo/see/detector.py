"""Finds faces in a frame and cuts them out the way that FER-2013 was cut: one small interface, two detectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import cv2.data
import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import square, to_gray


class Detector(Protocol):
    """What the demo needs of a detector."""

    @property
    def angles(self) -> tuple[float, ...]:
        """The rolls of a head, degrees clockwise, that a search must be asked for one by one; 0 comes first."""

    def find(self, frame: np.ndarray, angle: float = 0.0, fine: bool = False) -> list[Box]:
        """The faces of a BGR or gray frame, the largest first.

        Args:
            angle: look for heads that are tilted by so much.
            fine: look for small faces too, however long it takes.
        """

    def near(self, frame: np.ndarray, boxes: Sequence[Box]) -> list[Box | None]:
        """Where the faces of the frame before are now, in their order; None for one that is not near its old place."""

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """What the classifier sees of a face in a gray frame: uint8 ``(48, 48)``, upright.

        It belongs to the detector because every detector draws its box differently.
        """


class HaarDetector:
    """OpenCV's frontal-face cascade ``alt2`` on a frame of half the size: about 15 ms at 640x480, 1 ms near a face.

    Args:
        share: the box's side as a share of FER-2013's crop of the same face (measured: .97).
    """

    # The cascade knows upright faces, to about 20 degrees on either side
    angles = (0.0, -30.0, 30.0)
    SCALE = 0.5
    # The searched frame's longer side, pixels: below, small faces are lost; above, it takes too long
    SIDES = (320, 640)
    FINE_SIDE = 1600
    # The smallest face, pixels of the searched frame (so 48 of a 640x480 frame, as large as the network's input)
    SMALLEST = 24
    # A known face is searched in a square of so many times its side, at sizes between these
    ROOM, SIZES = 1.6, (0.87, 1.15)

    def __init__(self, share: float = 0.97):
        self.share = share
        # Evens out the light region by region. Measured: finds as many faces as no equalisation in good light, and most
        # of them in the dark or beside a lamp, where that finds none; a global equalizeHist loses a quarter
        self._light = cv2.createCLAHE(clipLimit=1.5, tileGridSize=(4, 4))
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml"))

    def find(self, frame: np.ndarray, angle: float = 0.0, fine: bool = False) -> list[Box]:
        small, scale = self._small(frame, fine)
        whole = Box(0, 0, small.shape[1], small.shape[0])
        found = self._search(small, whole, angle, (self.SMALLEST, max(small.shape)))
        # A fixed order: the cascade's threads return faces in any
        return sorted((_scaled(box, 1 / scale) for box in found), key=lambda box: (-box.area, box.x, box.y))

    def near(self, frame: np.ndarray, boxes: Sequence[Box]) -> list[Box | None]:
        small, scale = self._small(frame)
        now: list[Box | None] = []
        for box in boxes:
            old = _scaled(box, scale)
            side = max(old.width, old.height)
            (x, y), room = old.centre, side * self.ROOM
            left, top = max(0, round(x - room / 2)), max(0, round(y - room / 2))
            right, bottom = min(small.shape[1], round(x + room / 2)), min(small.shape[0], round(y + room / 2))
            found = self._search(small, Box(left, top, right - left, bottom - top), box.angle,
                                 (round(side * self.SIZES[0]), round(side * self.SIZES[1])))
            best = min(found, key=lambda new: np.hypot(new.centre[0] - x, new.centre[1] - y), default=None)
            now.append(_scaled(best, 1 / scale) if best is not None else None)
        return now

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        return square(gray, box, max(box.width, box.height) / self.share)

    def _small(self, frame: np.ndarray, fine: bool = False) -> tuple[np.ndarray, float]:
        """The frame as it is searched, and its size as a share of the frame's."""
        gray = to_gray(frame)
        longer = max(gray.shape)
        scale = min(max(self.SCALE, self.SIDES[0] / longer), self.SIDES[1] / longer)
        if fine:
            scale = max(scale, min(1.0, self.FINE_SIDE / longer))
        size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        return self._light.apply(small), scale

    def _search(self, image: np.ndarray, part: Box, angle: float, sides: tuple[int, int]) -> list[Box]:
        """Faces with sides in this range in a part of the image, in the image's pixels."""
        cut = image[part.y : part.y + part.height, part.x : part.x + part.width]
        if min(cut.shape) < 2:
            return []
        back = None
        if angle:
            cut, back = _turned(cut, angle)
        smallest, largest = (max(2, side) for side in sides)
        found = self._cascade.detectMultiScale(cut, scaleFactor=1.1, minNeighbors=4, minSize=(smallest, smallest),
                                               maxSize=(largest, largest))
        boxes = []
        for x, y, width, height in np.asarray(found).reshape(-1, 4).tolist():
            middle = np.array([x + width / 2, y + height / 2, 1.0])
            centre = middle[:2] if back is None else back @ middle
            left, top = part.x + centre[0] - width / 2, part.y + centre[1] - height / 2
            boxes.append(Box(round(left), round(top), width, height, angle))
        return boxes


def _scaled(box: Box, scale: float) -> Box:
    x, y, width, height = (round(value * scale) for value in (box.x, box.y, box.width, box.height))
    return Box(x, y, width, height, box.angle)


def _turned(image: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """The image turned so that heads tilted by ``angle`` are upright, nothing cut off; the matrix that leads back."""
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    cos, sin = np.abs(matrix[0, :2])
    size = round(width * cos + height * sin), round(width * sin + height * cos)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return (cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE),
            cv2.invertAffineTransform(matrix))
