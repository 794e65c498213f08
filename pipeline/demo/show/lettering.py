"""Anti-aliased text on a frame in Pillow's built-in font: rendered once as a mask, cached, blended into each frame."""

from functools import lru_cache

import cv2
import numpy as np

Colour = tuple[int, int, int]


@lru_cache(maxsize=4)
def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size)


@lru_cache(maxsize=1024)
def _mask(text: str, size: int) -> np.ndarray:
    """The opacity of each pixel: uint8 ``(H, W)``. H depends on the size alone, so texts in a row share a baseline."""
    from PIL import Image, ImageDraw

    font = _font(size)
    # Room below the baseline for descenders: a quarter of the size
    image = Image.new("L", (max(1, round(font.getlength(text))), round(size * 1.25)))
    ImageDraw.Draw(image).text((0, size), text, fill=255, font=font, anchor="ls")
    return np.asarray(image)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height of a rendered text in pixels; ``size`` is the font's, in pixels."""
    height, width = _mask(text, size).shape
    return width, height


def put(frame: np.ndarray, text: str, x: int, y: int, size: int, colour: Colour) -> None:
    """Draw text in a BGR colour into the frame, its top left corner at ``(x, y)``, clipped to the frame."""
    mask = _mask(text, size)
    blend(frame, np.full((1, 1, 3), colour, "uint8"), mask, x, y)


def blend(frame: np.ndarray, colours: np.ndarray, alpha: np.ndarray, x: int, y: int) -> None:
    """Blend BGR colours, broadcast to ``(H, W, 3)``, into the frame at ``(x, y)``, by opacity, uint8 ``(H, W)``."""
    height, width = alpha.shape
    # The rows and columns of the mask that are inside the frame
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(height, frame.shape[0] - y), min(width, frame.shape[1] - x)
    if top >= bottom or left >= right:
        return
    part = frame[y + top : y + bottom, x + left : x + right]
    over = np.broadcast_to(colours, (height, width, 3))[top:bottom, left:right]
    share = alpha[top:bottom, left:right, None].astype("uint16")
    # In integers: + 127 rounds the division by 255
    part[:] = ((over * share + part * (255 - share) + 127) // 255).astype("uint8")


def rounded(frame: np.ndarray, x: int, y: int, width: int, height: int, colour: Colour, radius: int = 4) -> None:
    """Draw a filled rectangle with rounded corners."""
    radius = min(radius, width // 2, height // 2)
    if radius < 1:
        cv2.rectangle(frame, (x, y), (x + width - 1, y + height - 1), colour, -1)
        return
    cv2.rectangle(frame, (x + radius, y), (x + width - 1 - radius, y + height - 1), colour, -1)
    cv2.rectangle(frame, (x, y + radius), (x + width - 1, y + height - 1 - radius), colour, -1)
    for cx in (x + radius, x + width - 1 - radius):
        for cy in (y + radius, y + height - 1 - radius):
            cv2.circle(frame, (cx, cy), radius, colour, -1, cv2.LINE_AA)
