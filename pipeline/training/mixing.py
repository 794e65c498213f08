"""Mixup and CutMix: every image and its targets blended with another one of the batch."""

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

    def _own_share(self, count, alpha):
        if alpha == 1:
            # the same distribution, without the rejection sampling that holds an accelerator up
            return keras.random.uniform((count,), seed=self.seed_generator)
        return keras.random.beta((count,), alpha, alpha, seed=self.seed_generator)

    def call(self, images, targets):
        count = ops.shape(images)[0]
        draw = keras.random.uniform((count,), seed=self.seed_generator)
        mixed = draw < self.share * self.active
        # of the mixed ones, the lower half of the draw is cut
        cut = draw < (self.share / 2 if self.mixup and self.cutmix else self.share * bool(self.cutmix))
        partner = ops.roll(images, 1, axis=0)
        keep = ops.ones_like(images[..., :1])
        own = ops.ones((count,))
        if self.mixup:
            own = self._own_share(count, self.mixup)
            keep = ops.broadcast_to(own[:, None, None, None], ops.shape(keep))
        if self.cutmix:
            box = self._box(count, images.shape[1], images.shape[2])
            keep = ops.where(cut[:, None, None, None], 1 - box, keep)
            own = ops.where(cut, 1 - ops.mean(box, axis=(1, 2, 3)), own)
        keep = ops.where(mixed[:, None, None, None], keep, 1.0)
        own = ops.where(mixed, own, 1.0)
        images = keep * images + (1 - keep) * partner

        def blend(target):
            weight = ops.reshape(own, (-1,) + (1,) * (len(target.shape) - 1))
            return weight * target + (1 - weight) * ops.roll(target, 1, axis=0)

        return images, {name: blend(target) for name, target in targets.items()}

    def _box(self, count, height, width):
        """1 inside a random box that holds the partner's share of the area, where it does not leave the image."""
        side = ops.sqrt(1 - self._own_share(count, self.cutmix)) / 2
        y, x = (keras.random.uniform((count,), seed=self.seed_generator) for _ in range(2))
        rows = (ops.arange(height, dtype="float32") + 0.5) / height
        columns = (ops.arange(width, dtype="float32") + 0.5) / width
        inside = ops.logical_and((ops.abs(rows[None] - y[:, None]) < side[:, None])[:, :, None],
                                 (ops.abs(columns[None] - x[:, None]) < side[:, None])[:, None, :])
        return ops.cast(inside, "float32")[..., None]
