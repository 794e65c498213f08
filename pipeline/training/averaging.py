"""Averaged weights: the optimiser's moving average instead of the network's own, with batch-norm statistics to match.

The weights of the last steps lie around a better point than any of them; their exponential moving average (EMA, Polyak
& Juditsky 1992) is nearer to it. But batch norm's moving statistics are those of the live weights' activations, and do
not fit an average of weights: they are estimated anew (Izmailov et al. 2018, arXiv 1803.05407, section 3.2).
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
def averaged(student: keras.Model, images: np.ndarray) -> Iterator[None]:
    """Inside, the trainable weights are the optimiser's moving averages (``use_ema``) and the batch-norm statistics
    those that these weights have on augmented ``images`` ``(N, H, W, 1)``; after it, everything is as before.
    """
    live = [keras.ops.convert_to_numpy(variable) for variable in student.net.variables]
    trainable = student.trainable_variables
    trained = [keras.ops.convert_to_numpy(variable) for variable in trainable]
    student.optimizer.finalize_variable_values(trainable)
    for variable in trainable:
        # Under JAX it would be the optimiser's own array, which predicting may give away
        variable.assign(keras.ops.convert_to_numpy(variable))
    estimate_statistics(student, images)
    try:
        yield
    finally:
        for variable, value in zip([*trainable, *student.net.variables], [*trained, *live], strict=True):
            variable.assign(value)


def estimate_statistics(student: keras.Model, images: np.ndarray) -> None:
    """Set every batch norm's moving statistics to the plain mean over batches of augmented ``images``.

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
        student.net(student.augment(batch, training=True), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
