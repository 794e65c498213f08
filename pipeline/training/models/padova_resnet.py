"""``padova_resnet``: the residual nets of Peagno, Peron & Rossi (University of Padova).

A first convolution, then groups of blocks BN-Conv-ReLU-BN-Conv whose result is added to the first BN's output, filters
doubling from 64, stride 2 and a convolution on the shortcut where a group begins, a pool at the end. Groups
[3, 4, 6, 3] are 34 layers deep and 21.3 M parameters large, as published. The first convolution is not described: 7x7
with stride 2 as in He et al. 2015 (arXiv 1512.03385) costs a quarter of stride 1.
"""

from collections.abc import Sequence

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, groups: Sequence[int] = (3, 4, 6, 3), width: int = 64, kernel: int = 7,
          strides: int = 2, crop: int = 0, standardise: bool = False) -> keras.Model:
    """Build a residual net of S3, Peagno, Peron & Rossi, as their report describes it.

    ``groups`` are the numbers of blocks, ``width`` the filters of the first group, which double from group to group.
    ``kernel`` and ``strides`` are the first convolution's, ``crop`` and ``standardise`` the entrance's.
    """
    image, x = entrance(size, -1, crop, standardise)
    x = _convolution(x, width, kernel, strides)
    for group, blocks in enumerate(groups):
        for block in range(blocks):
            x = _block(x, width * 2**group, strides=2 if group and block == 0 else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="padova_resnet")


def _block(x, filters: int, strides: int):
    x = layers.BatchNormalization()(x)
    y = layers.ReLU()(_convolution(x, filters, 3, strides))
    y = _convolution(layers.BatchNormalization()(y), filters, 3)
    if strides > 1:
        # every second pixel, as a strided 1x1 reads them: those crash TensorFlow 2.21 where channels are few (oneDNN)
        x = _convolution(layers.MaxPooling2D(1, strides)(x), filters, 1)
    return layers.Add()([x, y])


def _convolution(x, filters: int, kernel: int, strides: int = 1):
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", kernel_initializer="he_normal")(x)
