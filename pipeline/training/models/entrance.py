"""What comes before the first convolution of every family: pixels evened out, scaled, cropped, standardised."""

import keras
from keras import layers, ops

# Logarithms of how much more fine detail a face has than coarser detail, as ``even_sharpness`` measures it: FER-2013's
# faces have 2.0 +- .2, those in photographs 1.7 +- .3; blurred by 1.5 pixels .4, with a noise of 15 gray levels 2.5.
# Below the first one a face is sharpened, above the second it is smoothed, by so much a unit and at most by so much
# (chosen on PublicTest, as it is and corrupted)
BLURRED, NOISY = 1.55, 2.3
SHARPEN, SMOOTH = 2.5, 2.0
SHARPEN_MOST, SMOOTH_MOST = 4.0, 0.8


def entrance(size: int, lowest: int, crop: int = 0, standardise: bool = False, sharpness: bool = False):
    """The image ``(N, size, size, 1)``, values 0 to 255, and the same from ``lowest`` (0 or -1) to 1.

    ``sharpness`` evens it out (``even_sharpness``). ``crop`` pixels are left out on every side: with the
    training's random shifts that is a random crop, at 40 of 48 pixels for two thirds of the arithmetic. ``standardise``
    brings every image to mean 0 and deviation 1, so that no weight is spent on the light.
    """
    image = x = keras.Input((size, size, 1), name="image")
    if sharpness:
        x = even_sharpness(x)
    x = layers.Rescaling(1 / 255)(x) if lowest == 0 else layers.Rescaling(1 / 127.5, offset=-1)(x)
    if crop:
        x = layers.Cropping2D(crop)(x)
    if standardise:
        x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, dtype="float32")(x)
    return image, x


def even_sharpness(image):
    """Blurred and enlarged faces sharpened, noisy ones smoothed, all others as they are; values stay within 0 to 255.

    An unsharp mask whose amount each image sets itself: by how much of its detail goes with a first mean over three
    pixels by three, and how much with a second.
    """
    mean = layers.AveragePooling2D(3, strides=1, padding="same", dtype="float32")
    fine = mean(image)
    coarse = mean(fine)
    ratio = ops.log((_power(image - fine) + 0.1) / (_power(fine - coarse) + 0.1))
    amount = (ops.clip(SHARPEN * (BLURRED - ratio), 0, SHARPEN_MOST)
              - ops.clip(SMOOTH * (ratio - NOISY), 0, SMOOTH_MOST))
    return ops.clip(image + amount * (image - coarse), 0, 255)


def _power(detail):
    return ops.mean(detail * detail, axis=(1, 2, 3), keepdims=True)
