"""Soft shapes on an array: anti-aliased polygons, tapering strokes and glows, in colour or in gray."""

from functools import lru_cache

import cv2
import numpy as np

# Weights of blue, green and red in gray (ITU-R BT.601)
LUMINANCE = np.array([0.114, 0.587, 0.299], "float32")
FRACTION = 4  # fractional bits of a coordinate: OpenCV draws to a sixteenth of a pixel
FAINT = 0.02  # shapes with a lower opacity are left out


class Canvas:
    """A float32 image ``(H, W, 3)`` in BGR or ``(H, W, 1)`` in gray, 0 to 255, that is painted in place.

    Shapes are ``(N, 2)`` points (x, y) in pixels, or ``(K, N, 2)``: K shapes that do not overlap, drawn in the time of
    one. Colours are BGR triples, ``alpha`` is the opacity, 0 to 1. ``within`` holds polygons that clip a shape.
    """

    def __init__(self, image: np.ndarray):
        self.image = image

    def fill(self, points: np.ndarray, colour, alpha: float = 1.0, blur: float = 0.0, within=None) -> None:
        """Draw filled polygons, their edges softened over ``blur`` pixels."""
        if alpha < FAINT or (box := self._box(points, 2 * blur + 2)) is None:
            return
        mask = _mask(points, box)
        if blur >= 0.5:
            # Two box filters approximate a Gaussian and take the same time at any width
            side = 2 * round(blur * 0.5) + 1
            mask = cv2.blur(cv2.blur(mask, (side, side)), (side, side))
        self._blend(box, mask.astype("float32") * np.float32(alpha / 255), colour, within)

    def stroke(self, points: np.ndarray, widths, colour, alpha: float = 1.0, blur: float = 0.0, within=None) -> None:
        """Draw lines through the points; ``widths``: one width or N of them, in pixels."""
        if alpha < FAINT:
            return
        # A stroke is a polygon along both sides of the line, at half its width along the normals. The tangents are
        # central differences, one-sided at the ends
        along = np.empty_like(points)
        along[..., 1:-1, :] = points[..., 2:, :] - points[..., :-2, :]
        along[..., 0, :] = points[..., 1, :] - points[..., 0, :]
        along[..., -1, :] = points[..., -1, :] - points[..., -2, :]
        reach = np.asarray(widths) / 2 / np.maximum(np.sqrt((along**2).sum(axis=-1)), 1e-6)
        side = (along * reach[..., None])[..., ::-1] * (-1, 1)
        self.fill(np.concatenate([points + side, (points - side)[..., ::-1, :]], axis=-2), colour, alpha, blur, within)

    def glow(self, centre: np.ndarray, radii, colour, alpha: float, angle: float = 0.0, within=None) -> None:
        """Gaussian spots at ``(K, 2)`` centres. ``radii``: two standard deviations, rotated by ``angle`` (radians)."""
        if alpha < FAINT or (box := self._box(centre, 2.5 * max(radii))) is None:
            return
        left, top, right, bottom = box
        x = np.arange(left, right, dtype="float32") - centre[:, :1].astype("float32")
        y = np.arange(top, bottom, dtype="float32") - centre[:, 1:].astype("float32")
        x, y = x[:, None, :], y[:, :, None]
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        # u² + v² = half the squared distance in standard deviations, the exponent of the Gaussian; .7071 = 1 / sqrt(2)
        u = (x * cos + y * sin) * np.float32(0.7071 / radii[0])
        v = (y * cos - x * sin) * np.float32(0.7071 / radii[1])
        self._blend(box, np.exp(-(u * u + v * v)).sum(axis=0) * np.float32(alpha), colour, within)

    def _box(self, points: np.ndarray, margin: float) -> tuple[int, int, int, int] | None:
        """The part of the image that a shape touches: left, top, right, bottom; None when it is outside the image."""
        height, width = self.image.shape[:2]
        flat = points.reshape(-1, 2)
        (left, top), (right, bottom) = np.minimum.reduce(flat).tolist(), np.maximum.reduce(flat).tolist()
        left, top = max(int(left - margin), 0), max(int(top - margin), 0)
        right, bottom = min(int(right + margin) + 1, width), min(int(bottom + margin) + 1, height)
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _blend(self, box, cover: np.ndarray, colour, within) -> None:
        if within is not None:
            cover = cover * (_mask(within, box) * np.float32(1 / 255))
        paint = np.asarray(colour, "float32")
        if self.image.shape[2] == 1:
            paint = paint @ LUMINANCE
        left, top, right, bottom = box
        part = self.image[top:bottom, left:right]
        part += (paint - part) * cover[..., None]


def _mask(points: np.ndarray, box) -> np.ndarray:
    left, top, right, bottom = box
    mask = np.zeros((bottom - top, right - left), "uint8")
    corners = ((points - (left, top)) * 2**FRACTION + 0.5).astype("int32")
    return cv2.fillPoly(mask, list(corners) if corners.ndim == 3 else [corners], 255, cv2.LINE_AA, FRACTION)


def curve(points, count: int = 6, closed: bool = False) -> np.ndarray:
    """A smooth line through the points (Catmull-Rom), ``count`` steps from each to the next."""
    p = np.asarray(points, "float64")
    ends = (p[-1:], p[:2]) if closed else (2 * p[:1] - p[1:2], 2 * p[-1:] - p[-2:-1])
    p = np.concatenate([ends[0], p, ends[1]])
    line = (_spline(count) @ np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], axis=1)).reshape(-1, 2)
    return line if closed else np.concatenate([line, p[-2:-1]])


@lru_cache
def _spline(count: int) -> np.ndarray:
    """Weights ``(count, 4)`` of four neighbouring points for the steps between the middle two."""
    t = np.arange(count)[:, None] / count
    powers = np.concatenate([t**0, t, t**2, t**3], axis=1)
    return 0.5 * powers @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])


def ellipse(centre, radii, count: int = 24) -> np.ndarray:
    """Points on an ellipse."""
    return _circle(count) * radii + centre


@lru_cache
def _circle(count: int) -> np.ndarray:
    angle = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
