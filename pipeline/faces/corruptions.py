"""What cameras and uploads do to a face: blur, low resolution, JPEG, noise, light, a badly placed box, hidden parts.

``CORRUPTIONS`` are the fixed ones that every model is measured on (corruption robustness, Hendrycks & Dietterich 2019,
arXiv 1903.12261); training draws its degradations from the same matrices and table. NumPy alone, so that the corrupted
images are the same wherever they are made.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Corruption:
    """One kind of damage at one severity; calling it damages uint8 images ``(N, 48, 48)``.

    What is random in it is drawn from the image's own pixels: an image is damaged in the same way alone, in a batch and
    in any order, on every machine.

    Attributes:
        kind: a key of ``KINDS``.
        severity: in the kind's unit; None for a kind that has one severity alone.
    """

    kind: str
    severity: float | None = None

    @property
    def name(self) -> str:
        """``blur-0.7``, ``eyes-hidden``."""
        return self.kind if self.severity is None else f"{self.kind}-{self.severity:g}"

    def __str__(self) -> str:
        words = KINDS[self.kind][0]
        return words if self.severity is None else words.format(f"{self.severity:g}")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        damage = KINDS[self.kind][1]
        batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        return np.concatenate([images[:0], *(_damaged(damage, batch, self) for batch in batches)])


def _damaged(damage: "Damage", images: np.ndarray, corruption: Corruption) -> np.ndarray:
    randoms = [np.random.default_rng([zlib.crc32(image.tobytes()), zlib.crc32(corruption.kind.encode())])
               for image in images]
    damaged = damage(images.astype("float32"), randoms, corruption.severity or 0)
    return np.clip(np.rint(damaged), 0, 255).astype("uint8")


# What is done to float32 images (N, S, S), 0 to 255, with a generator for each, at this severity; rounded afterwards
Damage = Callable[[np.ndarray, list[np.random.Generator], float], np.ndarray]
# Images that are damaged at a time
BATCH = 64


def _blur(images, randoms, severity):
    matrix = gaussian(severity, images.shape[1])
    return matrix @ images @ matrix.T


def _few_pixels(images, randoms, severity):
    matrix = resampling(int(severity), images.shape[1])
    return matrix @ images @ matrix.T


def _motion(images, randoms, severity):
    """The mean along a line of ``severity`` pixels through each pixel, in a random direction."""
    reach = int(severity) // 2
    line = np.linspace(-reach, reach, 4 * reach + 1)
    angles = _uniform(randoms, 0, np.pi)[:, 0]
    offsets = np.arange(-reach, reach + 1)
    # each point of the line adds to the four pixels around it
    rows, columns = (np.maximum(1 - abs(offsets - (line * along(angles))[:, :, None]), 0)
                     for along in (np.sin, np.cos))
    kernels = np.einsum("npi,npj->nij", rows, columns).astype("float32") / len(line)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    size = images.shape[1]
    return sum(kernels[:, i, j, None, None] * padded[:, i : i + size, j : j + size]
               for i in range(len(offsets)) for j in range(len(offsets)))


def _jpeg(images, randoms, severity):
    """The losses of a gray JPEG at quality ``severity``, as libjpeg scales the table."""
    scale = 50 / severity if severity < 50 else 2 - severity / 50
    steps = np.clip(np.floor(JPEG_TABLE * scale + 0.5), 1, 255).ravel()
    count, size = images.shape[:2]
    across = size // 8
    blocks = images.reshape(count, across, 8, across, 8).swapaxes(2, 3).reshape(-1, 64)
    coefficients = np.rint((blocks - 128) @ dct().T / steps) * steps
    blocks = (coefficients @ dct() + 128).reshape(count, across, across, 8, 8)
    return blocks.swapaxes(2, 3).reshape(images.shape)


def _noise(images, randoms, severity):
    return images + severity * np.stack([random.standard_normal(images.shape[1:], "float32") for random in randoms])


def _gamma(images, randoms, severity):
    return 255 * (images / 255) ** severity


def _contrast(images, randoms, severity):
    mean = images.mean(axis=(1, 2), keepdims=True)
    return mean + severity * (images - mean)


def _rotation(images, randoms, severity):
    """By ``severity`` degrees, to the left or to the right."""
    angles = np.radians(severity) * np.sign(_uniform(randoms, -1, 1))
    y, x = _grid(images)
    centre = (images.shape[1] - 1) / 2
    return _read(images, centre + np.cos(angles) * (y - centre) + np.sin(angles) * (x - centre),
                 centre - np.sin(angles) * (y - centre) + np.cos(angles) * (x - centre))


def _box(images, randoms, severity):
    """A box whose centre is off by up to ``severity`` % of its side, and whose side by as much."""
    right, down, scale = (_uniform(randoms, -severity / 100, severity / 100) for _ in range(3))
    y, x = _grid(images)
    size, centre = images.shape[1], (images.shape[1] - 1) / 2
    return _read(images, centre + size * down + (1 + scale) * (y - centre),
                 centre + size * right + (1 + scale) * (x - centre))


def _eyes_hidden(images, randoms, severity):
    """A bar of a random gray over the eyes of a frontal face."""
    hidden = images.copy()
    hidden[:, 13:23, 4:44] = _uniform(randoms, 0, 255)
    return hidden


def _mouth_hidden(images, randoms, severity):
    """The lower third of a frontal face in a random gray, from one cheek to the other."""
    hidden = images.copy()
    hidden[:, 31:, 8:40] = _uniform(randoms, 0, 255)
    return hidden


def _uniform(randoms, low, high):
    """``(N, 1, 1)``: one number for each image."""
    return np.array([random.uniform(low, high) for random in randoms], "float32")[:, None, None]


def _grid(images):
    """``(1, S, 1)`` and ``(1, 1, S)``: the rows and columns of pixels."""
    pixels = np.arange(images.shape[1], dtype="float32")
    return pixels[None, :, None], pixels[None, None, :]


def _read(images, y, x):
    """Images at the points (y, x), which broadcast to ``(N, S, S)``, bilinear; beyond the edge it repeats."""
    size = images.shape[1]
    y, x = (np.clip(np.broadcast_to(axis, images.shape), 0, size - 1) for axis in (y, x))
    top, left = (np.minimum(axis.astype(int), size - 2) for axis in (y, x))
    down, right = y - top, x - left
    flat = images.reshape(-1)
    index = np.arange(len(images))[:, None, None] * size * size + top * size + left
    upper = flat[index] * (1 - right) + flat[index + 1] * right
    lower = flat[index + size] * (1 - right) + flat[index + size + 1] * right
    return upper * (1 - down) + lower * down


# kind: (what a person reads, with its severity; the damage)
KINDS: dict[str, tuple[str, Damage]] = {
    "blur": ("blur of {} pixels", _blur),
    "motion": ("motion over {} pixels", _motion),
    "jpeg": ("JPEG, quality {}", _jpeg),
    "pixels": ("{} pixels scaled up", _few_pixels),
    "noise": ("noise of {}", _noise),
    "gamma": ("gamma {}", _gamma),
    "contrast": ("contrast {}", _contrast),
    "rotation": ("rotation by {}°", _rotation),
    "box": ("box off by {} %", _box),
    "eyes-hidden": ("eyes hidden", _eyes_hidden),
    "mouth-hidden": ("mouth hidden", _mouth_hidden),
}
# Two severities each, the milder one first
CORRUPTIONS = tuple(Corruption(kind, severity) for kind, severities in {
    "blur": (0.7, 1.5), "motion": (3, 5), "jpeg": (50, 20), "pixels": (32, 18), "noise": (5, 15), "gamma": (0.5, 2),
    "contrast": (0.5, 1.5), "rotation": (10, 20), "box": (10, 20), "eyes-hidden": (None,), "mouth-hidden": (None,),
}.items() for severity in severities)
