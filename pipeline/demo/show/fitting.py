"""Pictures that are to fill a window or a video of another size."""

import cv2
import numpy as np

Size = tuple[int, int]
AREA_BELOW = 0.6


def fit(picture: np.ndarray, size: Size) -> np.ndarray:
    """The picture scaled to fit ``size`` (width, height) without distortion, centred on black."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scaled_size = fitting((width, height), size)
    # Averaging areas takes ten times as long, and letters need it only where most pixels would be skipped
    tiny = scaled_size[0] < AREA_BELOW * width
    scaled = cv2.resize(picture, scaled_size, interpolation=cv2.INTER_AREA if tiny else cv2.INTER_LINEAR)
    if scaled_size == size:
        return scaled
    whole = np.zeros((size[1], size[0], 3), "uint8")
    left, top = (size[0] - scaled_size[0]) // 2, (size[1] - scaled_size[1]) // 2
    whole[top : top + scaled_size[1], left : left + scaled_size[0]] = scaled
    return whole


def fitting(size: Size, bounds: Size) -> Size:
    """The largest size within ``bounds`` that has the proportions of ``size``; all are (width, height)."""
    scale = min(bounds[0] / size[0], bounds[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def at_most(size: Size, bounds: Size) -> Size:
    """``size`` itself where it is within ``bounds``, else ``fitting``."""
    return size if size[0] <= bounds[0] and size[1] <= bounds[1] else fitting(size, bounds)
