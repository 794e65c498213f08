"""Weights to start from: the network begins where another one ended, and what cannot fit is said in a line."""

import keras
import numpy as np
import pytest

from pipeline.params import params, resolved
from pipeline.system.failure import Failure
from pipeline.training import models, start

OPTIONS = {"blocks": (1, 1), "width": 8}
ABOUT = {"bundle": "0123456789ab", "recipe": "toy", "seed": 1, "dataset": "fer2013", "protocol": "published",
         "votes": 0.4, "teachers": None}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A network whose weights are kept as ``toy``."""
    monkeypatch.setattr(start, "FOLDER", tmp_path)
    keras.utils.set_random_seed(1)
    net = models.build("resnet", classes=7, **OPTIONS)
    start.write("toy", net.get_weights(), ABOUT)
    return net


def test_a_network_begins_with_the_answers_of_the_one_that_it_starts_from(kept):
    images = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 1)).astype("float32")
    keras.utils.set_random_seed(2)
    net = models.build("resnet", classes=7, weights="toy", **OPTIONS)
    expected = keras.ops.softmax(kept(images))
    np.testing.assert_allclose(keras.ops.softmax(net(images)), expected, atol=0.02)
    assert net.started_from == "weights of toy (0123456789ab)"
    assert abs(keras.ops.softmax(models.build("resnet", classes=7, **OPTIONS)(images)) - expected).numpy().max() > 0.05


def test_with_other_classes_all_but_the_last_layer_is_taken(kept):
    net = models.build("resnet", classes=6, weights="toy", **OPTIONS)
    for ours, theirs in zip(net.get_weights()[:-2], kept.get_weights()[:-2], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02)
    assert net.get_layer("logits").bias.shape == (6,)


def test_what_does_not_fit_is_one_line(kept):
    with pytest.raises(Failure, match=r"those of toy are another network's"):
        models.build("resnet", classes=7, weights="toy", blocks=(1, 1), width=16)
    with pytest.raises(Failure, match=r"no weights 'tou'.*did you mean toy"):
        models.build("resnet", classes=7, weights="tou", **OPTIONS)
    (start.FOLDER / "toy.npz").write_bytes(b"PK")
    with pytest.raises(Failure, match=r"toy.npz: no weights to start from .*`ferpipe start-from`"):
        models.build("resnet", classes=7, weights="toy", **OPTIONS)


def test_a_network_without_a_fold_does_not_start_from_one_that_saw_it(kept):
    settings = params.load(recipe="camera").override({
        "dataset": "fer2013", "balance.without": "1/3", "train.votes": 0, "train.teacher": 0, "model.weights": "toy"})
    with pytest.raises(Failure, match=r"toy learned from the fold .* say model.weights=none"):
        resolved.resolve(settings, {"strategy": "none", "class_set": "7", "classes": list("abcdefg"),
                                    "protocol": "published"})


@pytest.mark.parametrize(("dataset", "drop_leaks", "refused"), [
    ("fer2013", "none", False), ("fer2013", "exact", True), ("fer2013", "near", True), ("sample", "exact", False)])
def test_a_network_without_copies_does_not_start_from_one_that_saw_them(kept, dataset, drop_leaks, refused):
    values = {"dataset": dataset, "balance.drop_leaks": drop_leaks, "train.votes": 0, "train.teacher": 0,
              "model.weights": "toy"}
    manifest = {"strategy": "none", "class_set": "7", "classes": list("abcdefg"),
                "protocol": {"none": "published", "exact": "leak-free", "near": "copy-free"}[drop_leaks]}
    settings = params.load(recipe="camera").override(values)
    if not refused:
        config = resolved.resolve(settings, manifest)
        assert config["model"]["weights"] == "toy"
        assert (config["train"]["start_share"] > 0) == (dataset == "fer2013"), "of another task's weights none is kept"
        return
    with pytest.raises(Failure, match=r"toy learned from the published protocol, but .* say model.weights=none"):
        resolved.resolve(settings, manifest)
