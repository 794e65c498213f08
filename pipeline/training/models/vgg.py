"""``vgg``: six 3x3 convolutions, the first two at full resolution, sized for an hour of two CPU cores (ours).

Plain groups as in Simonyan & Zisserman 2014 (arXiv 1409.1556), with the filters of S1 (``cas``) in proportion. Unlike
there, batch norm (arXiv 1502.03167) comes before each ReLU: it then becomes part of the convolution when the network is
exported, which makes float32 faster and keeps int8 accurate (S1's order loses 41 points of PublicTest).
"""

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, width: int = 20, dropout: float = 0.15, dense_dropout: float = 0.4,
          crop: int = 0, standardise: bool = True) -> keras.Model:
    """Build our own network, of plain groups as in Simonyan & Zisserman 2014: convolutions of 1, 2, 4, 4, 8 and 8 times
    ``width`` filters, a max-pooling and ``dropout`` after every second, then a dense layer of 8 times ``width`` and
    ``dense_dropout``; ``crop`` and ``standardise`` are the entrance's."""
    image, x = entrance(size, -1, crop, standardise)
    for pair in ((1, 2), (4, 4), (8, 8)):
        for times in pair:
            x = _normed(layers.Conv2D(times * width, 3, padding="same", use_bias=False), x)
        x = layers.Dropout(dropout)(layers.MaxPooling2D()(x))
    x = _normed(layers.Dense(8 * width, use_bias=False), layers.Flatten()(x))
    x = layers.Dropout(dense_dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="vgg")


def _normed(layer: layers.Layer, x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(x)))
