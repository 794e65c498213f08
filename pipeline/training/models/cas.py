"""``cas``: the network of Vu & Zucchinetti 2023 (CAS ADS, University of Bern), layer by layer.

Three groups of two 3x3 convolutions (32-64, 128-128, 256-256) with ReLU and batch norm after each,
max-pooling and dropout .25 after each group, then dense 256 + batch norm, dropout .5, seven classes.
The report says "about 3.5 M parameters", which 'same' padding gives. Its authors also tried a reduced network: a
smaller ``width`` reduces every layer in proportion.
"""

import keras
from keras import layers

from pipeline.training.models.entrance import entrance


def build(classes: int, size: int = 48, *, width: int = 32, dropout: float = 0.25,
          dense_dropout: float = 0.5, crop: int = 0, standardise: bool = False) -> keras.Model:
    """Build the network of S1, Vu & Zucchinetti, as their report describes it; the defaults are theirs.

    ``width`` is the number of filters in the first convolution, which the other layers follow in proportion.
    ``dropout`` follows each pooling, ``dense_dropout`` the dense layer; ``crop`` and ``standardise`` (ours) are the
    entrance's.
    """
    image, x = entrance(size, 0, crop, standardise)
    for pair in ((1, 2), (4, 4), (8, 8)):
        for times in pair:
            x = layers.Conv2D(times * width, 3, padding="same", activation="relu")(x)
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(8 * width, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(dense_dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="cas")
