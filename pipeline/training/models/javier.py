"""``javier``: a sequential CNN of the kind that Javier 2024 (Western Ontario) names: conv, max-pool, dropout, dense.

Number and sizes of the layers are not described: four groups of two 3x3 convolutions, 32 filters doubling, are ours.
"""

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, width: int = 32, dense: int = 512, dropout: float = 0.25,
          dense_dropout: float = 0.5, norm: bool = False, crop: int = 0, standardise: bool = False) -> keras.Model:
    """Build the network of S2, Javier 2024: kinds and order of the layers are described, numbers and sizes ours.

    ``width`` filters in the first group; ``dropout`` follows each pooling, ``dense_dropout`` the dense layer, and with
    ``norm`` a batch norm each convolution. ``crop`` and ``standardise`` are the entrance's.
    """
    image, x = entrance(size, 0, crop, standardise)
    for group in range(4):
        for _ in range(2):
            x = layers.Conv2D(width * 2**group, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
            if norm:
                x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(padding="same")(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Dense(dense, activation="relu", kernel_initializer="he_normal")(layers.Flatten()(x))
    x = layers.Dropout(dense_dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="javier")
