"""What trains faster is Keras's, to rounding, in all that training sees of it: batch norm, convolution and Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.system import processor
from pipeline.training import hardware, models, optimizers, unfreezing
from pipeline.training.convolution import ProductConv2D
from pipeline.training.faster import faster
from pipeline.training.fused import FusedBatchNormalization
from pipeline.training.models.pretrained import BACKBONE

FACES = np.random.default_rng(0).normal(3, 2, (8, 6, 6, 5)).astype("float32")


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "momentum": 0.1, "epsilon": 0.1}])
def test_a_step_is_keras_own(options):
    results = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer, images = kind(**options), tf.Variable(FACES)
        layer.build(FACES.shape)
        layer.set_weights([value + np.arange(5) / 5 for value in layer.get_weights()])
        with tf.GradientTape() as tape:
            y = layer(images, training=True)
            loss = tf.reduce_sum(y**3)
        learning = [images, *(variable.value for variable in layer.trainable_variables)]
        results.append([y, *tape.gradient(loss, learning), *layer.get_weights()])
    for stock, ours in zip(*results, strict=True):
        # sums of large terms that cancel: a tolerance of the largest value, not of each
        np.testing.assert_allclose(ours, stock, rtol=0, atol=1e-4 * np.abs(stock).max())


def test_bfloat16_keeps_its_sums_in_float32():
    with hardware.policy("bfloat16"):
        layer, stock = FusedBatchNormalization(), keras.layers.BatchNormalization()
    y = layer(FACES + 100, training=True)
    assert y.dtype == tf.bfloat16
    stock(FACES + 100, training=True)
    np.testing.assert_allclose(layer.moving_variance, stock.moving_variance, rtol=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("count", [3, 16])
@pytest.mark.parametrize("side", [1, 3])
def test_the_gradients_of_a_convolution_are_keras_own(side, padding, count):
    rng = np.random.default_rng(0)
    faces = rng.normal(size=(count, 7, 6, 16)).astype("float32")
    results, kernel = [], rng.normal(size=(side, side, 16, 5))
    for kind in (keras.layers.Conv2D, ProductConv2D):
        layer, images = kind(5, side, padding=padding, activation="relu"), tf.Variable(faces)
        layer.build(faces.shape)
        layer.set_weights([kernel, np.arange(5) - 2])
        with tf.GradientTape() as tape:
            y = layer(images)
            loss = tf.reduce_sum(y**2)
        results.append([y, *tape.gradient(loss, [images, *(variable.value for variable in layer.weights)])])
    for stock, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, stock, rtol=0, atol=1e-5 * np.abs(stock).max())


@pytest.mark.parametrize("options", [{"kernel_size": 5}, {"strides": 2}, {"dilation_rate": 2}, {"groups": 2},
                                     {"filters": 16}, {"kernel_size": (1, 3)}])
def test_other_convolutions_stay_keras_own(options):
    layer = keras.layers.Conv2D(**{"filters": 128, "kernel_size": 3, **options})
    layer.build((1, 9, 9, 64))
    assert not ProductConv2D.can_replace(layer)


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("name", ["compact", *(
    pytest.param(large, marks=pytest.mark.slow)
    for large in ("cas", "deepfer", "harini", "padova_resnet", "seresnet", "vgg"))])
def test_the_faster_network_answers_as_the_one_it_replaces(name, products, monkeypatch):
    monkeypatch.setattr(hardware, "products_beat_convolutions", lambda: products)
    net = models.build(classes=7, name=name)
    quick, images = faster(net), np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype("float32")
    kinds = {type(layer) for layer in quick._flatten_layers()}
    assert (ProductConv2D in kinds) is products
    assert FusedBatchNormalization in kinds or name == "harini"
    np.testing.assert_allclose(quick(images), net(images), rtol=1e-4, atol=1e-4)
    for actual, expected in zip(quick.weights, net.weights, strict=True):
        assert actual.name == expected.name


@pytest.mark.slow
def test_a_frozen_backbone_keeps_its_statistics():
    quick = faster(models.build(classes=7, name="deepfer"))
    unfreezing.unfreeze(quick, "head")
    backbone = quick.get_layer(BACKBONE)
    before = backbone.get_weights()
    quick(np.full((2, 48, 48, 1), 9, "float32"), training=True)
    for actual, expected in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_another_backend_has_keras_own(monkeypatch):
    net = models.build(classes=7, name="compact")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert faster(net) is net


@pytest.mark.parametrize(("flags", "products"), [("avx avx2 fma", True), ("avx2 avx512f", False), ("neon", False)])
def test_products_are_for_processors_where_they_were_measured(flags, products, monkeypatch):
    monkeypatch.setattr(processor, "cpuinfo", lambda: ["model name : a", f"flags : {flags}"])
    assert hardware.products_beat_convolutions() is products


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ema", [0, 0.9])
@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_five_steps_of_adam_are_keras_own(kind, ema, dtype):
    settings = {"optimizer": kind, "learning_rate": 0.01, "weight_decay": 0.1, "schedule": "one_cycle", "warmup": 0.3,
                "epochs": 1, "ema": ema}
    ours, keras_own = (_trained(optimizers.build(settings, 10, stock=stock), dtype=dtype) for stock in (False, True))
    for actual, expected in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_muon_trains_biases_as_keras_s_does():
    ours, keras_own = (_trained(kind(0.01), shapes=((5,), (3,))) for kind in (optimizers.Muon, keras.optimizers.Muon))
    for actual, expected in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def _trained(optimizer, dtype="float32", shapes=((5, 3), (3,))):
    """Two variables and the optimiser's own after five steps."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape), dtype=dtype) for shape in shapes]
    optimizer.build(variables)
    step = tf.function(lambda *gradients: optimizer.apply(list(gradients), variables))
    for _ in range(5):
        step(*(tf.constant(rng.normal(size=variable.shape), "float32") for variable in variables))
    return [variable.numpy() for variable in (*variables, *optimizer.variables)]
