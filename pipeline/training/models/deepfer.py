"""``deepfer``: the transfer learning of Varghese ("DeepFER"): ResNet50V2, average pooling, dense + BN + dropout.

Gray becomes three channels and -1 to 1, as the backbone was trained, inside the network. The images' size is not
described: enlarged twice (ours), so that 48 pixels leave maps of 3x3 and not of 2x2.
"""

import functools

import keras
from keras import layers

from pipeline.training.models import pretrained


def build(classes: int, size: int = 48, *, weights: str = "none", upsample: int = 2, dense: int = 256,
          dropout: float = 0.5) -> keras.Model:
    """Build the transfer learning of S5, Varghese, as the report describes it, on ResNet50V2 (He et al. 2016, arXiv
    1603.05027; Keras's).

    ``weights`` of the backbone are ``imagenet``, ``none`` or a file, see ``pretrained.load``. ``upsample`` and the
    sizes of ``dense`` and ``dropout`` are ours, as not described. Raises ValueError where ``size`` times ``upsample``
    is below 32.
    """
    side = size * upsample
    image = keras.Input((size, size, 1), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    if upsample > 1:
        x = layers.UpSampling2D(upsample, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, x, x])
    make = functools.partial(keras.applications.ResNet50V2, include_top=False, input_shape=(side, side, 3),
                             name=pretrained.BACKBONE)
    backbone, started_from = pretrained.load(make, weights)
    x = layers.GlobalAveragePooling2D()(backbone(x))
    x = layers.Dense(dense, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(dropout)(x)
    net = keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="deepfer")
    net.started_from = started_from
    return net
