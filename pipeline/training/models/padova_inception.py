"""``padova_inception``: the inception net of Peagno, Peron & Rossi (University of Padova).

Blocks of n = 64, 96, 128, ... with five branches: 3/4 n (1x1), 1/2 n (1x1, then 3x3), 1/8 n (1x1, then 5x5), 1/4 n
(5x5), and a pool with 1/4 n (1x1); L2 .0002 on every convolution, a pool after each block, then flatten, dropout,
dense. The number of blocks cannot be read: eight give the depth of 16 that its authors count, and 4.4 M parameters
beside their 4.8 M. Eight poolings by two leave nothing of 48 pixels: those after the fourth keep the size (ours).
"""

import keras
from keras import layers

from pipeline.training.models.entrance import entrance

# The poolings that halve the side: 48 pixels leave 3
HALVINGS = 4


def build(classes: int, size: int = 48, *, width: int = 64, growth: int = 32, blocks: int = 8, dropout: float = 0.4,
          l2: float = 0.0002, crop: int = 0, standardise: bool = False) -> keras.Model:
    """Build the inception net of S3, Peagno, Peron & Rossi: blocks as their report describes them, eight of them by
    the depth and parameters that it counts.

    ``blocks`` blocks of n = ``width`` and ``growth`` more each; both are multiples of 8. ``crop`` and ``standardise``
    (ours) are the entrance's.
    """
    if width % 8 or growth % 8:
        raise TypeError(f"width {width} and growth {growth} must be multiples of 8: a branch has n/8 filters")
    # around 0: of pixels from 0 to 1, half of the 1x1 filters on the gray image would be cut off for ever by ReLU
    image, x = entrance(size, -1, crop, standardise)
    for index in range(blocks):
        x = _block(x, width + growth * index, l2)
        x = layers.MaxPooling2D(3, strides=2 if index < HALVINGS else 1, padding="same")(x)
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="padova_inception")


def _block(x, n: int, l2: float):
    def convolution(y, filters: int, kernel: int):
        return layers.Conv2D(filters, kernel, padding="same", activation="relu", kernel_initializer="he_normal",
                             kernel_regularizer=keras.regularizers.L2(l2))(y)

    return layers.Concatenate()([
        convolution(x, 3 * n // 4, 1),
        convolution(convolution(x, n // 2, 1), n // 2, 3),
        convolution(convolution(x, n // 8, 1), n // 8, 5),
        convolution(x, n // 4, 5),
        convolution(layers.MaxPooling2D(3, strides=1, padding="same")(x), n // 4, 1),
    ])
