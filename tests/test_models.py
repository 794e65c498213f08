"""Networks: every weight learns, sizes and class counts are free, and S1's is the one described."""

import numpy as np
import pytest

from pipeline import models
from pipeline.failure import Failure

SMALL = {"compact": {"stem": 4, "width": 4, "stages": 3}, "cas": {}}


@pytest.mark.parametrize("name", models.FAMILIES)
@pytest.mark.parametrize(("size", "classes"), [(48, 7), (24, 6)])
def test_outputs_are_finite_logits_and_every_weight_gets_a_gradient(name, size, classes):
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    net = models.build(name, classes=classes, size=size, **SMALL[name])
    images = np.random.default_rng(0).integers(0, 256, (16, size, size, 1)).astype("float32")
    with tf.GradientTape() as tape:
        logits = net(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(np.arange(16) % classes, logits))
    assert logits.shape == (16, classes) and np.isfinite(logits).all()
    for weight, gradient in zip(net.trainable_weights, tape.gradient(loss, net.trainable_variables), strict=True):
        assert gradient is not None and np.isfinite(gradient).all(), weight.path
        # a bias in front of a batch norm moves nothing, and one that is read by ReLU alone may be cut off
        if not weight.path.endswith("bias"):
            assert np.abs(gradient).max() > 0, weight.path


def test_s1_has_the_layers_and_the_parameters_that_its_authors_describe():
    net = models.build("cas", classes=7)
    kinds = [type(layer).__name__ for layer in net.layers[2:]]
    pair = ["Conv2D", "BatchNormalization"] * 2 + ["MaxPooling2D", "Dropout"]
    assert kinds == pair * 3 + ["Flatten", "Dense", "BatchNormalization", "Dropout", "Dense"]
    assert [layer.filters for layer in net.layers if type(layer).__name__ == "Conv2D"] == [32, 64, 128, 128, 256, 256]
    assert 3.4e6 < net.count_params() < 3.6e6, "about 3.5 M as published"


def test_an_unknown_network_or_option_is_named():
    with pytest.raises(Failure, match="there is no network 'alexnet'"):
        models.build("alexnet", classes=7)
    with pytest.raises(Failure, match="wings"):
        models.build("compact", classes=7, wings=2)
