"""Augmentation in training: one affine map, light, an erased box and degradations, on the accelerator, in the step.

One layer does all of it. Rotation, zoom, shear, mirroring and translation are matrices, whose product is one map: so
the image is resampled once, which is four times cheaper than a layer for each in a row, and blurs it once instead of
four times.
"""

import keras
from keras import ops

from pipeline.training.degrade import Degrade


class Augment(keras.layers.Layer):
    """Random changes to gray images ``(N, H, W, 1)`` with values 0 to 255, active in training only.

    Args:
        flip: mirror half of the images.
        rotation: largest angle, degrees.
        translation: largest shift, as a share of the side.
        zoom: largest relative change of scale.
        shear: largest shear, as a share of the side.
        brightness: largest change of brightness, as a share of 255.
        contrast: largest relative change of contrast around the image's mean.
        erasing: probability that a random box (2 to 20 % of the area) becomes the image's mean.
        strength: multiplies every range above but ``flip`` and ``erasing``.
        fill: what new pixels hold, ``nearest`` or ``constant`` (black).
        seed: starts the generator; training sets its state anew at every epoch.
        degradations: arguments of Degrade, the probabilities of what cameras and uploads do.

    Attributes:
        mirrors_only: whether everything but ``flip`` and the degradations is left out, as in the last epochs of some
            recipes. Compiled code holds it as a constant: after a change, compile anew.
        degrades: whether the degradations act, which some recipes leave out of the first epochs; a constant as well.
        degrade: the degradations; None without any.
    """

    def __init__(self, *, flip=False, rotation=0.0, translation=0.0, zoom=0.0, shear=0.0, brightness=0.0,
                 contrast=0.0, erasing=0.0, strength=1.0, fill="nearest", seed=0, **degradations):
        super().__init__(dtype="float32")
        self.flip, self.erasing, self.fill = flip, erasing, fill
        self.rotation = strength * rotation * 3.141592653589793 / 180
        self.translation, self.zoom, self.shear = strength * translation, strength * zoom, strength * shear
        self.brightness, self.contrast = strength * brightness, strength * contrast
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.mirrors_only, self.degrades = False, True
        degrade = Degrade(seed=seed, **degradations)
        # without any there is no second generator: training keys every generator by its index
        self.degrade = degrade if degrade.active else None

    def _uniform(self, count, limit):
        return keras.random.uniform((count,), -limit, limit, seed=self.seed_generator)

    def call(self, images, training=False):
        if not training:
            return images
        if self.degrade is None or not self.degrades:
            return self._change(images)
        return self.degrade(self._change(self.degrade.cover(images)))

    def _change(self, images):
        """Everything but the degradations."""
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        if self.mirrors_only:
            if not self.flip:
                return images
            mirrored = self._uniform(count, 1.0) < 0
            return ops.where(mirrored[:, None, None, None], ops.flip(images, axis=2), images)
        if self.flip or self.rotation or self.translation or self.zoom or self.shear:
            matrix = self._affine(count, height, width)
            images = ops.image.affine_transform(images, matrix, interpolation="bilinear", fill_mode=self.fill)
        if self.brightness or self.contrast:
            mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
            gain = ops.reshape(1 + self._uniform(count, self.contrast), (-1, 1, 1, 1))
            shift = ops.reshape(255 * self._uniform(count, self.brightness), (-1, 1, 1, 1))
            images = ops.clip((images - mean) * gain + mean + shift, 0, 255)
        if self.erasing:
            images = self._erase(images, count, height, width)
        return images

    def _affine(self, count, height, width):
        """``(N, 8)``: a map for each image, as rows ``a b shift_x c d shift_y 0 0`` of a projective transform.

        It goes from an output pixel (x, y) to the input pixel that is read for it, (a x + b y + shift_x, c x + d y +
        shift_y), as ``affine_transform`` expects it. The matrix is a rotation and scale, times a shear along x, times a
        mirror that negates x; ``shift`` keeps the image's centre in place but for the translation.
        """
        angle, shear = self._uniform(count, self.rotation), self._uniform(count, self.shear)
        scale = 1 + self._uniform(count, self.zoom)
        mirror = ops.sign(self._uniform(count, 1.0)) if self.flip else ops.ones((count,))
        cos, sin = ops.cos(angle) * scale, ops.sin(angle) * scale
        #  a b     cos -sin     1 shear     mirror 0
        #  c d  =  sin  cos  @  0   1    @     0   1   , scale being in cos and sin
        a, b = cos * mirror, (shear * cos - sin)
        c, d = sin * mirror, (shear * sin + cos)
        x, y = (width - 1) / 2, (height - 1) / 2  # the centre
        shift_x = x - a * x - b * y + width * self._uniform(count, self.translation)
        shift_y = y - c * x - d * y + height * self._uniform(count, self.translation)
        zero = ops.zeros((count,))
        return ops.stack([a, b, shift_x, c, d, shift_y, zero, zero], axis=1)

    def _erase(self, images, count, height, width):
        """Random erasing (Zhong et al. 2017, arXiv 1708.04896), filled with the image's mean.

        The box's sides are in a ratio from 1/e to e, all ratios equally likely on a logarithmic scale; where the
        image's edge cuts it, it is smaller than drawn.
        """
        area = keras.random.uniform((count,), 0.02, 0.2, seed=self.seed_generator)
        ratio = ops.exp(self._uniform(count, 1.0))
        half_h, half_w = ops.sqrt(area * ratio) * height / 2, ops.sqrt(area / ratio) * width / 2
        centre_y = keras.random.uniform((count,), 0, height, seed=self.seed_generator)
        centre_x = keras.random.uniform((count,), 0, width, seed=self.seed_generator)
        chosen = keras.random.uniform((count,), seed=self.seed_generator) < self.erasing
        rows = ops.abs(ops.arange(height, dtype="float32")[None] - centre_y[:, None]) < half_h[:, None]
        columns = ops.abs(ops.arange(width, dtype="float32")[None] - centre_x[:, None]) < half_w[:, None]
        box = rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]
        return ops.where(box[..., None], ops.mean(images, axis=(1, 2, 3), keepdims=True), images)
