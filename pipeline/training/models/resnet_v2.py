"""``resnet_v2``: a small network of ResNet50V2's kind: batch norm and ReLU before each convolution of a block.

Blocks as in He et al. 2016, "Identity mappings in deep residual networks" (arXiv 1603.05027), pairs of 3x3 as in its
nets of up to 34 layers instead of ResNet50V2's bottlenecks. Its first convolution halves the resolution, and a pooling
does so again; for small images two 3x3 at full resolution and one pooling keep more (after He et al. 2018,
arXiv 1812.01187, section 4.2): 40 pixels leave maps of 20, 10 and 5.
"""

from collections.abc import Sequence

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, blocks: Sequence[int] = (2, 2, 1), width: int = 64, dropout: float = 0.3,
          crop: int = 0, standardise: bool = False) -> keras.Model:
    """Build our own network of the pre-activation blocks of He et al. 2016: two convolutions of a quarter and a half of
    ``width`` filters, then a group for each number in ``blocks``, with that many blocks. The first group has ``width``
    filters, each later one twice as many as the one before.

    ``crop`` and ``standardise`` are the entrance's.
    """
    image, x = entrance(size, -1, crop, standardise)
    x = _activated(_convolution(x, width // 4))
    x = layers.MaxPooling2D()(_convolution(x, width // 2))
    for group, count in enumerate(blocks):
        for block in range(count):
            x = _block(x, width * 2**group, strides=2 if group and block == 0 else 1)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(_activated(x)))
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="resnet_v2")


def _block(x, filters: int, strides: int):
    y = _activated(x)
    if x.shape[-1] != filters:
        # pooled before the 1x1: strided ones with few channels crash TensorFlow 2.21 on the CPU (oneDNN)
        x = _convolution(layers.AveragePooling2D(strides)(y) if strides > 1 else y, filters, kernel=1)
    y = _activated(_convolution(y, filters, strides=strides))
    return layers.Add()([x, _convolution(y, filters)])


def _activated(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _convolution(x, filters: int, kernel: int = 3, strides: int = 1):
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False,
                         kernel_initializer="he_normal")(x)
