"""CBAM, the convolutional block attention module (Woo et al. 2018, arXiv 1807.06521), for families that take it."""

import keras
from keras import layers, ops

# The side of the convolution that weighs positions, and the ratio of the channels' bottleneck (section 4.1)
SIDE, SQUEEZE = 7, 16


def attend(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A map ``(N, H, W, C)`` times a weight from 0 to 1 of each channel, then times one of each position.

    A channel's weight comes from its mean and its maximum over the map, by one multilayer perceptron for both (equation
    2); a position's from the mean and the maximum of its channels, by a 7x7 convolution (equation 3). The layer
    ``name`` has the latter, ``(N, H, W, 1)``: where the network looks.
    """
    filters = x.shape[-1]
    hidden, gates = layers.Dense(max(8, filters // SQUEEZE), activation="relu"), layers.Dense(filters)
    channels = layers.Add()([gates(hidden(pool()(x))) for pool in (layers.GlobalAveragePooling2D,
                                                                   layers.GlobalMaxPooling2D)])
    x = layers.Multiply()([x, layers.Reshape((1, 1, filters))(layers.Activation("sigmoid")(channels))])
    summary = layers.Concatenate()([reduce(x, axis=-1, keepdims=True) for reduce in (ops.mean, ops.max)])
    positions = layers.Conv2D(1, SIDE, padding="same", use_bias=False, activation="sigmoid", name=name)(summary)
    return layers.Multiply()([x, positions])
