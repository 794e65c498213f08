"""``padova_vgg``: the three VGG nets of Peagno, Peron & Rossi (University of Padova), as described but for the filters.

Four groups of two 3x3 convolutions, each closed by max-pooling and dropout. Without batch norm (``v0``), with one a
group (``v1``), with one a convolution (``v2``). The filters are not given: 64-128-256-512 gives v0 the 4.8 M parameters
that its authors count. Their 5.9 M for v1 and v2 fit a last map of 2x2; 48 pixels leave 3x3, and 7.2 M.
"""

import keras
from keras import layers

from pipeline.training.models.entrance import entrance

# What one group holds, C(onvolution), B(atch norm), P(ooling), D(ropout), and the sizes of the dense layers
VARIANTS = {
    "v0": ("CCPD", (25, 25)),
    "v1": ("CCBPD", (512, 256, 128)),
    "v2": ("CBCBPD", (512, 256, 128)),
}
L2 = 0.01


def build(classes: int, size: int = 48, *, variant: str = "v2", width: int = 64, dropout: float = 0.4, crop: int = 0,
          standardise: bool = False) -> keras.Model:
    """Build a VGG net of S3, Peagno, Peron & Rossi, as their report describes it: ``variant`` v0, v1 or v2.

    ``width`` filters in the first group, twice as many in each that follows (ours). ``crop`` and ``standardise``
    (ours) are the entrance's.
    """
    if variant not in VARIANTS:
        raise TypeError(f"variant is {variant!r}, expected {', '.join(VARIANTS)}")
    group, dense = VARIANTS[variant]
    image, x = entrance(size, -1, crop, standardise)
    # v1 and v2 hold the first convolution's weights small
    regularizer = None if variant == "v0" else keras.regularizers.L2(L2)
    for index in range(4):
        for letter in group:
            if letter == "C":
                x = layers.Conv2D(width * 2**index, 3, padding="same", activation="relu",
                                  kernel_initializer="he_normal", kernel_regularizer=regularizer)(x)
                regularizer = None
            elif letter == "B":
                x = layers.BatchNormalization()(x)
            elif letter == "P":
                x = layers.MaxPooling2D(padding="same")(x)
            else:
                x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    for units in dense:
        x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="padova_vgg")
