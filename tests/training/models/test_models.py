"""Networks: every weight learns, sizes and class counts are free, and the published ones are those described."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
import toy_models

from pipeline.params import recipe as recipes
from pipeline.system.failure import Failure
from pipeline.training import importing, models
from pipeline.training.models import cbam, pretrained

SMALL = toy_models.NETWORKS
FORMS = [name if name.startswith(("cas", "compact")) else pytest.param(name, marks=pytest.mark.slow)
         for name in SMALL]

# C(onvolution), B(atch norm), M(ax pool), D(ropout), F(latten), H (a dense layer, hidden or the last), R(eLU), A(dd),
# G(lobal average pool), + (branches side by side), K (the pretrained backbone)
LETTERS = {"Conv2D": "C", "BatchNormalization": "B", "MaxPooling2D": "M", "Dropout": "D", "Flatten": "F", "Dense": "H",
           "ReLU": "R", "Add": "A", "GlobalAveragePooling2D": "G", "Concatenate": "+", "Functional": "K"}
# One residual block of S3, and one with a convolution on the shortcut, whose stride is a pool of one pixel
BLOCK, WIDER = "BCRBCA", "BCRMBCCA"

# recipe: the layers as its authors describe them, with the filters and the units (None where they are ours); the
# parameters that they publish (None where they do not), ours
DESCRIBED: dict[str, tuple] = {
    "cas": ("CBCBMD" * 3 + "FHBDH", [32, 64, 128, 128, 256, 256], [256], 3.5e6, 3_491_335),
    "cas_unbalanced": ("CBCBMD" * 3 + "FHBDH", [32, 64, 128, 128, 256, 256], [256], 3.5e6, 3_491_335),
    "deepfer_cnn": ("CBCBMD" * 3 + "FHBDH", [32, 64, 128, 128, 256, 256], [256], None, 3_491_335),
    "javier": ("CCMD" * 4 + "FHDH", None, None, None, 2_355_431),
    "padova_vgg_v0": ("CCMD" * 4 + "FHHH", None, [25, 25], 4.8e6, 4_800_255),
    "padova_vgg_v1": ("CCBMD" * 4 + "FHHHH", None, [512, 256, 128], 5.9e6, 7_212_870),
    "padova_vgg_v2": ("CBCBMD" * 4 + "FHHHH", None, [512, 256, 128], 5.9e6, 7_216_710),
    "padova_resnet_2552": ("C" + BLOCK * 2 + (WIDER + BLOCK * 4) * 2 + WIDER + BLOCK + "GH", None, [], None,
                           15_617_286),
    "padova_resnet_3463": ("C" + BLOCK * 3 + WIDER + BLOCK * 3 + WIDER + BLOCK * 5 + WIDER + BLOCK * 2 + "GH", None, [],
                           21.3e6, 21_301_382),
    "harini": ("CCMDCMCMDFHDH", [32, 64, 128, 128], [1024], None, 2_345_607),
}


@pytest.fixture
def small_backbone(monkeypatch):
    toy_models.small_backbone(monkeypatch)


def build(form: str, **options):
    return models.build(form.split("-")[0], **options, **SMALL[form])


def letters(net) -> str:
    return "".join(LETTERS.get(type(layer).__name__, "") for layer in net.layers)


def sizes(net, kind: str, what: str) -> list[int]:
    return [getattr(layer, what) for layer in net.layers if type(layer).__name__ == kind]


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "classes"), [(48, 7), (24, 6)])
def test_outputs_are_finite_logits_and_every_weight_gets_a_gradient(form, size, classes):
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    net = build(form, classes=classes, size=size)
    for weight in net.trainable_weights:
        if weight.path.endswith("gamma"):  # a gamma of zero holds back what is before it, until it has moved
            weight.assign(np.ones(weight.shape))
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


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("form", FORMS)
def test_a_saved_network_is_the_same_after_loading(form, tmp_path):
    import keras

    net = models.with_softmax(build(form, classes=6))
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype("float32")
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(images), net.predict_on_batch(images))


@pytest.mark.slow
@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("form", SMALL)
def test_the_exported_network_is_the_same_under_onnx_runtime(form, tmp_path):
    import keras

    from pipeline.bundle.bundle import onnx_session
    from pipeline.bundle.export import export

    keras.utils.set_random_seed(0)
    net = models.with_softmax(build(form, classes=6))
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype("float32")
    export(net, tmp_path / "net.onnx")
    served = onnx_session(tmp_path / "net.onnx").run(["probabilities"], {"image": images})[0]
    np.testing.assert_allclose(served, net.predict_on_batch(images), atol=1e-4)
    export(net, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "net.onnx").read_bytes()


EXPORT = """
import sys
from pathlib import Path
import keras
from pipeline.bundle.export import export
from pipeline.training import importing, models
keras.utils.set_random_seed(0)
images = keras.Input((48, 48, 1))
x = keras.layers.Conv2D(4, 3, padding="same")(images)
x = keras.layers.add([x, keras.layers.Conv2D(4, 3, padding="same")(keras.layers.BatchNormalization()(x))])
x = keras.layers.Flatten()(keras.layers.MaxPooling2D(8)(x))
export(keras.Model(images, keras.layers.Dense(7, activation="softmax")(x)), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_processes_export_the_same_file_in_whatever_order_they_have_their_sets(tmp_path):
    files = [tmp_path / f"{seed}.onnx" for seed in (1, 2, 3)]
    for file in files:
        subprocess.run([sys.executable, "-c", EXPORT, file], check=True, capture_output=True,
                       env={**os.environ, **importing.ENVIRONMENT, "PYTHONHASHSEED": file.stem})
    assert len({file.read_bytes() for file in files}) == 1
    # of a Flatten it is a matter of chance whether tf2onnx calculates its shape
    assert "Shape" not in {node.op_type for node in onnx.load(files[0]).graph.node}


def test_every_family_is_tested():
    assert {form.split("-")[0] for form in SMALL} == set(models.FAMILIES)


def test_attention_weighs_channels_by_their_mean_and_maximum_and_then_positions():
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 8))
    net = keras.Model(image, cbam.attend(image, "attention"))
    rng = np.random.default_rng(0)
    for weight in net.trainable_weights:
        weight.assign(rng.normal(0, 1, weight.shape))
    x = rng.normal(0, 1, (3, 6, 6, 8)).astype("float32")
    first, bias_1, second, bias_2, kernel = [weight.numpy() for weight in net.trainable_weights]

    def perceptron(pooled):
        return np.maximum(pooled @ first + bias_1, 0) @ second + bias_2

    def sigmoid(logits):
        return 1 / (1 + np.exp(-logits))

    weighed = x * sigmoid(perceptron(x.mean((1, 2))) + perceptron(x.max((1, 2))))[:, None, None]
    padded = np.pad(np.stack([weighed.mean(-1), weighed.max(-1)], -1), ((0, 0), (3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))
    positions = sigmoid(np.einsum("nhwcyx,yxcf->nhwf", windows, kernel))
    np.testing.assert_allclose(net.predict_on_batch(x), weighed * positions, rtol=1e-3, atol=1e-5)
    seen = keras.Model(image, net.get_layer("attention").output).predict_on_batch(x)
    np.testing.assert_allclose(seen, positions, rtol=1e-3)


def test_the_recipe_attention_is_the_speedrun_with_an_attention_block_in_every_stage():
    plain, attended = [models.build(classes=7, **recipes.named(name)["model"]) for name in ("speedrun", "attention")]
    maps = [layer.output.shape[1:] for layer in attended.layers if layer.name.startswith("attention")]
    assert maps == [(20, 20, 1), (10, 10, 1), (5, 5, 1)]
    # less than two hundredths more weights
    assert plain.count_params() < attended.count_params() < 1.02 * plain.count_params()


@pytest.mark.parametrize("name", ["attention", "multitask"])
def test_the_recipes_that_are_compared_with_the_speedrun_differ_from_it_in_one_value(name):
    mine, plain = recipes.named(name), recipes.named("speedrun")
    assert mine["augment"] == plain["augment"] and mine["balance"] == plain["balance"]
    train = {key: value for key, value in plain["train"].items() if key != "votes"}
    if name == "attention":
        assert mine["model"] == {**plain["model"], "attention": True} and mine["train"] == train
    else:
        assert mine["model"] == plain["model"] and mine["train"] == {**train, "action_units": 0.4}


@pytest.mark.slow
def test_the_batch_norms_of_vgg_vanish_in_its_convolutions_when_it_is_exported(tmp_path):
    import keras
    import onnx

    from pipeline.bundle.export import export

    keras.utils.set_random_seed(0)
    net = models.build("vgg", classes=7, **SMALL["vgg"])
    for layer in net.layers:  # a fresh one adds and multiplies nothing
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([np.random.uniform(0.5, 2, weight.shape) for weight in layer.weights])
    export(models.with_softmax(net), tmp_path / "net.onnx")
    nodes = onnx.load(tmp_path / "net.onnx").graph.node
    after = [node.op_type for one in nodes if one.op_type == "Conv" for node in nodes if one.output[0] in node.input]
    assert after == ["Relu"] * 6


@pytest.mark.parametrize("recipe", [name if name in ("cas", "harini") else pytest.param(name, marks=pytest.mark.slow)
                                    for name in DESCRIBED])
def test_the_layers_are_those_that_the_authors_describe(recipe):
    described, filters, units, published, ours = DESCRIBED[recipe]
    mine = recipes.named(recipe)
    classes = int(mine["classes"])
    net = models.build(classes=classes, **mine["model"])
    assert letters(net) == described
    if filters is not None:
        assert sizes(net, "Conv2D", "filters") == filters
    if units is not None:
        assert sizes(net, "Dense", "units") == [*units, classes]
    assert net.count_params() == ours
    if published is not None and recipe not in ("padova_vgg_v1", "padova_vgg_v2"):
        assert ours == pytest.approx(published, rel=0.01)


@pytest.mark.slow
def test_s3_s_5_9_m_parameters_are_a_last_map_of_two_by_two():
    assert models.build("padova_vgg", classes=6, size=32, variant="v1").count_params() == pytest.approx(5.9e6, rel=0.01)


@pytest.mark.slow
def test_s3_s_first_convolution_is_held_small_in_v1_and_v2_alone():
    for variant, held in (("v0", 0), ("v1", 1), ("v2", 1)):
        net = models.build("padova_vgg", classes=6, width=4, variant=variant)
        penalties = [layer.kernel_regularizer for layer in net.layers if type(layer).__name__ == "Conv2D"]
        assert [index for index, penalty in enumerate(penalties) if penalty is not None] == list(range(held))
        assert all(float(penalty.l2) == pytest.approx(0.01) for penalty in penalties if penalty is not None)


@pytest.mark.slow
def test_s3_s_inception_blocks_have_the_branches_described():
    net = models.build(classes=6, **recipes.named("padova_inception")["model"])
    convolutions = [layer for layer in net.layers if type(layer).__name__ == "Conv2D"]
    assert len(convolutions) == 8 * 7 and all(float(layer.kernel_regularizer.l2) == pytest.approx(2e-4)
                                              for layer in convolutions)
    for block in range(8):
        n = 64 + 32 * block
        mine = sorted((layer.kernel_size[0], layer.filters) for layer in convolutions[7 * block : 7 * block + 7])
        assert mine == sorted([(1, 3 * n // 4), (1, n // 2), (3, n // 2), (1, n // 8), (5, n // 8), (5, n // 4),
                               (1, n // 4)]), f"block {block + 1}"
    assert letters(net).replace("C", "").endswith("+MFDH") and letters(net).count("+") == 8
    assert letters(net)[0] != "M", "no initial pooling"
    assert net.count_params() == 4_399_686, "4.8 M published, with a number of blocks that cannot be read"


@pytest.mark.slow
def test_s3_s_residual_blocks_add_to_what_the_first_batch_norm_gives():
    net = models.build("padova_resnet", classes=6, groups=(2,), width=4)
    add = next(layer for layer in net.layers if type(layer).__name__ == "Add")
    kinds = {type(tensor._keras_history.operation).__name__ for tensor in add.input}
    assert kinds == {"BatchNormalization", "Conv2D"}
    deep = models.build("padova_resnet", classes=6)
    filters = sizes(deep, "Conv2D", "filters")
    assert sorted(set(filters)) == [64, 128, 256, 512]
    assert len([layer for layer in deep.layers if getattr(layer, "kernel_size", None) == (3, 3)]) == 32, "depth 34"


def test_s1_s_network_at_a_quarter_of_its_filters_is_the_same_in_a_quarter_of_every_layer():
    net = models.build("cas", classes=7, width=8)
    assert letters(net) == DESCRIBED["cas"][0] and sizes(net, "Conv2D", "filters") == [8, 16, 32, 32, 64, 64]
    assert sizes(net, "Dense", "units") == [64, 7]


@pytest.mark.slow
def test_s5_s_backbone_sees_three_channels_from_minus_one_to_one_and_bears_the_head_described():
    import keras

    net = models.build("deepfer", classes=7)
    assert letters(net) == "+KGHBDH" and net.started_from == "random weights"
    joined = next(layer for layer in net.layers if type(layer).__name__ == "Concatenate")
    seen = keras.Model(net.input, joined.output)
    for level, sees in ((0, -1), (255, 1)):
        outputs = seen.predict_on_batch(np.full((1, 48, 48, 1), level, "float32"))
        assert outputs.shape == (1, 96, 96, 3)
        np.testing.assert_allclose(outputs, sees, atol=1e-6)


def tiny(weights=None):
    """Stands for a constructor of keras.applications."""
    import keras

    if weights == "imagenet":
        raise Exception("URL fetch failure on https://example.org: timed out\nmore")
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)], name="tiny")
    if weights is not None:
        net.load_weights(weights)
    return net


def test_imagenet_weights_that_cannot_be_had_are_one_line_with_both_ways_out():
    with pytest.raises(Failure) as caught:
        pretrained.load(tiny, "imagenet")
    said = str(caught.value)
    assert "\n" not in said and "timed out" in said and "model.weights=PATH" in said and "model.weights=none" in said


def test_weights_come_from_a_file_and_the_network_says_so(tmp_path):
    net, random = pretrained.load(tiny, "none")
    net.save_weights(tmp_path / "some.weights.h5")
    again, said = pretrained.load(tiny, str(tmp_path / "some.weights.h5"))
    for one, two in zip(net.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert random == "random weights" and said.startswith("weights ") and said.endswith(" of some.weights.h5")


@pytest.mark.parametrize(("content", "said"), [(None, "there is no file"), (b"no weights", "does not fit")])
def test_a_file_without_fitting_weights_is_one_line(content, said, tmp_path):
    if content:
        (tmp_path / "some.weights.h5").write_bytes(content)
    with pytest.raises(Failure, match=said) as caught:
        pretrained.load(tiny, str(tmp_path / "some.weights.h5"))
    assert "\n" not in str(caught.value) and "none" in str(caught.value)


def test_an_unknown_network_or_option_is_named():
    with pytest.raises(Failure, match=r"model\.name is 'alexnet', expected one of cas, compact"):
        models.build("alexnet", classes=7)
    with pytest.raises(Failure, match="wings"):
        models.build("compact", classes=7, wings=2)
    with pytest.raises(Failure, match="variant is 'v9'"):
        models.build("padova_vgg", classes=7, variant="v9")
    with pytest.raises(Failure, match="cannot be built with these options for 16 x 16 pixels"):
        models.build("harini", classes=7, size=16)


def test_the_filters_of_vgg_stand_for_multiples_of_its_width():
    def counts(**options) -> list[int]:
        net = models.build("vgg", classes=7, **options)
        return [weight.shape[-1] for weight in net.weights if weight.name == "kernel"]

    assert counts(width=5) == [5, 10, 20, 20, 40, 40, 40, 7]
    assert counts(filters=[16, 32, 80, 80, 160, 160]) == [16, 32, 80, 80, 160, 160, 160, 7]
    with pytest.raises(Failure, match="filters are six numbers, not 5"):
        models.build("vgg", classes=7, filters=[1, 2, 3, 4, 5])
