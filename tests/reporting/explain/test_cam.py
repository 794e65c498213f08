"""Class activation maps: of every kind of head, faithful to the logit, and the network's own."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.reporting.explain import cam
from pipeline.system.failure import Failure
from pipeline.training import models
from pipeline.training.importing import quiet
from pipeline.training.loop import build_net

with quiet():
    import keras

SMALL = {
    "compact": {"stem": 8, "width": 8},
    "resnet": {"width": 8, "blocks": [1, 1], "crop": 4},
    "seresnet": {"width": 8, "blocks": [1, 1]},
    "vgg": {"width": 4},
    "padova_inception": {"width": 8, "growth": 8, "blocks": 2},
}
# Networks whose logits are linear in their last maps
LINEAR = ("compact", "resnet", "seresnet", "padova_inception")


def net_of(name: str, seed: int = 1) -> keras.Model:
    return build_net({"seed": seed, "classes": list("abcdefg"), "model": {"name": name, **SMALL[name]}})


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    blocks = np.random.default_rng(0).integers(0, 256, (6, 12, 12), "uint8")
    return blocks.repeat(4, axis=1).repeat(4, axis=2)


@pytest.mark.parametrize("name", SMALL)
def test_the_map_adds_up_to_the_logit_where_the_head_is_linear(name, images):
    net, labels = net_of(name), np.array([0, 1, 2, 3, 4, 5])
    found = cam.maps(net, images, labels, "hirescam")
    assert found.shape[0] == 6 and min(found.shape[1:]) > 1 and np.isfinite(found).all() and np.ptp(found) > 0
    logits = net.predict_on_batch(images[..., None].astype("float32"))[np.arange(6), labels]
    bias = net.layers[-1].get_weights()[1][labels]
    if name in LINEAR:
        assert found.sum(axis=(1, 2)) == pytest.approx(logits - bias, abs=2e-3)
    else:
        assert found.shape[1:] == (6, 6), "maps that are flattened keep their places"


def test_gradcam_is_the_same_where_the_head_averages_and_not_where_it_weighs_positions(images):
    labels = np.zeros(6, int)
    for name, alike in (("resnet", True), ("padova_inception", False)):
        net = net_of(name)
        one, other = (cam.maps(net, images, labels, method) for method in ("hirescam", "gradcam"))
        assert np.allclose(one, other, atol=1e-5) == alike, name


@pytest.mark.parametrize("form", [name if name in ("compact", "compact-attention", "deepfer") else pytest.param(
    name, marks=pytest.mark.slow) for name in toy_models.NETWORKS])
def test_every_family_has_maps_that_the_answer_rests_on_as_it_is_loaded_from_a_bundle(form, images, tmp_path,
                                                                                     monkeypatch):
    toy_models.small_backbone(monkeypatch)
    keras.utils.set_random_seed(1)
    net = models.build(form.split("-")[0], classes=7, **toy_models.NETWORKS[form])
    models.with_softmax(net).save(tmp_path / "model.keras")
    loaded, labels = cam.network(SimpleNamespace(folder=tmp_path)), np.arange(6)
    for method in ("hirescam", "gradcam"):
        found = cam.maps(loaded, images, labels, method)
        assert found.shape[0] == 6 and min(found.shape[1:]) > 1 and np.isfinite(found).all()
        assert (np.ptp(found, axis=(1, 2)) > 0).all(), "of every face"
        assert not np.allclose(found, cam.maps(loaded, images, (labels + 1) % 7, method)), "of this class"
        assert cam.over_crop(loaded, found[0]).shape == (48, 48)


def test_the_attentions_map_is_the_last_blocks_whatever_the_class(images):
    net = models.build("compact", classes=7, **toy_models.NETWORKS["compact-attention"])
    found = cam.maps(net, images, np.zeros(6, int), "attention")
    weights = keras.Model(net.input, net.get_layer("attention_3_1").output).predict_on_batch(
        images[..., None].astype("float32"))[..., 0]
    assert found == pytest.approx(weights - weights.mean(axis=(1, 2), keepdims=True), abs=1e-6)
    assert np.array_equal(found, cam.maps(net, images, np.ones(6, int), "attention")) and np.ptp(found) > 0
    with pytest.raises(Failure, match="has no attention; the recipe attention's has"):
        cam.maps(net_of("vgg"), images, np.zeros(6, int), "attention")


@pytest.mark.parametrize("method", ["hirescam", "gradcam"])
def test_a_map_points_at_what_a_constructed_network_looks_at(method):
    """Its one filter answers to brightness; its head, in the first case, to the brightness in one place."""
    image = keras.Input((48, 48, 1))
    x = keras.layers.MaxPooling2D(8)(keras.layers.Conv2D(1, 1, use_bias=False)(image))
    if method == "hirescam":
        x, weights = keras.layers.Flatten()(x), np.zeros((36, 2))
        weights[6 * 4 + 2, 1] = 1
    else:
        x, weights = keras.layers.GlobalAveragePooling2D()(x), np.array([[0.0, 1.0]])
    net = keras.Model(image, keras.layers.Dense(2, use_bias=False)(x))
    net.layers[1].set_weights([np.ones((1, 1, 1, 1))])
    net.layers[-1].set_weights([weights])
    face = np.full((1, 48, 48), 10, "uint8")
    face[0, 32:40, 16:24] = 240
    shares = cam.over_crop(net, cam.maps(net, face, np.array([1]), method)[0])
    row, column = np.unravel_index(shares.argmax(), shares.shape)
    assert 32 <= row < 40 and 16 <= column < 24 and shares.max() == 1


@pytest.mark.parametrize("method", ["hirescam", "gradcam"])
def test_a_map_changes_with_the_weights(method, images):
    """The sanity check of Adebayo et al. 2018, arXiv 1810.03292: an edge detector's picture would stay the same."""
    net, labels = net_of("compact"), np.zeros(3, int)

    def ranks(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        net.set_weights([np.abs(values) if "variance" in variable.path else rng.permutation(values.ravel()).reshape(
            values.shape) for variable, values in zip(net.weights, drawn, strict=True)])
        found = cam.maps(net, images[:3], labels, method)
        return found.reshape(3, -1).argsort(axis=1).argsort(axis=1)

    drawn = [np.random.default_rng(9).normal(0, 1, values.shape) / np.sqrt(max(1, values[..., 0].size))
             for values in net.get_weights()]
    of_seed = [ranks(seed) for seed in range(1, 5)]
    assert np.array_equal(of_seed[0], ranks(1))
    alike = [np.corrcoef(a, b)[0, 1] for one, other in combinations(of_seed, 2)
             for a, b in zip(one, other, strict=True)]
    assert abs(np.mean(alike)) < 0.3 and np.mean(np.abs(alike)) < 0.6, "Spearman's, over six pairs of networks"


def test_what_the_entrance_cuts_off_has_no_part_in_the_answer(images):
    net = net_of("resnet")
    shares = cam.over_crop(net, cam.maps(net, images[:1], np.array([0]), "hirescam")[0])
    assert shares.shape == (48, 48) and np.abs(shares).max() == pytest.approx(1)
    inside = np.zeros((48, 48), bool)
    inside[4:44, 4:44] = True
    assert not shares[~inside].any() and shares[inside].any()


def test_a_bundle_without_its_keras_file_is_told_what_else_there_is(tmp_path):
    bundle = toy_models.bundle(tmp_path / "model")
    with pytest.raises(Failure, match=r"model\.keras: not a network of this project"):
        cam.network(bundle)
    (bundle.folder / "model.keras").unlink()
    with pytest.raises(Failure, match=r"model\.keras: not there.*--method occlusion"):
        cam.network(Bundle.load(bundle.folder))
