"""A network that trains faster under TensorFlow and computes the same, to rounding."""

import keras

from pipeline.training import hardware
from pipeline.training.convolution import ProductConv2D
from pipeline.training.fused import FusedBatchNormalization


def faster(net: keras.Model) -> keras.Model:
    """A network with equal weights, in the same order, of layers that train faster on this machine; under another
    backend than TensorFlow the network itself. Files of trained networks have Keras's own layers."""
    if keras.backend.backend() != "tensorflow":
        return net
    products = hardware.products_beat_convolutions()

    def twin(layer: keras.Layer) -> keras.Layer:
        """A new layer with the same options, of the faster class where there is one."""
        kind = type(layer)
        if FusedBatchNormalization.can_replace(layer):
            kind = FusedBatchNormalization
        elif products and ProductConv2D.can_replace(layer):
            kind = ProductConv2D
        return kind.from_config(layer.get_config())

    clone = keras.models.clone_model(net, clone_function=twin, recursive=True)
    clone.set_weights(net.get_weights())
    return clone
