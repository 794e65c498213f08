"""Paints a map over a face: what speaks for an answer in yellow, what speaks against it in blue, on the gray crop."""

import cv2
import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import to_gray

# In BGR. Every kind of colour vision tells these two apart, and from a gray face
FOR, AGAINST = (40, 190, 255), (255, 120, 30)
# The crop's gray is dimmed by this factor, and the strongest part of a map covers it with this opacity
DIMMED, OPAQUE = 0.8, 0.8
# A map is enlarged to this many pixels before it is turned and scaled onto the face
FINE = 96


def paint(frame: np.ndarray, box: Box, margin: float, shares: np.ndarray, opaque: float = OPAQUE) -> np.ndarray:
    """A copy of a BGR frame with a map over one face.

    Args:
        margin: the box's side as a share of the crop's (``Bundle.crop_margin``).
        shares: the map of the crop ``(H, W)``, -1 (against) to 1 (for).
        opaque: the opacity of its strongest part.
    """
    side = max(box.width, box.height) / margin
    # The square's corners once it is turned with the head are within this distance of its centre
    reach = side / np.sqrt(2) if box.angle else side / 2
    (x, y), (height, width) = box.centre, frame.shape[:2]
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    right, bottom = min(width, int(np.ceil(x + reach))), min(height, int(np.ceil(y + reach)))
    painted = frame.copy()
    if left >= right or top >= bottom:
        return painted
    middle = (FINE - 1) / 2
    turned = cv2.getRotationMatrix2D((middle, middle), -box.angle, side / FINE)
    offset = np.array([[0, 0, x - left], [0, 0, y - top]]) - np.array([0, 0, 0.5 + middle])
    matrix = np.add(turned, offset)

    def placed(values: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(values, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)[..., None]

    fine = cv2.resize(shares.astype("float32"), (FINE, FINE), interpolation=cv2.INTER_LINEAR)
    map_, inside = placed(np.clip(fine, -1, 1)), placed(np.ones((FINE, FINE), "float32"))
    part = painted[top:bottom, left:right]
    gray = np.repeat(to_gray(part)[..., None] * DIMMED, 3, axis=2)
    colours = np.where(map_ >= 0, np.array(FOR, "float32"), np.array(AGAINST, "float32"))
    covered = gray + (colours - gray) * (opaque * np.abs(map_))
    part[:] = (part + (covered - part) * inside).round().astype("uint8")
    return painted
