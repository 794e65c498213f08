"""Mixup and CutMix: every image and its targets blended with another one of the batch.

A network that sees 0.7 of one face and 0.3 of another, and must say so, is kept from being too sure of images that
it has memorised. Everything is drawn for each image on its own, and without a branch: what was not drawn is multiplied
by 0, so that one compiled step serves all draws.
"""

import keras
from keras import ops


class Mix(keras.layers.Layer):
    """Blends images ``(N, H, W, 1)`` and any targets ``(N, ...)`` by the same shares, in training only.

    Mixup (Zhang et al. 2017, arXiv 1710.09412) adds two images; CutMix (Yun et al. 2019, arXiv 1905.04899) puts a
    box of one into the other. With both, each image gets one or the other with equal chance. The partner is the
    neighbour in the batch, whose order is random anyway.

    Args:
        mixup: alpha of the beta distribution that mixup's share is drawn from; 0 for no mixup.
        cutmix: the same for CutMix.
        share: the share of the images that is mixed.
        seed: starts the generator; training sets its state anew at every epoch.

    Attributes:
        active: 1 or 0; training switches mixing off for the last epochs.
    """

    def __init__(self, *, mixup=0.0, cutmix=0.0, share=1.0, seed=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.mixup, self.cutmix, self.share = mixup, cutmix, share
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.active = self.add_weight(name="active", shape=(), initializer="ones", trainable=False)

    def _shares(self, count, alpha):
        """``(count,)``: how much of each image stays, by Beta(alpha, alpha)."""
        if alpha == 1:
            # the same distribution, without the rejection sampling that holds an accelerator up
            return keras.random.uniform((count,), seed=self.seed_generator)
        return keras.random.beta((count,), alpha, alpha, seed=self.seed_generator)

    def call(self, images, targets):
        count = ops.shape(images)[0]
        # one draw says both whether an image is mixed (the lowest ``share`` are) and how: with both kinds, the lower
        # half of those is cut
        draw = keras.random.uniform((count,), seed=self.seed_generator)
        mixed = draw < self.share * self.active
        cut = draw < (self.share / 2 if self.mixup and self.cutmix else self.share * bool(self.cutmix))
        partner = ops.roll(images, 1, axis=0)
        # of each pixel (N, H, W, 1), and of each image (N,), what is the image's and not its partner's
        keep = ops.ones_like(images[..., :1])
        share = ops.ones((count,))
        if self.mixup:
            share = self._shares(count, self.mixup)
            keep = ops.broadcast_to(share[:, None, None, None], ops.shape(keep))
        if self.cutmix:
            box = self._box(count, images.shape[1], images.shape[2])
            keep = ops.where(cut[:, None, None, None], 1 - box, keep)
            # the box's real area, which is less than was drawn where the image's edge cuts it
            share = ops.where(cut, 1 - ops.mean(box, axis=(1, 2, 3)), share)
        keep = ops.where(mixed[:, None, None, None], keep, 1.0)
        share = ops.where(mixed, share, 1.0)
        images = keep * images + (1 - keep) * partner

        def blend(target):
            weight = ops.reshape(share, (-1,) + (1,) * (len(target.shape) - 1))
            return weight * target + (1 - weight) * ops.roll(target, 1, axis=0)

        return images, {name: blend(target) for name, target in targets.items()}

    def _box(self, count, height, width):
        """1 inside a random box that holds the partner's share of the area, where it does not leave the image."""
        half_side = ops.sqrt(1 - self._shares(count, self.cutmix)) / 2  # of the image's sides, which count 1
        y, x = (keras.random.uniform((count,), seed=self.seed_generator) for _ in range(2))
        rows = (ops.arange(height, dtype="float32") + 0.5) / height
        columns = (ops.arange(width, dtype="float32") + 0.5) / width
        inside = ops.logical_and((ops.abs(rows[None] - y[:, None]) < half_side[:, None])[:, :, None],
                                 (ops.abs(columns[None] - x[:, None]) < half_side[:, None])[:, None, :])
        return ops.cast(inside, "float32")[..., None]
