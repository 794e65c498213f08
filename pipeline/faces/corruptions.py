"""What cameras and uploads do to a face: blur, low resolution, JPEG, noise, light, a badly placed box, hidden parts.

Training draws from the same matrices and table as the fixed corruptions that models are measured on.
"""

from functools import cache

import numpy as np

# The luminance table of the JPEG standard (ITU-T T.81, table K.1), for quality 50
JPEG_TABLE = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]], "float32")


# Matrices (size, size), float32, whose rows add up to 1: M @ image changes an image's rows, image @ M.T its columns


@cache
def gaussian(sigma: float, size: int) -> np.ndarray:
    """A Gaussian blur of ``sigma`` pixels."""
    return _normed(np.exp(-_distances(size) ** 2 / (2 * sigma**2)))


@cache
def box(width: int, size: int) -> np.ndarray:
    """The mean of ``width`` neighbours, an odd number: motion along an axis."""
    return _normed(_distances(size) <= width // 2)


@cache
def resampling(pixels: int, size: int) -> np.ndarray:
    """Down to ``pixels`` by area, as OpenCV's INTER_AREA has it, and linearly up again, as INTER_LINEAR has it."""
    edges = np.linspace(0, size, pixels + 1)
    overlap = (np.minimum(edges[1:, None], np.arange(size) + 1) - np.maximum(edges[:-1, None], np.arange(size)))
    down = _normed(np.maximum(overlap, 0))
    source = np.clip((np.arange(size) + 0.5) * pixels / size - 0.5, 0, pixels - 1)
    up = np.maximum(1 - abs(source[:, None] - np.arange(pixels)), 0)
    return (up @ down).astype("float32")


def _distances(size: int) -> np.ndarray:
    return abs(np.arange(size)[:, None] - np.arange(size)).astype(float)


def _normed(rows: np.ndarray) -> np.ndarray:
    return (rows / rows.sum(axis=1, keepdims=True)).astype("float32")


@cache
def dct() -> np.ndarray:
    """``(64, 64)``: the cosine transform of JPEG's blocks of 8 x 8 pixels in one orthonormal matrix.

    ``dct() @ block.ravel()`` are a block's coefficients in the table's order, and the transpose turns them back.
    """
    k = np.arange(8)
    line = np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16) / 2
    line[0] /= np.sqrt(2)
    return np.kron(line, line).astype("float32")
