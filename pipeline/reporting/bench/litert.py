"""A Keras network as a LiteRT file (what was TensorFlow Lite), float32 or int8; ``bench.runtimes`` runs one."""

import warnings
from pathlib import Path

import keras
import numpy as np

from pipeline.training.importing import quiet


def convert(net: keras.Model, path: Path, batch: int, images: np.ndarray | None = None) -> None:
    """Write ``net`` for a fixed batch size, which lets LiteRT plan everything ahead.

    Args:
        images: uint8 ``(N, 48, 48)`` to calibrate on, at least ``batch``; with them weights and activations are int8,
            input and output stay float32.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((batch, *net.input_shape[1:]), tf.float32, name="image")
    serve = tf.function(lambda image: net(image, training=False), input_signature=[spec])
    # It warns that the network is not its second argument: with it the weights would stay variables, which no int8
    # kernel reads
    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()])
    if images is not None:
        whole = range(0, len(images) - batch + 1, batch)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [images[start : start + batch, ..., None].astype("float32")] for start in whole)
    # the converter reports its progress, and that there are no statistics of the input, which are not needed
    with quiet(), warnings.catch_warnings(action="ignore"):
        path.write_bytes(converter.convert())
