"""``vgg``: six 3x3 convolutions, the first two at full resolution, sized for an hour of two CPU cores (ours).

Plain groups as in Simonyan & Zisserman 2014 (arXiv 1409.1556), with the filters of S1 (``cas``) in proportion. Unlike
there, batch norm (arXiv 1502.03167) comes before each ReLU: it then becomes part of the convolution when the network is
exported, which makes float32 faster and keeps int8 accurate (S1's order loses 41 points of PublicTest).
"""

from collections.abc import Sequence

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, width: int = 20, filters: Sequence[int] = (), dropout: float = 0.15,
          dense_dropout: float = 0.4, crop: int = 0, standardise: bool = True) -> keras.Model:
    """Build our own network, of plain groups as in Simonyan & Zisserman 2014: convolutions of 1, 2, 4, 4, 8 and 8 times
    ``width`` filters, a max-pooling and ``dropout`` after every second, then a dense layer as wide as the last of them
    and ``dense_dropout``. Six ``filters`` stand for those numbers: processors that calculate in bfloat16 are fast with
    multiples of 16 alone. ``crop`` and ``standardise`` are the entrance's.
    """
    if len(filters) not in (0, 6):
        raise ValueError(f"vgg: filters are six numbers, not {len(filters)}")
    image, x = entrance(size, -1, crop, standardise)
    for index, count in enumerate(filters or [times * width for times in (1, 2, 4, 4, 8, 8)]):
        x = _normed(layers.Conv2D(count, 3, padding="same", use_bias=False), x)
        if index % 2:
            x = layers.Dropout(dropout)(layers.MaxPooling2D()(x))
    x = _normed(layers.Dense(count, use_bias=False), layers.Flatten()(x))
    x = layers.Dropout(dense_dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="vgg")


def _normed(layer: layers.Layer, x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(x)))
