"""``compact``: a residual network sized for two CPU cores (ours).

The first convolution already halves the resolution: on a CPU the full 48 x 48 maps cost more in memory
traffic (batch norm, ReLU) than they bring in accuracy. Residual blocks as in He et al. 2015 (arXiv 1512.03385).
"""

import keras
from keras import layers

from pipeline.training.models.cbam import attend
from pipeline.training.models.entrance import entrance


def build(
    classes: int,
    size: int = 48,
    *,
    stem: int = 32,
    width: int = 48,
    depth: int = 1,
    stages: int = 3,
    dropout: float = 0.2,
    pooling: str = "depthwise",
    standardise: bool = True,
    crop: int = 0,
    attention: bool = False,
) -> keras.Model:
    """Build our own network, of the residual blocks of He et al. 2015: a stem of ``stem`` filters at half size, then
    ``stages`` groups of ``depth`` blocks; ``width`` doubles from group to group.

    ``crop`` and ``standardise`` are the entrance's. ``pooling`` is ``average``, or ``depthwise``: a learned weight per
    position and channel, because in a cropped face the mouth is always below the eyes (global depthwise convolution,
    Chen et al. 2018, MobileFaceNets, arXiv 1804.07573). With ``attention``, CBAM (Woo et al. 2018) weighs the channels
    and the positions of every block before its shortcut is added.
    """
    image, x = entrance(size, -1, crop, standardise)
    x = _convolution(x, stem, 5, strides=2)
    x = layers.ReLU()(x)
    for stage in range(stages):
        for block in range(depth):
            name = f"attention_{stage + 1}_{block + 1}" if attention else None
            x = _residual(x, width * 2**stage, strides=2 if stage and block == 0 else 1, attention=name)
    if pooling not in ("depthwise", "average"):
        raise TypeError(f"pooling is {pooling!r}, expected depthwise or average")
    if pooling == "depthwise":
        # starts as the average
        share = keras.initializers.Constant(1 / (x.shape[1] * x.shape[2]))
        x = layers.Flatten()(layers.DepthwiseConv2D(x.shape[1:3], depthwise_initializer=share)(x))
    else:
        x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="compact")


def _convolution(x, filters: int, kernel: int, strides: int = 1):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
    # a short run has no time for the usual .99: the moving statistics would lag behind the weights
    return layers.BatchNormalization(momentum=0.9)(x)


def _residual(x, filters: int, strides: int, attention: str | None):
    y = layers.ReLU()(_convolution(x, filters, 3, strides))
    y = _convolution(y, filters, 3)
    if attention:
        y = attend(y, attention)
    if strides > 1 or x.shape[-1] != filters:
        # every second pixel, as a strided 1x1 reads them: those crash TensorFlow 2.21 where channels are few (oneDNN)
        x = _convolution(layers.MaxPooling2D(1, strides)(x) if strides > 1 else x, filters, 1)
    return layers.ReLU()(layers.Add()([x, y]))
