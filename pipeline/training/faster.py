"""A network that trains faster under TensorFlow and computes the same, to rounding."""

import keras

from pipeline.training import hardware, towers
from pipeline.training.convolution import ProductConv2D, WholeMapDepthwiseConv2D
from pipeline.training.fused import DropoutByBytes, FusedBatchNormalization


def faster(net: keras.Model, parts: int = 1) -> keras.Model:
    """A network with equal weights, in the same order, of layers that train faster on this machine, its batch norms for
    batches that are trained in so many parts; under another backend than TensorFlow the network itself. Files of
    trained networks have Keras's own layers."""
    if keras.backend.backend() != "tensorflow":
        return net

    def twin(layer: keras.Layer) -> keras.Layer:
        """A new layer with the same options, of the faster class where there is one."""
        kind = type(layer)
        if FusedBatchNormalization.can_replace(layer):
            kind = FusedBatchNormalization
        elif ProductConv2D.can_replace(layer):
            kind = ProductConv2D
        elif hardware.gains("depthwise sums") and WholeMapDepthwiseConv2D.can_replace(layer):
            kind = WholeMapDepthwiseConv2D
        elif hardware.gains("dropout by bytes") and DropoutByBytes.can_replace(layer):
            kind = DropoutByBytes
        new = kind.from_config(layer.get_config())
        if isinstance(new, keras.layers.BatchNormalization):
            new.momentum = towers.momentum(layer.momentum, parts)
        return new

    clone = keras.models.clone_model(net, clone_function=twin, recursive=True)
    clone.set_weights(net.get_weights())
    return clone
