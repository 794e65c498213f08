"""``resnet``: a small residual network with a batch norm after every convolution, sized for int8 (ours).

Blocks as in He et al. 2015 (arXiv 1512.03385). Batch norm becomes part of its convolution when the network is exported,
where ``resnet_v2``, which has it before the convolutions, keeps a multiplication and an addition of every value. Two
convolutions at full resolution and a pooling come before the blocks, as there: 40 pixels leave maps of 20, 10 and 5.
"""

from collections.abc import Sequence

import keras
from keras import layers

from pipeline.training import start
from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, blocks: Sequence[int] = (2, 2, 1), width: int = 64, dropout: float = 0.2,
          crop: int = 0, standardise: bool = True, sharpness: bool = False,
          weights: str = start.RANDOM) -> keras.Model:
    """Build our own network of the residual blocks of He et al. 2015: two convolutions of a quarter and a half of
    ``width`` filters, then a group for each number in ``blocks``, with that many blocks. The first group has ``width``
    filters, each later one twice as many as the one before.

    ``crop``, ``standardise`` and ``sharpness`` are the entrance's; ``weights`` to start from are those of
    pipeline.training.start.
    """
    image, x = entrance(size, -1, crop, standardise, sharpness)
    x = layers.ReLU()(_convolution(x, width // 4))
    x = layers.MaxPooling2D()(layers.ReLU()(_convolution(x, width // 2)))
    for group, count in enumerate(blocks):
        for block in range(count):
            x = _block(x, width * 2**group, strides=2 if group and block == 0 else 1)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    net = keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="resnet")
    if weights != start.RANDOM:
        net.started_from = start.begin(net, weights)
    return net


def _block(x, filters: int, strides: int):
    y = layers.ReLU()(_convolution(x, filters, strides=strides))
    y = _convolution(y, filters)
    if x.shape[-1] != filters:
        # pooled before the 1x1: strided ones with few channels crash TensorFlow 2.21 on the CPU (oneDNN)
        x = _convolution(layers.AveragePooling2D(strides)(x) if strides > 1 else x, filters, kernel=1)
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(x, filters: int, kernel: int = 3, strides: int = 1):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False,
                      kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=0.9)(x)
