"""What trains faster is Keras's, to rounding, in all that training sees of it: batch norm, convolutions and Adam."""

from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.system import processor
from pipeline.training import hardware, models, optimizers, unfreezing
from pipeline.training.convolution import ProductConv2D, WholeMapDepthwiseConv2D
from pipeline.training.faster import faster
from pipeline.training.fused import DropoutByBytes, FusedBatchNormalization
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


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("channels", [5, 16])
def test_a_step_in_bfloat16_is_keras_own(channels, native, monkeypatch):
    monkeypatch.setattr(hardware, "gains", lambda technique: native)
    rng = np.random.default_rng(0)
    faces, upstream = (rng.normal(3, 2, (8, 6, 6, channels)).astype("float32") for _ in range(2))
    results = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer, images = kind(dtype="mixed_bfloat16"), tf.Variable(faces)
        layer.build(faces.shape)
        with tf.GradientTape() as tape:
            y = layer(images, training=True)
            loss = tf.reduce_sum(tf.cast(y, "float32") * upstream)
        learning = [images, *(variable.value for variable in layer.trainable_variables)]
        results.append([y, *tape.gradient(loss, learning), *layer.get_weights()])
    for stock, ours in zip(*results, strict=True):
        stock, ours = np.asarray(stock, "float32"), np.asarray(ours, "float32")
        np.testing.assert_allclose(ours, stock, rtol=0, atol=2**-7 * np.abs(stock).max())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_gradients_of_a_convolution_in_bfloat16_are_keras_own(stride, size, padding, monkeypatch):
    monkeypatch.setattr(hardware, "gains", lambda technique: technique == "bfloat16 products")
    rng = np.random.default_rng(0)
    faces, results = rng.normal(size=(3, size, 6, 64)).astype("float32"), []
    kernel = rng.normal(size=(3, 3, 64, 5))
    for kind in (keras.layers.Conv2D, ProductConv2D):
        layer = kind(5, 3, stride, padding=padding, dtype="mixed_bfloat16")
        images = tf.Variable(faces)
        layer.build(faces.shape)
        layer.set_weights([kernel, np.arange(5) - 2])
        with tf.GradientTape() as tape:
            y = layer(images)
            loss = tf.reduce_sum(tf.cast(y, "float32")**2)
        results.append([y, *tape.gradient(loss, [images, *(variable.value for variable in layer.weights)])])
        assert ProductConv2D.can_replace(layer) is (kind is keras.layers.Conv2D)
    for stock, ours in zip(*results, strict=True):
        stock, ours = np.asarray(stock, "float32"), np.asarray(ours, "float32")
        np.testing.assert_allclose(ours, stock, rtol=0, atol=2**-7 * np.abs(stock).max())


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_depthwise_convolution_over_whole_maps_is_keras_own(dtype):
    rng = np.random.default_rng(0)
    image = keras.Input((5, 4, 8))
    stock = keras.layers.DepthwiseConv2D((5, 4), activation="relu", dtype=dtype)
    stock(image)
    assert WholeMapDepthwiseConv2D.can_replace(stock)
    stock.set_weights([rng.normal(size=(5, 4, 8, 1)), rng.normal(size=8)])
    ours, faces, results = WholeMapDepthwiseConv2D.from_config(stock.get_config()), rng.normal(size=(3, 5, 4, 8)), []
    ours.build((None, 5, 4, 8))
    ours.set_weights(stock.get_weights())
    for layer in (stock, ours):
        images = tf.Variable(faces.astype("float32"))
        with tf.GradientTape() as tape:
            y = layer(images)
            loss = tf.reduce_sum(tf.cast(y, "float32")**2)
        results.append([y, *tape.gradient(loss, [images, *(variable.value for variable in layer.weights)])])
    for expected, actual in zip(*results, strict=True):
        expected, actual = np.asarray(expected, "float32"), np.asarray(actual, "float32")
        tolerance = 2**-6 if dtype == "mixed_bfloat16" else 1e-5
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("options", [{"kernel_size": 4}, {"padding": "same"}, {"depth_multiplier": 2}])
def test_other_depthwise_convolutions_stay_keras_own(options):
    layer = keras.layers.DepthwiseConv2D(**{"kernel_size": 5, **options})
    layer(keras.Input((5, 5, 8)))
    assert not WholeMapDepthwiseConv2D.can_replace(layer)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_dropout_by_bytes_drops_its_share_and_keeps_the_mean(rate, dtype):
    layer, values = DropoutByBytes(rate, seed=1, dtype=dtype), np.ones((7, 41, 43, 9), dtype)
    shown = np.asarray(layer(values, training=True), "float32")
    assert (shown == 0).mean() == pytest.approx(rate, abs=0.005)
    assert shown.mean() == pytest.approx(1, abs=0.01)
    assert len(np.unique(shown)) == 2
    again = np.asarray(layer(values, training=True))
    assert (again != shown).mean() > rate / 2, "every step drops others"
    np.testing.assert_array_equal(layer(values), values)


@pytest.mark.parametrize("options", [{"rate": 0}, {"rate": 0.001}, {"rate": 0.5, "noise_shape": (None, 1)}])
def test_other_dropouts_stay_keras_own(options):
    assert not DropoutByBytes.can_replace(keras.layers.Dropout(**options))


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
def test_other_convolutions_stay_keras_own(options, monkeypatch):
    monkeypatch.setattr(hardware, "gains", lambda technique: True)
    layer = keras.layers.Conv2D(**{"filters": 128, "kernel_size": 3, **options})
    layer.build((1, 9, 9, 64))
    assert not ProductConv2D.can_replace(layer)


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("name", ["compact", *(
    pytest.param(large, marks=pytest.mark.slow)
    for large in ("cas", "deepfer", "harini", "padova_resnet", "seresnet", "vgg"))])
def test_the_faster_network_answers_as_the_one_it_replaces(name, products, monkeypatch):
    monkeypatch.setattr(hardware, "gains", lambda technique: products)
    net = models.build(classes=7, name=name)
    quick, images = faster(net), np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype("float32")
    kinds = {type(layer) for layer in quick._flatten_layers()}
    assert (ProductConv2D in kinds) is products
    assert not products or not any(map(DropoutByBytes.can_replace, quick._flatten_layers()))
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


@pytest.mark.parametrize(("flags", "expected"), [
    ("avx avx2 fma", {"products"}), ("avx2 avx512f", set()), ("neon", set()),
    ("avx2 avx512f avx512_bf16", {"bfloat16 products", "bfloat16 norms"}),
    ("avx2 avx512f avx512_bf16 amx_bf16", {"bfloat16 norms"})])
def test_arithmetic_is_for_processors_where_it_was_measured(flags, expected, monkeypatch):
    monkeypatch.setattr(processor, "cpuinfo", lambda: ["model name : a", f"flags : {flags}"])
    of_features = {"products", "bfloat16 products", "bfloat16 norms"}
    assert {technique for technique in of_features if hardware.gains(technique)} == expected
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert not any(hardware.gains(technique) for technique in get_args(hardware.Technique))


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
