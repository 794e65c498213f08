"""``seresnet``: a residual network with squeeze and excitation, for an accelerator (ours).

Blocks as in He et al. 2015 (arXiv 1512.03385) with a 3x3 stem at full size, channel gates (Hu et al. 2017, arXiv
1709.01507), stochastic depth (Huang et al. 2016, arXiv 1603.09382) and a zero last gamma, so that every block starts
as the identity (Goyal et al. 2017, arXiv 1706.02677). ``blocks: [2, 2, 2, 2]`` is the 18-layer one.
"""

import keras
from keras import layers


def build(
    classes: int,
    size: int = 48,
    *,
    width: int = 64,
    blocks: tuple[int, ...] = (2, 2, 2, 2),
    resize: int = 0,
    squeeze: int = 16,
    drop_path: float = 0.1,
    dropout: float = 0.3,
) -> keras.Model:
    """Build our own network, a small ResNet (He et al. 2015) with squeeze and excitation (Hu et al. 2017): groups of
    ``blocks`` residual blocks; ``width`` doubles and the side halves from group to group.

    ``resize`` enlarges the image first; ``squeeze`` is the ratio of the gates' bottleneck (0: no gates); ``drop_path``
    is the share of the images that skip the last block, rising linearly from the first one.
    """
    image = keras.Input((size, size, 1), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    if resize:
        x = layers.Resizing(resize, resize)(x)
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, dtype="float32")(x)
    x = layers.ReLU()(_convolution(x, width, 3))
    done, total = 0, sum(blocks)
    for group, count in enumerate(blocks):
        for block in range(count):
            done += 1
            x = _block(x, width * 2**group, 2 if group and not block else 1, squeeze, drop_path * done / total)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name="seresnet")


def _convolution(x, filters: int, kernel: int, strides: int = 1, gamma: str = "ones"):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False,
                      kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=0.9, gamma_initializer=gamma)(x)


def _block(x, filters: int, strides: int, squeeze: int, drop: float):
    y = layers.ReLU()(_convolution(x, filters, 3, strides))
    y = _convolution(y, filters, 3, gamma="zeros")
    if squeeze:
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(max(8, filters // squeeze), 1, activation="relu")(gate)
        y = layers.Multiply()([y, layers.Conv2D(filters, 1, activation="sigmoid")(gate)])
    if drop:
        # one draw an image: all of the block or none of it
        y = layers.Dropout(drop, noise_shape=(None, 1, 1, 1))(y)
    if strides > 1:
        # not a 1x1 convolution that skips three pixels of four (He et al. 2018, arXiv 1812.01187); on the CPU such
        # a one with few channels also crashes TensorFlow 2.21 (oneDNN)
        x = layers.AveragePooling2D(strides)(x)
    if x.shape[-1] != filters:
        x = _convolution(x, filters, 1)
    return layers.ReLU()(layers.Add()([x, y]))
