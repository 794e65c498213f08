"""What cameras and uploads do to a face, on the accelerator as part of the step.

Everything is drawn for each image on its own, and without a branch: where an image is spared, it is multiplied by the
identity, or the changed image is thrown away. A blur, a lower resolution and a wrong box are each one small matrix for
the rows and one for the columns: two products of 48 x 48, which cost a network's step next to nothing.
"""

import math
from functools import cache

import keras
import numpy as np
from keras import ops

from pipeline.faces import corruptions

# The bank that ``blur`` draws from, at severity 1: standard deviations and widths in pixels, sides of small images
SIGMAS = (0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.8)
SIDES = (36, 32, 28, 24, 20, 18, 16, 14)
MOTIONS = (3, 5, 7)
# JPEG's best and worst quality, the most noise in gray levels, the largest exponent of the light, the largest shift and
# change of scale of a box as shares of its side
BEST_QUALITY, WORST_QUALITY, NOISE, GAMMA, MISPLACED = 60.0, 10.0, 20.0, 2.2, 0.2


@cache
def bank(size: int, severity: float) -> tuple[np.ndarray, np.ndarray]:
    """Matrices ``(K, size, size)``, the first of them the identity, and ``(P, 2)``: the pairs of them for rows and
    columns that can be drawn.

    About a third of the pairs each are Gaussians, lower resolutions, and motion along the rows, the columns or both.
    Below severity 1 the stronger ones are left out: those beyond this share of the way to the strongest.
    """
    matrices = [np.eye(size, dtype="float32")]
    pairs: list[tuple[int, int]] = []

    def add(matrix: np.ndarray, strength: float, axes: tuple[tuple[int, int], ...]) -> None:
        if strength <= severity:
            pairs.extend((rows * len(matrices), columns * len(matrices)) for rows, columns in axes)
            matrices.append(matrix)

    for sigma in SIGMAS:
        add(corruptions.gaussian(sigma, size), sigma / SIGMAS[-1], ((1, 1),))
    for side in SIDES:
        add(corruptions.resampling(side, size), (size - side) / (size - SIDES[-1]), ((1, 1),))
    for width in MOTIONS:
        add(corruptions.box(width, size), width / MOTIONS[-1], ((1, 0), (0, 1), (1, 1)))
    return np.stack(matrices), np.array(pairs or [(0, 0)], "int32")


