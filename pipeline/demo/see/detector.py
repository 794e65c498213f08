"""Detects faces and crops them as FER-2013 was cropped: the detectors' interface, and OpenCV's Haar cascade."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import cv2.data
import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import square, to_gray


class Detector(Protocol):
    """What the demo needs of a detector. Boxes are in pixels of the frame that was given."""

    @property
    def angles(self) -> tuple[float, ...]:
        """The head rolls that need a call of ``find`` each, in degrees clockwise; 0 comes first."""

    def find(self, frame: np.ndarray, angle: float = 0.0, fine: bool = False) -> list[Box]:
        """The faces of a BGR or gray frame, the largest first.

        Args:
            angle: the roll of the heads to look for, one of ``angles``.
            fine: also look for small faces, which takes longer.
        """

    def near(self, frame: np.ndarray, boxes: Sequence[Box]) -> list[Box | None]:
        """The new box for each of the previous frame's ``boxes``, in order; None where there is no face nearby."""

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """The classifier's input for a face in a gray frame: uint8 ``(48, 48)``, upright.

        Part of the detector because each detector draws its boxes differently around a face.
        """


class HaarDetector:
    """OpenCV's frontal-face cascade ``alt2`` on a frame of half the size: about 15 ms at 640x480, 1 ms near a face.

    Args:
        share: the box's side as a share of the side of FER-2013's crop of the same face (measured: 0.97).
    """

    # The cascade detects faces with a roll of up to about 20 degrees, hence three searches
    angles = (0.0, -30.0, 30.0)
    SCALE = 0.5
    # Bounds for the longer side of the resized frame, in pixels: a smaller one loses faces, a larger one takes too long
    SIDES = (320, 640)
    FINE_SIDE = 1600
    # The smallest face, in pixels of the resized frame (48 of a 640x480 frame, the size of the network's input)
    SMALLEST = 24
    # A known face is looked for in a square of ROOM times its side, at sizes between these shares of its old size
    ROOM, SIZES = 1.6, (0.87, 1.15)

    def __init__(self, share: float = 0.97):
        self.share = share
        # Local contrast equalisation. Measured: in good light as many faces as without it, in the dark or beside a lamp
        # most of them, where without it there are none; a global equalizeHist loses a quarter
        self._light = cv2.createCLAHE(clipLimit=1.5, tileGridSize=(4, 4))
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml"))

    def find(self, frame: np.ndarray, angle: float = 0.0, fine: bool = False) -> list[Box]:
        small, scale = self._small(frame, fine)
        whole = Box(0, 0, small.shape[1], small.shape[0])
        boxes = self._search(small, whole, angle, (self.SMALLEST, max(small.shape)))
        # The cascade's threads return the faces in no fixed order
        return sorted((_scaled(box, 1 / scale) for box in boxes), key=lambda box: (-box.area, box.x, box.y))

    def near(self, frame: np.ndarray, boxes: Sequence[Box]) -> list[Box | None]:
        small, scale = self._small(frame)
        moved: list[Box | None] = []
        for box in boxes:
            old = _scaled(box, scale)
            side = max(old.width, old.height)
            (x, y), room = old.centre, side * self.ROOM
            left, top = max(0, round(x - room / 2)), max(0, round(y - room / 2))
            right, bottom = min(small.shape[1], round(x + room / 2)), min(small.shape[0], round(y + room / 2))
            candidates = self._search(small, Box(left, top, right - left, bottom - top), box.angle,
                                      (round(side * self.SIZES[0]), round(side * self.SIZES[1])))
            best = min(candidates, key=lambda new: np.hypot(new.centre[0] - x, new.centre[1] - y), default=None)
            moved.append(_scaled(best, 1 / scale) if best is not None else None)
        return moved

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        return square(gray, box, max(box.width, box.height) / self.share)

    def _small(self, frame: np.ndarray, fine: bool = False) -> tuple[np.ndarray, float]:
        """The frame in gray, resized and equalised for the search, and its scale relative to the frame."""
        gray = to_gray(frame)
        longer = max(gray.shape)
        scale = min(max(self.SCALE, self.SIDES[0] / longer), self.SIDES[1] / longer)
        if fine:
            scale = max(scale, min(1.0, self.FINE_SIDE / longer))
        size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        return self._light.apply(small), scale

    def _search(self, image: np.ndarray, part: Box, angle: float, sides: tuple[int, int]) -> list[Box]:
        """Faces in ``part`` of the image whose sides are within ``sides``; all in pixels of the image."""
        cut = image[part.y : part.y + part.height, part.x : part.x + part.width]
        if min(cut.shape) < 2:
            return []
        inverse = None
        if angle:
            cut, inverse = _rotated(cut, angle)
        smallest, largest = (max(2, side) for side in sides)
        rectangles = self._cascade.detectMultiScale(cut, scaleFactor=1.1, minNeighbors=4, minSize=(smallest, smallest),
                                                    maxSize=(largest, largest))
        boxes = []
        for x, y, width, height in np.asarray(rectangles).reshape(-1, 4).tolist():
            # A box rotates with its centre only: its sides stay parallel to the frame's, and ``angle`` tells the roll
            middle = np.array([x + width / 2, y + height / 2, 1.0])  # homogeneous, for the 2x3 matrix
            centre = middle[:2] if inverse is None else inverse @ middle
            left, top = part.x + centre[0] - width / 2, part.y + centre[1] - height / 2
            boxes.append(Box(round(left), round(top), width, height, angle))
        return boxes


def _scaled(box: Box, scale: float) -> Box:
    x, y, width, height = (round(value * scale) for value in (box.x, box.y, box.width, box.height))
    return Box(x, y, width, height, box.angle)


def _rotated(image: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """The image rotated so that heads with a roll of ``angle`` are upright, and the 2x3 matrix back to its pixels.

    The result is enlarged so that nothing is cut off.
    """
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    cos, sin = np.abs(matrix[0, :2])
    size = round(width * cos + height * sin), round(width * sin + height * cos)
    # From the centre of the old image to that of the larger one
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return (cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE),
            cv2.invertAffineTransform(matrix))
