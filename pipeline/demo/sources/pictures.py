"""Decodes a picture file: bounded in size, rotated as its EXIF data says, refused in one line."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np

from pipeline.system.failure import Failure

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
# A small file can unpack to gigabytes: 120 million pixels, as the largest phones take, are 360 MB
MOST_PIXELS = 120_000_000


def read_picture(path: Path) -> np.ndarray:
    """A file's picture as uint8 BGR ``(H, W, 3)``. Raises Failure when it cannot be read.

    Decoded from memory because ``cv2.imread`` cannot open Windows paths with accents.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror})") from error
    return decode(data, str(path))


def decode(data: bytes, name: str, most_pixels: int = MOST_PIXELS) -> np.ndarray:
    """The picture in these bytes as uint8 BGR ``(H, W, 3)``, rotated as its EXIF data says.

    Args:
        name: how messages call it.
        most_pixels: larger ones are refused from their header, before they are decoded.

    Raises Failure when it is no picture, too large, or damaged beyond repair.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at a bound of its own
            with Image.open(io.BytesIO(data)) as header:
                width, height = header.size
    except Image.DecompressionBombError:
        width = height = most_pixels
    except Exception:  # a broken file makes Pillow's readers raise nearly anything
        # What Pillow cannot read is not passed on to OpenCV
        raise Failure(f"{name}: not a picture that can be read; is it complete?") from None
    if width * height > most_pixels:
        raise Failure(f"{name}: more than {most_pixels // 1_000_000} million pixels; make it smaller")
    try:
        frame = cv2.imdecode(np.frombuffer(data, "uint8"), cv2.IMREAD_COLOR)
    except cv2.error:
        frame = None
    if frame is None:
        raise Failure(f"{name}: not a picture that can be read; is it complete?")
    return frame
