"""Averaged weights: what a recipe keeps instead of the network's own, with batch-norm statistics to match.

The weights of the last steps lie around a better point than any of them; their exponential moving average (EMA, Polyak
& Juditsky 1992) is nearer to it. And between the weights that a fine-tuning began with and those that it ends with lie
some that win back more of the first task than they lose of the second (WiSE-FT; Wortsman et al. 2022, arXiv
2109.01903). But batch norm's moving statistics are those of the live weights' activations, and do not fit an average of
weights: they are estimated anew (Izmailov et al. 2018, arXiv 1803.05407, section 3.2).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from pipeline.training import keras_internals

# How many batches, and of how many images each, the statistics are estimated on
BATCHES, SIZE = 16, 256
SAMPLE = BATCHES * SIZE


@contextmanager
def averaged(student: keras.Model, images: np.ndarray, ema: bool, start: list[np.ndarray],
             share: float) -> Iterator[None]:
    """Inside, the network's weights are an average, and the batch-norm statistics those that it has on ``images``
    ``(N, H, W, 1)``, augmented unless a share of the start is in it; after it, everything is as before.

    Args:
        ema: whether the optimiser's moving averages (``use_ema``) take the place of the live weights.
        start: the weights that the network began with, in Keras's order.
        share: of these in the average, from 0 to 1.
    """
    live = [keras.ops.convert_to_numpy(variable) for variable in student.net.variables]
    trainable = student.trainable_variables
    trained = [keras.ops.convert_to_numpy(variable) for variable in trainable]
    if ema:
        student.optimizer.finalize_variable_values(trainable)
        for variable in trainable:
            # Under JAX it would be the optimiser's own array, which predicting may give away
            variable.assign(keras.ops.convert_to_numpy(variable))
    if share:
        for variable, first in zip(student.net.weights, start, strict=True):
            variable.assign((1 - share) * keras.ops.convert_to_numpy(variable) + share * first)
    # With a share of the start, the statistics of images as they are gain .56 points of PublicTest and cost .32 of it
    # corrupted (camera, a share of .7)
    estimate_statistics(student, images, augmented=not share)
    try:
        yield
    finally:
        for variable, value in zip([*trainable, *student.net.variables], [*trained, *live], strict=True):
            variable.assign(value)


def estimate_statistics(student: keras.Model, images: np.ndarray, augmented: bool) -> None:
    """Set every batch norm's moving statistics to the plain mean over batches of ``images``.

    With momentum k / (k + 1) in batch k, from 0, a moving mean is the plain mean of all batches so far: the first one
    overwrites what was there, the second counts half, the third a third.
    """
    norms = [layer for layer in keras_internals.all_layers(student.net)
             if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for index in range(min(BATCHES, math.ceil(len(images) / SIZE))):
        for layer in norms:
            layer.momentum = index / (index + 1)
        batch = images[index * SIZE : (index + 1) * SIZE].astype("float32")
        student.net(student.augment(batch, training=augmented), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
