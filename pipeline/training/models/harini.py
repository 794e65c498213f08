"""``harini``: the "four-layer CNN" of Harini & Sangeetha (Coimbatore): conv, pool, dropout, dense; sizes not given.

The sizes are those of a public program whose label order, batch of 64, 448 steps, 50 epochs and rate of 1e-4 are the
ones that the authors report (github.com/atulapra/Emotion-detection, src/emotions.py): four convolutions without
padding, 32-64 and 128-128, dense 1,024; 2.3 M parameters.
"""

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, width: int = 32, dense: int = 1024, dropout: float = 0.25,
          dense_dropout: float = 0.5, norm: bool = False, crop: int = 0, standardise: bool = False) -> keras.Model:
    """Build the network of S4, Harini & Sangeetha, for images of at least 24 pixels; layers as they describe them,
    sizes those of the public program above.

    ``width`` filters first, twice and four times as many later. With ``norm`` (ours) a batch norm follows each
    convolution. ``crop`` and ``standardise`` (ours) are the entrance's.
    """

    def convolution(y, filters: int):
        y = layers.Conv2D(filters, 3, activation="relu")(y)
        return layers.BatchNormalization()(y) if norm else y

    image, x = entrance(size, 0, crop, standardise)
    x = convolution(x, width)
    x = convolution(x, 2 * width)
    x = layers.Dropout(dropout)(layers.MaxPooling2D()(x))
    for _ in range(2):
        x = convolution(x, 4 * width)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(layers.Dropout(dropout)(x))
    x = layers.Dense(dense, activation="relu")(x)
    x = layers.Dropout(dense_dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="harini")
