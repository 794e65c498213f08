"""What comes before the first convolution of every family: pixels scaled, cropped, standardised."""

import keras
from keras import layers


def entrance(size: int, lowest: int, crop: int = 0, standardise: bool = False):
    """The image ``(N, size, size, 1)``, values 0 to 255, and the same from ``lowest`` (0 or -1) to 1.

    ``crop`` pixels are left out on every side: with the training's random shifts that is a random crop, at 40 of 48
    pixels for two thirds of the arithmetic. ``standardise`` brings every image to mean 0 and deviation 1, so that no
    weight is spent on the light.
    """
    image = keras.Input((size, size, 1), name="image")
    x = layers.Rescaling(1 / 255)(image) if lowest == 0 else layers.Rescaling(1 / 127.5, offset=-1)(image)
    if crop:
        x = layers.Cropping2D(crop)(x)
    if standardise:
        x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, dtype="float32")(x)
    return image, x
