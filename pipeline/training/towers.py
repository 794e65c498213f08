"""Towers: the parts of a batch, each with its own forward and backward pass, side by side on the cores (TensorFlow).

Left alone, TensorFlow runs a small network's operations one after the other and divides each among the cores. On two of
them that is 1.6 times as fast as on one, because every operation waits for its slower half, and much of what is between
the products does not divide at all. Two halves of the batch, each on a core from the images to the gradients, meet only
at the optimiser's step.

What a step computes stays the same but for batch norm, which normalises each part by the statistics of that part alone
(ghost batch norm; Hoffer et al. 2017, arXiv 1705.08741, who found it to generalise as well or better), and for mixing,
whose partners are neighbours in a part. The loss and its gradients are the means over the batch's images. Every part
moves the moving averages, in order: ``momentum`` makes what that leaves of the old ones the same for a batch.
Random numbers follow from seed, epoch and step as ever: the parts draw theirs in order, too.
"""

from collections.abc import Callable
from itertools import pairwise

import keras
import numpy as np

from pipeline.training import hardware, keras_internals


def momentum(whole: float, towers: int) -> float:
    """The momentum of a batch norm that sees a batch as ``towers`` parts, for one whose momentum is ``whole``."""
    return whole ** (1 / towers)


def parts(size: int, towers: int) -> list[slice]:
    """The rows of each part of a batch, which differ by one in length at most; a batch whose parts would be too small
    for batch norm, mostly an epoch's last, is one part."""
    if size < towers * hardware.SMALLEST_PART:
        towers = 1
    bounds = [size * index // towers for index in range(towers + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def train_step(student: keras.Model, batch: dict, towers: int) -> dict:
    """Keras's train step of a student with a batch in parts; returns the metrics so far."""
    import tensorflow as tf

    size = batch["images"].shape[0]
    outputs, losses = [], []
    with tf.GradientTape() as tape:
        for part in parts(size, towers):
            outputs.append(student({name: value[part] for name, value in batch.items()}, training=True))
            # before the next call, which clears the layers' own losses
            losses.append(student.compute_loss(y_pred=outputs[-1]) * ((part.stop - part.start) / size))
        loss = tf.add_n(losses)
    variables = student.trainable_variables
    student.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    keras_internals.loss_tracker(student).update_state(loss, sample_weight=size)
    return student.compute_metrics(None, None, keras.tree.map_structure(lambda *values: tf.concat(values, 0), *outputs))


def predictor(net: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """A function from a batch of images ``(N, H, W, 1)`` to a network's outputs ``(N, classes)``, in towers as well."""
    import tensorflow as tf

    def answers(images):
        rows = parts(images.shape[0], hardware.TOWERS)
        return tf.concat([net(images[part], training=False) for part in rows], 0)

    compiled = tf.function(answers)
    return lambda images: compiled(tf.constant(images)).numpy()