class Degrade(keras.layers.Layer):
    """Degrades gray images ``(N, S, S, 1)`` with values 0 to 255, S a multiple of 8; in training alone.

    Args:
        blur: probability of a Gaussian blur, a lower resolution or motion, one of ``bank``.
        jpeg: probability of JPEG's losses, at a quality of 10 to 60.
        noise: probability of Gaussian noise, of a standard deviation up to 20.
        gamma: probability of another gamma, the exponent up to 2.2 or its inverse.
        misplaced: probability of a box that is shifted and wrongly scaled by up to 20 % of its side each; what it then
            lacks repeats the edge.
        mouth_hidden: probability of a patch, a hand or a mask, over the mouth.
        glasses: probability of glasses, clear to black.
        severity: from 0 to 1, how far those ranges are used, patches apart.
        seed: starts the generator; training sets its state anew at every epoch.
    """

    def __init__(self, *, blur=0.0, jpeg=0.0, noise=0.0, gamma=0.0, misplaced=0.0, mouth_hidden=0.0, glasses=0.0,
                 severity=1.0, seed=0):
        super().__init__(dtype="float32")
        self.blur, self.jpeg, self.noise, self.gamma, self.misplaced = blur, jpeg, noise, gamma, misplaced
        self.mouth_hidden, self.glasses, self.severity = mouth_hidden, glasses, severity
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True  # there are no weights

    @property
    def active(self) -> bool:
        """Whether any image is changed."""
        return any((self.blur, self.jpeg, self.noise, self.gamma, self.misplaced, self.mouth_hidden, self.glasses))

    def _uniform(self, count, low=0.0, high=1.0):
        return keras.random.uniform((count,), low, high, seed=self.seed_generator)

    def cover(self, images):
        """Hide mouths and put on glasses: what is at the face, before it is turned and moved."""
        count, size = ops.shape(images)[0], images.shape[1]
        faces = images[..., 0]
        if self.mouth_hidden:
            faces = self._over_mouth(faces, count, size)
        if self.glasses:
            faces = self._over_eyes(faces, count, size)
        return faces[..., None]

    def call(self, images):
        """What happens to a face on its way from the box to the network, in that order."""
        count, size = ops.shape(images)[0], images.shape[1]
        faces = images[..., 0]
        if self.misplaced:
            faces = _along_both(faces, *self._boxes(count, size))
        if self.blur:
            matrices, pairs = (ops.convert_to_tensor(array) for array in bank(size, self.severity))
            pair = ops.take(pairs, ops.cast(ops.floor(self._uniform(count) * pairs.shape[0]), "int32"), axis=0)
            pair = ops.where((self._uniform(count) < self.blur)[:, None], pair, 0)
            faces = _along_both(faces, ops.take(matrices, pair[:, 0], axis=0), ops.take(matrices, pair[:, 1], axis=0))
        if self.gamma:
            exponent = ops.exp(math.log(GAMMA) * self.severity * self._uniform(count, -1.0, 1.0))
            exponent = ops.where(self._uniform(count) < self.gamma, exponent, 1.0)
            faces = 255 * ops.power(ops.clip(faces / 255, 1e-6, 1), exponent[:, None, None])
        if self.noise:
            deviation = ops.where(self._uniform(count) < self.noise, NOISE * self.severity * self._uniform(count), 0.0)
            normal = keras.random.normal(ops.shape(faces), seed=self.seed_generator)
            faces = ops.clip(faces + deviation[:, None, None] * normal, 0, 255)
        if self.jpeg:
            faces = self._through_jpeg(faces, count, size)
        return faces[..., None]

    def _boxes(self, count, size):
        """``(N, size, size)``, for rows and for columns: matrices that read an image, linearly, through another box."""
        limit = MISPLACED * self.severity
        chosen = (self._uniform(count) < self.misplaced)[:, None]
        scale = 1 + self._uniform(count, -limit, limit)[:, None]
        pixels = ops.arange(size, dtype="float32")

        def along_an_axis():
            centre = (size - 1) / 2 + size * self._uniform(count, -limit, limit)[:, None]
            source = ops.where(chosen, centre + scale * (pixels[None] - (size - 1) / 2), pixels[None])
            source = ops.clip(source, 0, size - 1)
            return ops.relu(1 - ops.abs(source[:, :, None] - pixels))

        return along_an_axis(), along_an_axis()

    def _through_jpeg(self, faces, count, size):
        """The cosine transform of 8 x 8 blocks, rounded to multiples of the table, and back."""
        lowest = BEST_QUALITY - (BEST_QUALITY - WORST_QUALITY) * self.severity
        quality = self._uniform(count, lowest, BEST_QUALITY)
        # the scale of the table as libjpeg has it
        scale = ops.where(quality < 50, 50 / quality, 2 - quality / 50)
        steps = ops.floor(scale[:, None] * corruptions.JPEG_TABLE.reshape(1, 64) + 0.5)
        steps = ops.clip(steps, 1, 255)[:, None]  # (N, 1, 64)
        across = size // 8
        blocks = ops.transpose(ops.reshape(faces, (-1, across, 8, across, 8)), (0, 1, 3, 2, 4))
        dct = ops.convert_to_tensor(corruptions.dct())
        coefficients = ops.matmul(ops.reshape(blocks - 128, (-1, 64)), ops.transpose(dct))
        coefficients = ops.reshape(coefficients, (-1, across * across, 64))
        kept = ops.reshape(ops.round(coefficients / steps) * steps, (-1, 64))
        blocks = ops.reshape(ops.matmul(kept, dct) + 128, (-1, across, across, 8, 8))
        lossy = ops.clip(ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, size, size)), 0, 255)
        return ops.where((self._uniform(count) < self.jpeg)[:, None, None], lossy, faces)

    def _over_mouth(self, faces, count, size):
        """A rectangle in the lower half, of a random gray that changes evenly from left to right."""
        y, x = _pixel_centres(size)
        top = self._uniform(count, 0.5, 0.72)[:, None]
        bottom = top + self._uniform(count, 0.2, 0.5)[:, None]
        centre, half = self._uniform(count, 0.35, 0.65)[:, None], self._uniform(count, 0.2, 0.5)[:, None]
        chosen = (self._uniform(count) < self.mouth_hidden)[:, None]
        rows, columns = (y > top) & (y < bottom) & chosen, ops.abs(x - centre) < half
        gray = self._uniform(count, 0, 255)[:, None] + self._uniform(count, -80, 80)[:, None] * (x - 0.5)
        return ops.where(rows[:, :, None] & columns[:, None, :], ops.clip(gray, 0, 255)[:, None, :], faces)

    def _over_eyes(self, faces, count, size):
        """Two rectangles with a rim and a bridge, of one gray; the rim hides all, the glass from nothing to all."""
        y, x = _pixel_centres(size)
        off_row = ops.abs(y - self._uniform(count, 0.33, 0.41)[:, None])
        off_nose, pupil = ops.abs(x - 0.5), self._uniform(count, 0.17, 0.22)[:, None]
        off_pupil = ops.abs(off_nose - pupil)
        tall, wide = self._uniform(count, 0.06, 0.13)[:, None], self._uniform(count, 0.11, 0.16)[:, None]
        opaque = self._uniform(count)
        chosen = ops.cast(self._uniform(count) < self.glasses, "float32")
        rim = 1.5 / size
        rows, columns = ops.cast(off_row < tall, "float32"), ops.cast(off_pupil < wide, "float32")
        inner = _outer(ops.cast(off_row < tall - rim, "float32"), ops.cast(off_pupil < wide - rim, "float32"))
        bridge = _outer(ops.cast(off_row < rim / 2, "float32"), ops.cast(off_nose < pupil - wide, "float32"))
        hidden = ops.maximum(_outer(rows, columns) - inner * (1 - opaque)[:, None, None], bridge)
        hidden = hidden * chosen[:, None, None]
        return faces + hidden * (self._uniform(count, 0, 160)[:, None, None] - faces)


def _along_both(faces, rows, columns):
    """Images ``(N, S, S)`` with their rows and their columns each multiplied by an image's own matrix."""
    return ops.matmul(ops.matmul(rows, faces), ops.transpose(columns, (0, 2, 1)))


def _outer(rows, columns):
    return rows[:, :, None] * columns[:, None, :]


def _pixel_centres(size):
    """Two arrays ``(1, size)``, rows and columns, from 0 to 1."""
    centres = ((ops.arange(size, dtype="float32") + 0.5) / size)[None]
    return centres, centres
