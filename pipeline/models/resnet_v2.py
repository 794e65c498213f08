"""``resnet_v2``: a small network of ResNet50V2's kind: bottlenecks with batch norm and ReLU before each convolution.

Blocks as in He et al. 2016, "Identity mappings in deep residual networks" (arXiv 1603.05027). The first convolution
halves the resolution, as ResNet50V2's does; without its first pooling, 40 pixels leave maps of 20, 10 and 5.
"""

from collections.abc import Sequence

import keras
from keras import layers

from pipeline.models.entrance import entrance

# A block ends in so many times the filters of its 3x3 convolution
EXPANSION = 4


def build(classes: int, size: int = 48, *, blocks: Sequence[int] = (3, 4, 3), width: int = 32, dropout: float = 0.3,
          crop: int = 0, standardise: bool = False) -> keras.Model:
    """Groups of so many ``blocks`` whose 3x3 convolutions have ``width`` filters, twice as many from group to group.

    ``crop`` and ``standardise`` are the entrance's.
    """
    image, x = entrance(size, -1, crop, standardise)
    x = _convolution(x, 2 * width, 5, strides=2)
    for group, count in enumerate(blocks):
        for block in range(count):
            x = _block(x, width * 2**group, strides=2 if group and block == 0 else 1)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(_activated(x)))
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="resnet_v2")


def _block(x, filters: int, strides: int):
    y = _activated(x)
    if strides > 1:
        # pooled before the 1x1: strided ones with few channels crash TensorFlow 2.21 on the CPU (oneDNN)
        x = layers.AveragePooling2D(strides)(y)
    if x.shape[-1] != EXPANSION * filters:
        x = _convolution(x if strides > 1 else y, EXPANSION * filters, 1)
    y = _activated(_convolution(y, filters, 1))
    y = _activated(_convolution(y, filters, 3, strides))
    return layers.Add()([x, _convolution(y, EXPANSION * filters, 1)])


def _activated(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _convolution(x, filters: int, kernel: int, strides: int = 1):
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False,
                         kernel_initializer="he_normal")(x)
